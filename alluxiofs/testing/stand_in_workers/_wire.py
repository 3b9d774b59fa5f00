"""One connection of a stand-in worker: requests come in, answers go out."""

from __future__ import annotations

import os
import re
import socket
import ssl
import struct
import time
from typing import Dict, NoReturn, Optional

from alluxiofs.testing.stand_in_workers._messages import REASONS, Answer, Body, Request, Slice

__all__ = ["BODY_LIMIT", "ConnectionEndedError", "MalformedError", "Wire"]

BODY_LIMIT = 10240
"""The bytes of a body that a worker of dialect ``pages`` takes."""

_LINE_LIMIT = 4096
_HEAD_LIMIT = 1 << 20
_READ_ALONG = 1 << 16
"""A piece of a file up to this is sent together with what comes before it."""
_PIECE = 1 << 18
_MORE = getattr(socket, "MSG_MORE", 0)
_VERSIONS = ("HTTP/1.1", "HTTP/1.0")
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
"""What stands before a page, most of the time."""
_AS_PLAIN = (200, "text/plain")
_METHOD = re.compile(r"[A-Z]+")

_Headers = Dict[str, str]
_parsed: Dict[bytes, _Headers] = {}
"""The header blocks of late: a client sends the same one with each request."""


class ConnectionEndedError(Exception):
    """The connection is at its end, on purpose."""


class MalformedError(Exception):
    """What came in is no request."""


class Wire:
    """A connection that a client opened."""

    def __init__(self, sock: socket.socket, body_limit: Optional[int]) -> None:
        self._socket = sock
        self._body_limit = body_limit
        self._more_follows = 0 if isinstance(sock, ssl.SSLSocket) else _MORE  # TLS knows no such flag
        self._buffer = b""
        self._request: Optional[Request] = None
        self._held: bytes = b""

    # --- in -------------------------------------------------------------------------------------------------------

    def next(self) -> Optional[Request]:
        """The next request, or ``None`` if the client has closed the connection.

        Raises
        ------
        MalformedError
            If what comes is no request that a worker understands.
        """
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        while end < 0:
            data = self._received(1 << 16)
            if not data:
                return None
            buffer = buffer + data if buffer else data
            end = buffer.find(b"\r\n\r\n")
            if end < 0 and len(buffer) > _HEAD_LIMIT:
                raise MalformedError("a request without an end")
        self._buffer = buffer[end + 4 :]
        line_end = buffer.find(b"\r\n")
        if line_end + 1 > _LINE_LIMIT:
            raise MalformedError("a request line that is too long")
        words = buffer[:line_end].decode("latin-1").split(" ")
        if len(words) != 3 or words[2] not in _VERSIONS or not _METHOD.fullmatch(words[0]):
            raise MalformedError("a request line that is none")
        method, target, version = words
        block = buffer[line_end + 2 : end] if line_end < end else b""
        headers = _parsed.get(block) or _headers(block)
        close = False
        if "connection" in headers or version != "HTTP/1.1":
            connection = headers.get("connection", "").lower()
            close = connection == "close" or (version == "HTTP/1.0" and connection != "keep-alive")
        self._request = request = Request(method, target, version, headers, b"", close)
        if "content-length" in headers or "transfer-encoding" in headers or "expect" in headers:
            return self._with_body(request)
        return request

    @property
    def more(self) -> bool:
        """Whether another request has come in already."""
        return b"\r\n\r\n" in self._buffer

    def _with_body(self, request: Request) -> Request:
        headers = request.headers
        length = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else 0
        limit = self._body_limit
        expected = headers.get("expect", "").lower()
        if expected and expected != "100-continue":
            return request._replace(refused=417)
        if expected and limit is not None and length > limit:
            return request._replace(refused=413)
        if expected:
            self._flushed(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunked()
        else:
            body = self._exactly(length, keep=limit is None or length <= limit)
        if len(body) < length or (limit is not None and len(body) > limit):
            return request._replace(refused=413)
        return request._replace(body=body)

    def _exactly(self, length: int, keep: bool = True) -> bytes:
        body = bytearray()
        left = length
        while left:
            data = self._buffer or self._received(min(left, 1 << 20))
            if not data:
                raise ConnectionEndedError
            taken, self._buffer = data[:left], data[left:]
            left -= len(taken)
            if keep:
                body += taken
        return bytes(body)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            data = self._received(1 << 16)
            if not data:
                raise ConnectionEndedError
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _chunked(self) -> bytes:
        body = bytearray()
        while True:
            try:
                size = int(self._line().split(b";")[0], 16)
            except ValueError as error:
                raise MalformedError("a chunk without a length") from error
            if not size:
                while self._line():
                    pass
                return bytes(body)
            body += self._exactly(size)
            self._line()

    def _received(self, size: int) -> bytes:
        if self._held:
            self._flushed(b"")
        return self._socket.recv(size)

    # --- out ------------------------------------------------------------------------------------------------------

    def answer(self, answer: Answer) -> None:
        """Send a whole answer, and end the connection if the client wished so."""
        request = self._request
        head = self.head(answer)
        body = answer.body
        if answer.chunk:
            self._flushed(head)
            self._in_chunks(body, answer.chunk)
        elif isinstance(body, Slice) and body.length > _READ_ALONG:
            self._flushed(head, self._more_follows)
            self.send(body)
        elif self.more and not (
            request is not None and request.close
        ):  # an answer may be lost yet, if the request behind it is a bad one
            self._held += head + self.read(body)
        else:
            self._flushed(head + self.read(body))
        if request is not None and request.close:
            self.close()

    def head(self, answer: Answer) -> bytes:
        """The bytes before the body of an answer."""
        request = self._request
        version = "HTTP/1.1" if request is None else request.version
        close = request is not None and request.close
        if answer[:2] == _AS_PLAIN and version == "HTTP/1.1" and not (close or answer.headers or answer.chunk):
            return _PLAIN % answer.length
        lines = [f"{version} {answer.status} {REASONS.get(answer.status, 'Other')}"]
        if answer.content_type:
            lines.append(f"content-type: {answer.content_type}")
        lines += [f"{name}: {value}" for name, value in answer.headers]
        lines.append("transfer-encoding: chunked" if answer.chunk else f"content-length: {answer.length}")
        if close:
            lines.append("connection: close")
        elif version == "HTTP/1.0":
            lines.append("connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def send(self, body: Body) -> None:
        """Send bytes, or a piece of a file."""
        if not isinstance(body, Slice):
            self._flushed(body)
            return
        start, left = body.start, body.length
        if isinstance(self._socket, ssl.SSLSocket):  # the system cannot send what has to be encrypted here
            for begin in range(0, left, _PIECE):
                self._socket.sendall(os.pread(body.descriptor, min(_PIECE, left - begin), start + begin))
            return
        while left:
            sent = os.sendfile(self._socket.fileno(), body.descriptor, start, min(left, 1 << 30))
            if not sent:
                raise ConnectionEndedError
            start += sent
            left -= sent

    @staticmethod
    def read(body: Body) -> bytes:
        """The bytes of a body."""
        return os.pread(body.descriptor, body.length, body.start) if isinstance(body, Slice) else body

    def wait(self, seconds: Optional[float]) -> None:
        """Send nothing for a time, or for ever; ends early if the client or the worker closes the connection."""
        until = None if seconds is None else time.monotonic() + seconds
        try:
            while True:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return
                self._socket.settimeout(left)
                try:
                    data = self._socket.recv(1 << 16)
                except socket.timeout:
                    return
                if not data:
                    raise ConnectionEndedError
                self._buffer += data
        finally:
            self._socket.settimeout(None)

    def close(self) -> NoReturn:
        """End the connection."""
        raise ConnectionEndedError

    def reset(self) -> NoReturn:
        """End the connection in a way that the client notices."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionEndedError

    def _flushed(self, data: bytes, flags: int = 0) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        self._socket.sendall(data, flags)

    def _in_chunks(self, body: Body, size: int) -> None:
        length = body.length if isinstance(body, Slice) else len(body)
        for start in range(0, length, size):
            count = min(size, length - start)
            self._socket.sendall(b"%x\r\n" % count, self._more_follows)
            self.send(
                Slice(body.descriptor, body.start + start, count)
                if isinstance(body, Slice)
                else body[start : start + count]
            )
            self._socket.sendall(b"\r\n", self._more_follows)
        self._socket.sendall(b"0\r\n\r\n")


def _headers(block: bytes) -> _Headers:
    pairs = [line.partition(":") for line in block.decode("latin-1").split("\r\n")]
    found = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if len(_parsed) > 1000:
        _parsed.clear()
    _parsed[block] = found
    return found
