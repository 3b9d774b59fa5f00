"""What goes wrong, with which requests: plain values, no sockets."""

from __future__ import annotations

import enum
import re
import threading
from typing import Callable, Mapping, Optional

from attrs import define, field

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


# --- what goes wrong ------------------------------------------------------------------------------------------


class End(enum.Enum):
    """How a response that is not sent whole ends."""

    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"


@define(frozen=True)
class Fault:
    """What goes wrong with one response. Made by the functions below, which say what each field is for."""

    end: Optional[End] = None
    after: Optional[int] = None
    unanswered: bool = False
    performed: bool = True
    raw: Optional[bytes] = None
    reply: Optional[Reply] = None
    declared_length: Optional[int] = None
    piece: Optional[int] = None
    pause: float = 0.0
    ignore_range: bool = False
    shift_range: int = 0


def truncate(after: int) -> Fault:
    """The head declares the whole body; the connection is closed after ``after`` bytes of it."""
    return Fault(end=End.CLOSE, after=after)


def reset(after: Optional[int] = None) -> Fault:
    """The connection is reset (RST) after ``after`` bytes of the body, or, without, before the head."""
    return Fault(end=End.RESET, after=after, unanswered=after is None)


def stall(after: Optional[int] = None) -> Fault:
    """Nothing more comes after ``after`` bytes of the body, or, without, not even a head, until
    :meth:`FaultServer.release`, or the end of the server; then the connection is closed."""
    return Fault(end=End.STALL, after=after, unanswered=after is None)


def close(performed: bool = True) -> Fault:
    """The connection is closed without an answer; ``performed``: after what was asked for has been done."""
    return Fault(end=End.CLOSE, unanswered=True, performed=performed)


def garbage(raw: bytes = b"\x00\xff not HTTP at all\r\n\r\n") -> Fault:
    """These bytes instead of a response, and the connection is closed."""
    return Fault(raw=raw, performed=False)


def status(code: int, body: bytes = b"", headers: Optional[Mapping[str, str]] = None) -> Fault:
    """Another answer; what was asked for is not done."""
    return Fault(reply=Reply(code, body, dict(headers or {})), performed=False)


def redirect(url: str, code: int = 307) -> Fault:
    """An answer that sends the client elsewhere."""
    return status(code, headers={"Location": url})


def drip(piece: int, pause: float) -> Fault:
    """The body comes ``piece`` bytes at a time, with ``pause`` seconds before each."""
    return Fault(piece=piece, pause=pause)


def declare_length(length: int) -> Fault:
    """``Content-Length`` says ``length``, whatever is sent; the connection is closed after the body."""
    return Fault(declared_length=length)


def ignore_range() -> Fault:
    """The range asked for is ignored: 200 with the whole file."""
    return Fault(ignore_range=True)


def wrong_range(shift: int) -> Fault:
    """``Content-Range`` speaks of a range ``shift`` bytes further on than the one that is sent."""
    return Fault(shift_range=shift)


# --- what is asked and answered -------------------------------------------------------------------------------


@define(frozen=True)
class Request:
    """One request as it came: ``path`` is still quoted, names of headers are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@define(frozen=True)
class Reply:
    """One answer. ``chunked``: without a length, in chunks. Headers that a body needs are added."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(factory=dict)
    chunked: bool = False


Handler = Callable[[Request], Reply]


def serve_bytes(content: bytes, headers: Optional[Mapping[str, str]] = None) -> Handler:
    """A handler that serves ``content`` to GET and HEAD, whole or the one range asked for."""

    def handler(request: Request) -> Reply:
        fixed = {"Accept-Ranges": "bytes", **(headers or {})}
        match = _RANGE.match(request.headers.get("range", ""))
        if match is None or match.groups() == ("", ""):
            return Reply(200, content, fixed)
        first, last = match.groups()
        start = int(first) if first else max(0, len(content) - int(last))
        stop = min(int(last) + 1, len(content)) if first and last else len(content)
        if start >= stop:
            return Reply(416, b"", {**fixed, "Content-Range": f"bytes */{len(content)}"})
        return Reply(206, content[start:stop], {**fixed, "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"})

    return handler


@define(eq=False)
class Rule:
    """Which requests a fault meets. ``applied`` counts them; ``wait`` returns once the first one was met."""

    fault: Fault
    path: Optional[str] = None
    method: Optional[str] = None
    when: Optional[Callable[[Request], bool]] = None
    skip: int = 0
    times: Optional[int] = 1
    applied: int = 0
    _met: threading.Event = field(factory=threading.Event, repr=False)

    def meets(self, request: Request) -> bool:
        """Whether the fault is for this request; counts it. Called under the owner's lock."""
        if (self.path not in (None, request.path)) or (self.method not in (None, request.method)):
            return False
        if (self.times is not None and self.applied >= self.times) or (self.when and not self.when(request)):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.applied += 1
        self._met.set()
        return True

    def wait(self, timeout: float = 60.0) -> None:
        """Until a request has met the fault; ``AssertionError`` after ``timeout`` seconds."""
        if not self._met.wait(timeout):
            raise AssertionError(f"no request met {self.fault} within {timeout} s")
