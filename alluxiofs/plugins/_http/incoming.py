"""Bytes as they come over a socket: each wait has its limit, each body its end."""

from __future__ import annotations

import functools
import select
import socket
import ssl
import struct
import sys
import time
from typing import Iterator, Union

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.answers import Head

__all__ = ["TIMEOUTS", "Incoming"]

_BUFFER = 16 * 2**10  # a page of 4 kB comes with its head in one piece
_LONGEST_LINE = 8 * 2**10
_PIECE = 2**20
_TICK = 0.001  # seconds
_HAS_SYSTEM_LIMITS = sys.platform in ("linux", "darwin")
TIMEOUTS = (socket.timeout, BlockingIOError)  # the second of a wait of the system's
_HEX = b"0123456789abcdefABCDEF"
_monotonic = time.monotonic


class Incoming:
    """What comes over a connection, and was not looked at yet.

    Parameters
    ----------
    connected:
        The socket.
    where:
        Who is at its other end, for messages.
    deadline:
        Of the first wait.
    """

    def __init__(self, connected: Union[socket.socket, ssl.SSLSocket], where: str, deadline: Deadline) -> None:
        self._socket = connected
        self._is_encrypted = isinstance(connected, ssl.SSLSocket)
        self._where = where
        # A wait of the system's own costs nothing; Python's asks first, by a call to poll, whether there is something.
        self._by_system = _HAS_SYSTEM_LIMITS and not self._is_encrypted
        self._allowed = 0.0
        if self._by_system:
            try:
                self._allow(deadline.wait())
                self._socket.settimeout(None)
            except OSError:  # a system that does not know it, such as some that run containers; or no time is left
                self._by_system = False
        self._buffer = bytearray(_BUFFER)
        self._whole = memoryview(self._buffer)
        self._begin = self._end = 0  # where that is in the buffer
        self._ready = select.poll() if hasattr(select, "poll") else None
        if self._ready is not None:
            self._ready.register(self._socket.fileno(), select.POLLIN)

    def is_dropped(self) -> bool:
        """Whether the other side has closed it meanwhile, or sent what nobody has asked for."""
        if self._begin != self._end:
            return True
        if self._is_encrypted and self._pending():
            return True
        if self._ready is not None:
            return bool(self._ready.poll(0))
        return bool(select.select([self._socket], [], [], 0)[0])

    def _pending(self) -> bool:
        """Whether something is decrypted, which the system has given up."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def check_end(self) -> None:
        """That nothing came behind the last answer: it would be taken for the next one.

        Raises
        ------
        BadAnswerError
            If something did.
        """
        if self._begin != self._end:
            raise BadAnswerError(f"{self._where}: more came than the answer has")

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    # --- waits --------------------------------------------------------------------------------------------------

    def _limit(self, deadline: Deadline) -> None:
        """Have the next wait end with the deadline, or by a twentieth later."""
        wait = deadline.at - _monotonic()  # as deadline.wait() does, but for a call
        if wait <= 0:
            wait = deadline.wait()
        if wait > deadline.stall:
            wait = deadline.stall
        if not self._by_system:
            self._socket.settimeout(wait)
        elif not wait <= self._allowed <= wait * 1.05 + _TICK:
            self._allow(wait)

    def _allow(self, wait: float) -> None:
        self._allowed = wait * 1.02 + _TICK
        limit = struct.pack("ll", int(self._allowed), int(self._allowed % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, limit)

    # --- bodies -------------------------------------------------------------------------------------------------

    def _pieces(self, head: Head, deadline: Deadline) -> Iterator[bytes]:
        """The body as it comes, whatever says where it ends."""
        if head.chunked:
            yield from self._chunks(deadline)
        elif head.length is None:
            yield from iter(functools.partial(self._some, _PIECE, deadline), b"")
        else:
            yield from self._exactly(head.length, deadline)

    def _some(self, most: int, deadline: Deadline) -> bytes:
        """At least one byte, and at most so many; none at the end of the connection."""
        if self._begin == self._end:
            if most > _BUFFER:
                self._limit(deadline)
                piece = self._socket.recv(most)
                deadline.moved(len(piece))
                return piece
            self._refill(deadline)
        begin = self._begin
        self._begin = min(self._end, begin + most)
        return bytes(self._whole[begin : self._begin])

    def _refill(self, deadline: Deadline) -> None:
        """Have something in the empty buffer, unless the connection has ended."""
        self._limit(deadline)
        self._begin, self._end = 0, self._socket.recv_into(self._whole)
        deadline.moved(self._end)

    def _exactly(self, count: int, deadline: Deadline) -> Iterator[bytes]:
        """So many bytes, in pieces."""
        while count:
            piece = self._some(min(count, _PIECE), deadline)
            if not piece:
                raise BadAnswerError(f"{self._where}: the body is cut off, {count} bytes before its end")
            count -= len(piece)
            yield piece

    def _chunks(self, deadline: Deadline) -> Iterator[bytes]:
        """A body in chunks (RFC 9112, section 7.1); what stands after the size and after the last chunk is skipped."""
        while True:
            size = self._line(deadline).partition(b";")[0].strip()
            if not size or size.strip(_HEX) or len(size) > 16:
                raise BadAnswerError(f"{self._where}: {size[:20]!r} is no size of a chunk")
            count = int(size, 16)
            if not count:
                self._skip_trailers(deadline)
                return
            yield from self._exactly(count, deadline)
            if self._line(deadline):
                raise BadAnswerError(f"{self._where}: a chunk is longer than it says")

    def _skip_trailers(self, deadline: Deadline) -> None:
        left = _BUFFER  # as much as a head may have
        while left > 0:
            line = self._line(deadline)
            if not line:
                return
            left -= len(line)
        raise BadAnswerError(f"{self._where}: what stands behind the last chunk has no end")

    def _line(self, deadline: Deadline) -> bytes:
        """What comes up to the next end of a line, without it."""
        line = b""
        while True:
            if self._begin == self._end:
                self._refill(deadline)
            at = self._buffer.find(b"\n", self._begin, self._end)
            stop = at + 1 if at >= 0 else self._end
            if self._begin == stop or len(line) > _LONGEST_LINE:
                raise BadAnswerError(f"{self._where}: the body is cut off, or is not in chunks")
            line += bytes(self._whole[self._begin : stop])
            self._begin = stop
            if at >= 0:
                return line.rstrip(b"\r\n")
