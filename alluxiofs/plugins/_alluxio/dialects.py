"""Which dialect a cluster speaks: found out from answers, without side effects."""

from __future__ import annotations

import json

from alluxiofs.errors import UnavailableError
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
    try:
        answer = peer.http.ask(peer.get("/v1/node?path=%2F"), deadline)
    except ClosedWithoutAnswerError:
        pass
    else:
        return _from_status(answer, peer, deadline)
    # The closed connection may have been a failure; this one is not.
    healthy = peer.http.ask(peer.get("/alluxiofs/health"), deadline)
    if healthy.status == 200 and healthy.body.strip() == b"worker is active":
        return "pages"
    if healthy.status == 404:
        _check_well(peer, deadline)
        return "rest"  # no worker of the other dialect has statuses
    raise _unknown(healthy, peer)


def _from_status(answer: Answer, peer: Peer, deadline: Deadline) -> str:
    if answer.status == 200:
        try:
            said = json.loads(answer.body)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict) and "Host" in said:
            return "rest"
    elif 400 <= answer.status < 500 and answer.status not in _BUSY | {401, 403}:
        _check_well(peer, deadline)
        return "rest"  # no node for the root, but statuses
    raise _unknown(answer, peer)


def _check_well(peer: Peer, deadline: Deadline) -> None:
    healthy = peer.http.ask(peer.get("/v1/health"), deadline, repeatable=True)
    if healthy.status != 200:
        raise _unknown(healthy, peer)


def _unknown(answer: Answer, peer: Peer) -> OSError:
    error = refused(answer, peer.where, peer.where)
    if isinstance(error, (PermissionError, UnavailableError)):
        return error
    return UnavailableError(f"{peer.where} does not answer as a worker of Alluxio does: is it the HTTP port of one?")
