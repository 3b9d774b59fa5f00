"""What a worker shows of itself and of a file, to somebody who looks for what is wrong with a configuration."""

from __future__ import annotations

import time
from typing import Optional, Tuple

from alluxiofs.errors import NotHeldError, UnavailableError
from alluxiofs.interfaces import Deadline, Examined, Location
from alluxiofs.plugins._alluxio.entries import parse_object
from alluxiofs.plugins._alluxio.names import file_id, quoted, raw_path
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError

__all__ = ["examine"]


def examine(
    peer: Peer, dialect: str, location: Optional[Location], length: Optional[int], deadline: Deadline
) -> Examined:
    """Ask for the worker's health, and for what tells of the file without having anything loaded.

    Raises
    ------
    NotSupportedError
        If a worker of its dialect cannot be asked for a name like the file's. Nothing was sent then.
    """
    if location is not None and dialect == "pages":
        raw_path(location.url)
    _check_health(peer, deadline)  # over a connection that may be new
    began = time.perf_counter()
    _check_health(peer, deadline)
    seconds = time.perf_counter() - began
    if location is None:
        return Examined(dialect, seconds)
    if dialect == "rest":
        return Examined(dialect, seconds, owner=_owner(peer, location, deadline))
    holds, page_size = _first_page(peer, location, length, deadline)
    return Examined(dialect, seconds, holds, page_size)


def _check_health(peer: Peer, deadline: Deadline) -> None:
    try:
        with peer.besides("health"):
            answer = peer.http.ask(peer.get("/v1/health"), deadline, repeatable=True)
    except ClosedWithoutAnswerError as error:
        raise UnavailableError(f"{peer.where} does not answer for its health: {error}") from error
    if answer.status != 200:
        raise refused(answer, "/v1/health", peer.where)


def _first_page(
    peer: Peer, location: Location, length: Optional[int], deadline: Deadline
) -> Tuple[bool, Optional[int]]:
    """Whether the first page is held, and how long pages are: as long as it is, if the file does not end in it."""
    base = f"/v1/file/{file_id(location.url)}/page/0"
    try:
        with peer.besides("read"):
            held = _page(peer, f"{base}?offset=0&length=0", deadline)
        if held.status != 200:
            raise refused(held, location.url, peer.where)
        if not length:
            return True, None
        with peer.besides("read"):
            page = _page(peer, base, deadline)
    except NotHeldError:
        return False, None
    return True, len(page.body) if page.status == 200 and len(page.body) < length else None


def _page(peer: Peer, target: str, deadline: Deadline) -> Answer:
    try:
        return peer.http.ask(peer.get(target), deadline, repeatable=True)
    except ClosedWithoutAnswerError as error:
        raise NotHeldError(f"{peer.where} does not hold {target}") from error


def _owner(peer: Peer, location: Location, deadline: Deadline) -> Optional[Tuple[str, int]]:
    with peer.besides("node"):
        answer = peer.http.ask(peer.get(f"/v1/node?path={quoted(location.url)}"), deadline, repeatable=True)
    if answer.status != 200:
        return None
    said = parse_object(answer.body, peer.where)
    host, port = said.get("Host"), said.get("HttpServerPort", peer.http_port)
    return (host, port) if isinstance(host, str) and type(port) is int else None
