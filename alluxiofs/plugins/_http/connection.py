"""One connection to a server: questions go out, answers are read in their order.

A read of 4 kB costs http.client 130 us of CPU and urllib3 260, a bare socket 46; the difference is objects that nobody
looks at. So the head of an answer is read here by a search in a buffer, and the body goes from the socket into the
caller's memory.
"""

from __future__ import annotations

import functools
import re
import select
import socket
import ssl
import struct
import sys
from typing import Callable, Iterator, List, Optional, Tuple, Union

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.addresses import connect
from alluxiofs.plugins._http.answers import Answer, Head, parse_head

__all__ = ["ClosedWithoutAnswerError", "Connection", "OtherLengthError", "Target"]

_BUFFER = 16 * 2**10  # a page of 4 kB comes with its head in one piece
_LONGEST_LINE = 8 * 2**10
_PIECE = 2**20
_LARGEST_BODY = 2**30  # of a listing
_LARGEST_MESSAGE = 2**16  # of what comes instead of data
_END = b"\r\n\r\n"
_RANGE_LINE = re.compile(rb"\r\ncontent-range:[^\r\n]*", re.IGNORECASE)
_TICK = 0.001  # seconds
_HAS_SYSTEM_LIMITS = sys.platform in ("linux", "darwin")
_TIMEOUTS = (socket.timeout, BlockingIOError)  # the second of a wait of the system's
_HEX = b"0123456789abcdefABCDEF"


class ClosedWithoutAnswerError(UnavailableError):
    """The server closed the connection, or reset it, before it sent a byte of an answer."""


class OtherLengthError(BadAnswerError):
    """The answer is whole, and has another length than was asked for."""


class Target:
    """Where the body of an answer goes.

    Parameters
    ----------
    view:
        Must be exactly as long as the body.
    statuses:
        Of answers with such a body. That of any other answer is a message.
    check:
        Looks at the head before a byte of the body is taken, and raises what is wrong with it.
    """

    __slots__ = ("check", "statuses", "view")

    def __init__(
        self, view: memoryview, statuses: Tuple[int, ...] = (200,), check: Optional[Callable[[Head], None]] = None
    ) -> None:
        self.view = view
        self.statuses = statuses
        self.check = check


class Connection:
    """A connection that is open.

    Parameters
    ----------
    address:
        Host and port.
    tls:
        ``None`` for none.
    server_hostname:
        What the server's certificate must name, and what is asked for.
    deadline:
        For connecting; each wait is at most its stall limit.
    """

    def __init__(
        self,
        address: Tuple[str, int],
        tls: Optional[ssl.SSLContext],
        server_hostname: str,
        deadline: Deadline,
    ) -> None:
        self._where = f"{address[0]}:{address[1]}"
        try:
            bare = connect(address[0], address[1], deadline)
            self._socket: Union[socket.socket, ssl.SSLSocket] = bare
            if tls is not None:
                try:
                    bare.settimeout(deadline.wait())
                    self._socket = tls.wrap_socket(bare, server_hostname=server_hostname)
                except BaseException:
                    bare.close()
                    raise
        except (DeadlineExceededError, *_TIMEOUTS) as error:
            raise DeadlineExceededError(f"{self._where}: no connection in time") from error
        except ssl.SSLCertVerificationError as error:
            raise UnavailableError(f"{self._where}: the certificate is not trusted: {error.verify_message}") from error
        except OSError as error:
            raise UnavailableError(f"{self._where}: no connection: {error}") from error
        # A wait of the system's own costs nothing; Python's asks first, by a call to poll, whether there is something.
        self._by_system = tls is None and _HAS_SYSTEM_LIMITS
        self._allowed = 0.0
        if self._by_system:
            try:
                self._allow(deadline.wait())
                self._socket.settimeout(None)
            except OSError:  # a system that does not know it, such as some that run containers; or no time is left
                self._by_system = False
        self._buffer = bytearray(_BUFFER)
        self._whole = memoryview(self._buffer)
        self._begin = self._end = 0  # what has come and was not looked at yet
        self._last: Optional[Head] = None
        self._last_rest = b""
        self.idle_since = 0.0
        """When it was last given back; who keeps connections sets it."""
        self._ready = select.poll() if hasattr(select, "poll") else None
        if self._ready is not None:
            self._ready.register(self._socket.fileno(), select.POLLIN)

    def is_dropped(self) -> bool:
        """Whether the other side has closed it meanwhile, or sent what nobody has asked for."""
        if self._begin != self._end:
            return True
        if self._ready is not None:
            return bool(self._ready.poll(0))
        return bool(select.select([self._socket], [], [], 0)[0])

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

    def send(self, request: bytes, deadline: Deadline) -> None:
        """Send a request: head and body, as they go over the wire. Several may be sent before the first is answered.

        Raises
        ------
        ClosedWithoutAnswerError
            If the other side has closed.
        DeadlineExceededError
            If it could not be sent in time.
        """
        try:
            self._limit(deadline)
            self._socket.sendall(request)
        except _TIMEOUTS as error:
            raise DeadlineExceededError(f"{self._where} takes no requests") from error
        except ConnectionError as error:
            raise ClosedWithoutAnswerError(f"{self._where} closed the connection") from error
        except ssl.SSLError as error:
            raise UnavailableError(f"{self._where}: {error}") from error

    def receive(self, deadline: Deadline, target: Optional[Target] = None, to_head: bool = False) -> Answer:
        """Read the next answer, all of it.

        Parameters
        ----------
        deadline:
            Of the operation; each wait is at most its stall limit.
        target:
            Where the body goes; without one it is in the answer.
        to_head:
            Whether it answers a HEAD: it has no body then, whatever length it tells.

        Raises
        ------
        ClosedWithoutAnswerError
            If not a byte of an answer came.
        BadAnswerError
            If it is no answer, or is cut off, or the body has another length than the target.
        DeadlineExceededError
            If nothing came for too long.
        """
        try:
            head = self._head(deadline)
            if to_head:
                return Answer(head)
            if target is None:
                return Answer(head, self._body(head, deadline, _LARGEST_BODY))
            if head.status not in target.statuses:
                return Answer(head, self._body(head, deadline, _LARGEST_MESSAGE))
            if target.check is not None:
                target.check(head)
            self._fill(head, target.view, deadline)
            return Answer(head)
        except _TIMEOUTS as error:
            raise DeadlineExceededError(f"{self._where}: no answer in time") from error
        except (BadAnswerError, UnavailableError, DeadlineExceededError):
            raise
        except OSError as error:
            raise UnavailableError(f"{self._where}: {error}") from error

    def _limit(self, deadline: Deadline) -> None:
        """Have the next wait end with the deadline, or by a twentieth later."""
        wait = deadline.wait()
        if not self._by_system:
            self._socket.settimeout(wait)
        elif not wait <= self._allowed <= wait * 1.05 + _TICK:
            self._allow(wait)

    def _allow(self, wait: float) -> None:
        self._allowed = wait * 1.02 + _TICK
        limit = struct.pack("ll", int(self._allowed), int(self._allowed % 1 * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, limit)

    # --- the head -----------------------------------------------------------------------------------------------

    def _head(self, deadline: Deadline) -> Head:
        """The head of the next answer; what came with it of the body stays in the buffer."""
        buffer, whole = self._buffer, self._whole
        searched = self._begin
        self._limit(deadline)
        while True:
            at = buffer.find(_END, searched, self._end)
            if at >= 0:
                head = self._parse(bytes(whole[self._begin : at]))
                self._begin = searched = at + len(_END)
                if head.status >= 200:
                    return head
                continue  # an interim answer, such as 100: the one that counts comes after it
            if self._end == len(buffer):
                if not self._begin:
                    raise BadAnswerError(f"{self._where}: the head of the answer has no end after {self._end} bytes")
                self._to_front()
            searched = max(self._begin, self._end - 3)
            held = self._end > self._begin
            if held:
                self._limit(deadline)
            else:
                self._begin = self._end = searched = 0
            try:
                count = self._socket.recv_into(whole[self._end :])
            except ConnectionResetError as error:
                if held:
                    raise
                raise ClosedWithoutAnswerError(f"{self._where} reset the connection") from error
            if not count and not held:
                raise ClosedWithoutAnswerError(f"{self._where} closed the connection without an answer")
            if not count:
                raise BadAnswerError(f"{self._where}: the answer is cut off in its head")
            self._end += count

    def _to_front(self) -> None:
        count = self._end - self._begin
        self._whole[:count] = bytes(self._whole[self._begin : self._end])
        self._begin, self._end = 0, count

    def _parse(self, raw: bytes) -> Head:
        # Of pages of one size all heads are alike; of ranges but for the line that says which one it is.
        last, rest = self._last, _RANGE_LINE.sub(b"", raw, 1)
        if last is None or self._last_rest != rest:
            try:
                last = self._last = parse_head(raw)
            except BadAnswerError as error:
                raise BadAnswerError(f"{self._where}: {error}") from None
            self._last_rest = rest
        elif last.raw != raw:
            last = self._last = last.with_raw(raw)
        return last

    # --- the body -----------------------------------------------------------------------------------------------

    def _fill(self, head: Head, view: memoryview, deadline: Deadline) -> None:
        """Fill the view with the body, which must be exactly as long."""
        wanted = len(view)
        if head.length is None:
            self._fill_untold(head, view, deadline)
            return
        if head.length != wanted:
            raise OtherLengthError(f"{self._where}: {head.length} bytes came where {wanted} were asked for")
        begin = self._begin
        got = min(self._end - begin, wanted)
        view[:got] = self._whole[begin : begin + got]
        self._begin = begin + got
        while got < wanted:
            self._limit(deadline)
            count = self._socket.recv_into(view[got:])
            if not count:
                raise BadAnswerError(f"{self._where}: the body is cut off after {got} of {wanted} bytes")
            got += count
            deadline.moved(count)

    def _fill_untold(self, head: Head, view: memoryview, deadline: Deadline) -> None:
        got = 0
        for piece in self._pieces(head, deadline):
            if got + len(piece) > len(view):
                raise BadAnswerError(f"{self._where}: more came than the {len(view)} bytes that were asked for")
            view[got : got + len(piece)] = piece
            got += len(piece)
        if got != len(view):
            raise BadAnswerError(f"{self._where}: {got} bytes came where {len(view)} were asked for")

    def _body(self, head: Head, deadline: Deadline, most: int) -> bytes:
        """The whole body of an answer that is not data: a listing, a message."""
        if head.length == 0:
            return b""
        pieces: List[bytes] = []
        total = 0
        for piece in self._pieces(head, deadline):
            total += len(piece)
            if total > most:
                raise BadAnswerError(f"{self._where}: status {head.status} with a body of more than {most} bytes")
            pieces.append(piece)
        return b"".join(pieces)

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
                while self._line(deadline):
                    pass
                return
            yield from self._exactly(count, deadline)
            if self._line(deadline):
                raise BadAnswerError(f"{self._where}: a chunk is longer than it says")

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
