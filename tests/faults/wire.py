"""HTTP/1.1 on the wire, as far as the servers here need it: heads, bodies, chunks."""

from __future__ import annotations

import re
import socket
from http import HTTPStatus
from typing import BinaryIO, Iterable, Iterator, List, Optional, Tuple

from attrs import define

from tests.faults.script import Fault, Request

Fields = List[Tuple[str, str]]

_BLOCK = 64 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


@define(frozen=True)
class Head:
    """The first line and the header fields of a message, names as they came."""

    line: str
    fields: Fields

    def get(self, name: str) -> Optional[str]:
        """The value of the first field of this name, in whatever case."""
        return next((value for key, value in self.fields if key.lower() == name), None)

    @property
    def chunked(self) -> bool:
        return (self.get("transfer-encoding") or "").lower().endswith("chunked")

    def encode(self) -> bytes:
        """The bytes of the head, with the empty line at its end."""
        lines = [self.line, *(f"{name}: {value}" for name, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def status_line(code: int) -> str:
    """The first line of an answer with this status."""
    known = code in {each.value for each in HTTPStatus}
    return f"HTTP/1.1 {code} {HTTPStatus(code).phrase if known else 'Status'}"


def read_head(stream: BinaryIO) -> Optional[Head]:
    """The next head, or ``None`` where the other side has closed. ``ValueError`` if it is no HTTP."""
    line = stream.readline()
    if not line:
        return None
    fields: Fields = []
    while True:
        raw = stream.readline()
        if raw in (b"\r\n", b"\n"):
            return Head(line.decode("latin-1").rstrip("\r\n"), fields)
        name, colon, value = raw.decode("latin-1").partition(":")
        if not colon:
            raise ValueError(f"not a header field: {raw!r}")
        fields.append((name.strip(), value.strip()))


def read_request(stream: BinaryIO, connection: socket.socket) -> Optional[Tuple[Head, Request]]:
    """The next request with its body, or ``None`` where the client has closed. Says 100 to one that expects it."""
    head = read_head(stream)
    if head is None:
        return None
    method, target, _ = head.line.split(" ", 2)
    if (head.get("expect") or "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = b"".join(read_body(stream, head, to_end=False))
    path, _, query = target.partition("?")
    return head, Request(method, path, query, {name.lower(): value for name, value in head.fields}, body)


def read_body(stream: BinaryIO, head: Head, to_end: bool) -> Iterator[bytes]:
    """The blocks of a body; ``to_end``: one without a length goes on until the other side closes."""
    length = head.get("content-length")
    if head.chunked:
        while True:
            size = int(stream.readline().split(b";")[0], 16)
            yield from _read_exactly(stream, size)
            if size == 0:
                while stream.readline() not in (b"\r\n", b"\n", b""):
                    pass  # trailer fields
                return
            stream.readline()
    elif length is not None:
        yield from _read_exactly(stream, int(length))
    elif to_end:
        yield from iter(lambda: stream.read(_BLOCK), b"")


def _read_exactly(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        block = stream.read(min(size, _BLOCK))
        if not block:
            raise ConnectionError(f"closed with {size} bytes of the body to come")
        size -= len(block)
        yield block


def chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of a body as chunks on the wire, the last one included."""
    for block in blocks:
        if block:
            yield b"%x\r\n%b\r\n" % (len(block), block)
    yield b"0\r\n\r\n"


def spoil(fields: Fields, fault: Fault) -> Fields:
    """Header fields of an answer, with the wrong length and range that a fault asks for."""
    spoiled: Fields = []
    for name, value in fields:
        match = _CONTENT_RANGE.match(value) if name.lower() == "content-range" else None
        if fault.declared_length is not None and name.lower() == "content-length":
            value = str(fault.declared_length)
        elif match is not None and fault.shift_range:
            first, last, total = match.groups()
            value = f"bytes {int(first) + fault.shift_range}-{int(last) + fault.shift_range}/{total}"
        spoiled.append((name, value))
    return spoiled
