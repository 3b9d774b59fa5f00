"""Which dialect a cluster speaks: found out from answers, without side effects."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Optional

from alluxiofs.errors import UnavailableError, not_found
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError

__all__ = ["find_dialect"]

_BUSY = frozenset({408, 425, 429})


def find_dialect(peer: Peer, deadline: Deadline) -> str:
    """Ask a worker what only one of the dialects has an answer to.

    Only the newer dialect knows ``/v1/node``; the other closes the connection then, which a worker that fails does
    too. So that is believed only of one which answers for its health under any version, as just that dialect does.

    Returns
    -------
    str
        ``"pages"`` or ``"rest"``.

    Raises
    ------
    TemporaryError
        If the worker fails, is busy, or answers like neither.
    PermissionError
        If it refuses to answer.
    """
    answer: Optional[Answer] = None
    with suppress(FileNotFoundError):
        with peer.besides("node"):
            answer = _node_of_the_root(peer, deadline)
        if answer.status == 200 and _names_a_node(answer.body):
            return "rest"
        if _is_a_no(answer, peer, deadline):  # no node for the root, but statuses
            return "rest"
        if answer.status < 500:
            raise _unknown(answer, peer)
    # Neither a closed connection nor a failure says anything; a worker that is well answers this as its dialect does.
    with peer.besides("health"):
        healthy = peer.http.ask(peer.get("/alluxiofs/health"), deadline)
    if answer is None and healthy.status == 200 and healthy.body.strip() == b"worker is active":
        return "pages"
    if _is_a_no(healthy, peer, deadline):  # no worker of the other dialect has statuses
        return "rest"
    raise _unknown(healthy if answer is None else answer, peer)


def _node_of_the_root(peer: Peer, deadline: Deadline) -> Answer:
    try:
        return peer.http.ask(peer.get("/v1/node?path=%2F"), deadline)
    except ClosedWithoutAnswerError as error:  # by which one of the other dialect says that it knows no such thing
        raise not_found("/v1/node") from error


def _names_a_node(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "Host" in said


def _is_a_no(answer: Answer, peer: Peer, deadline: Deadline) -> bool:
    """Whether this is a status by which a worker that is well refuses what it does not know."""
    if not 400 <= answer.status < 500 or answer.status in _BUSY | {401, 403}:
        return False
    _check_well(peer, deadline)
    return True


def _check_well(peer: Peer, deadline: Deadline) -> None:
    with peer.besides("health"):
        healthy = peer.http.ask(peer.get("/v1/health"), deadline, repeatable=True)
    if healthy.status != 200:
        raise _unknown(healthy, peer)


def _unknown(answer: Answer, peer: Peer) -> OSError:
    error = refused(answer, peer.where, peer.where)
    if isinstance(error, (PermissionError, UnavailableError)):
        return error
    return UnavailableError(f"{peer.where} does not answer as a worker of Alluxio does: is it the HTTP port of one?")
