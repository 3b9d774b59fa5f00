"""The open-source worker's HTTP protocol (313): whatever goes wrong, the connection is closed without an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from alluxiofs.testing.stand_in_workers._entries import Written, entry_of
from alluxiofs.testing.stand_in_workers._load_jobs import answer_load
from alluxiofs.testing.stand_in_workers._messages import Answer, Request, Slice, json_answer, parameters_of
from alluxiofs.testing.stand_in_workers._paths import undo_escapes

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._core import Core

__all__ = ["PagesDialect"]

_PAGE = re.compile(r"/v1/file/([0-9a-f]{64})/page/(\d{1,9})\?offset=(\d{1,9})&length=(\d{1,9})")
_ABSOLUTE = re.compile(r"https?://[^/]*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+")
_HEALTHY = Answer(body=b"worker is active")
_WRITTEN = {"success": True, "message": "Page written successfully"}

_Found = Tuple[str, Optional[Answer]]


class PagesDialect:
    """Answers requests to one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pages = core.pages
        self._written = Written()

    def answer(self, request: Request) -> _Found:
        """The route of a request, and its answer; ``None``: the connection is closed."""
        quick = _PAGE.fullmatch(request.target)
        if quick is not None and request.method == "GET":
            return "page", self._range(quick[1], int(quick[2]), int(quick[3]), int(quick[4]))
        path, mark, query = _ABSOLUTE.sub("", request.target, count=1).partition("?")
        segments = path.split("/")[1:]
        if len(segments) < 2:
            return self._routed(request, segments[:1], {}) if segments else ("other", None)
        parameters = parameters_of(query) if mark else {}
        if len(segments) > 5 and segments[1] == "file":
            parameters = {}  # what stands behind a slash after the index is not looked at
        if parameters is None:
            return _route_of(segments[1], request.method), None
        return self._routed(request, segments[1:], parameters)

    def _routed(self, request: Request, segments: List[str], parameters: Dict[str, str]) -> _Found:
        point, method = segments[0], request.method
        route = _route_of(point, method)
        if route == "write":
            return route, self._write(segments, request.body)
        if method != "GET" or route == "other":
            return route, None
        if route == "page":
            return route, self._page(segments, parameters)
        if route == "health":
            return route, _HEALTHY
        path = parameters.get("path")
        if path is None:
            return route, None
        if route == "load":
            return route, self._load(undo_escapes(path), parameters)
        return route, self._metadata(route, undo_escapes(path))

    # --- metadata -------------------------------------------------------------------------------------------------

    def _metadata(self, route: str, path: str) -> Optional[Answer]:
        root, peers = self._core.plan.root, self._core.peers
        key = root.key(path)
        if root.name(key) is None:
            return None
        if route == "files":
            listed = peers.files(key)
            return self._written.of(route, key, listed, 0, lambda: json_answer([entry_of(one, root) for one in listed]))
        found = peers.info(key)
        if found is None:
            return None
        entry = found
        return self._written.of(route, key, found, 0, lambda: json_answer([entry_of(entry, root)]))

    # --- pages ----------------------------------------------------------------------------------------------------

    def _page(self, segments: List[str], parameters: Dict[str, str]) -> Optional[Answer]:
        index = _long(segments[3]) if len(segments) > 3 else None
        if index is None:
            return None
        if "offset" not in parameters:
            return self._range(segments[1], index, 0, None)
        offset = _as_int(_long(parameters["offset"]))
        length = _as_int(_long(parameters["length"])) if "length" in parameters else 2**31 - 1
        return None if offset is None or length is None else self._range(segments[1], index, offset, length)

    def _range(self, file: str, index: int, offset: int, length: Optional[int]) -> Optional[Answer]:
        kept = self._pages.get(file, index)
        if kept is None or not 0 <= offset <= kept.length or (length is not None and length < 0):
            return None
        left = kept.length - offset
        descriptor = self._pages.descriptor
        body = Slice(descriptor, kept.start + offset, left if length is None else min(length, left))
        return Answer(body=body, whole=Slice(descriptor, *kept))

    def _write(self, segments: List[str], body: bytes) -> Optional[Answer]:
        index = _long(segments[3]) if len(segments) > 3 else None
        if index is None:
            return None
        self._pages.put(segments[1], index, body)
        return json_answer(_WRITTEN)

    # --- load jobs ------------------------------------------------------------------------------------------------

    def _load(self, path: str, parameters: Dict[str, str]) -> Optional[Answer]:
        return answer_load(self._core.master, path, parameters)


def _route_of(point: str, method: str) -> str:
    if point == "file":
        return "write" if method in ("PUT", "POST") else "page"
    return point if point in ("health", "files", "info", "load") else "other"


def _long(text: str) -> Optional[int]:
    number = int(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None


def _as_int(number: Optional[int]) -> Optional[int]:
    """Cut to 32 bits, as the worker does after it has read 64."""
    return None if number is None else (number + (1 << 31)) % (1 << 32) - (1 << 31)
