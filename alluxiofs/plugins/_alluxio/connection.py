"""One connection to a worker, and one question at a time over it.

A read of 4 kB costs http.client 130 us of CPU and urllib3 260, a bare socket 46; the difference is objects that nobody
looks at. So the head of an answer is read here by a few searches in a buffer, and the body goes from the socket into
the caller's memory.
"""

from __future__ import annotations

import functools
import select
import socket
import ssl
from typing import Iterator, List, Optional, Tuple, Union

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._alluxio.answers import Answer, Head, parse_head

__all__ = ["ClosedWithoutAnswerError", "Connection"]

_BUFFER = 16 * 2**10  # a page of 4 kB comes with its head in one piece
_LONGEST_LINE = 8 * 2**10
_PIECE = 2**20
_LARGEST_BODY = 2**30
_END = b"\r\n\r\n"
_HEX = b"0123456789abcdefABCDEF"


class ClosedWithoutAnswerError(UnavailableError):
    """The worker closed the connection, or reset it, before it sent a byte of an answer."""


class Connection:
    """A connection that is open.

    Parameters
    ----------
    address:
        Host and port.
    tls:
        ``None`` for none.
    server_hostname:
        What the worker's certificate must name, and what is asked for.
    deadline:
        For connecting; not longer than its stall limit.
    """

    def __init__(
        self,
        address: Tuple[str, int],
        tls: Optional[ssl.SSLContext],
        server_hostname: str,
        deadline: Deadline,
    ) -> None:
        try:
            bare = socket.create_connection(address, timeout=deadline.wait())
            bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket: Union[socket.socket, ssl.SSLSocket] = bare
            if tls is not None:
                try:
                    self._socket = tls.wrap_socket(bare, server_hostname=server_hostname)
                except BaseException:
                    bare.close()
                    raise
        except socket.timeout as error:
            raise DeadlineExceededError(f"{address[0]}:{address[1]}: no connection in time") from error
        except ssl.SSLCertVerificationError as error:
            raise UnavailableError(f"{address[0]}:{address[1]}: the certificate is not trusted: {error}") from error
        except OSError as error:
            raise UnavailableError(f"{address[0]}:{address[1]}: no connection: {error}") from error
        self._where = f"{address[0]}:{address[1]}"
        self._buffer = bytearray(_BUFFER)
        self._ready = select.poll() if hasattr(select, "poll") else None
        if self._ready is not None:
            self._ready.register(self._socket.fileno(), select.POLLIN)

    def is_dropped(self) -> bool:
        """Whether the other side has closed it meanwhile, or sent what nobody has asked for."""
        if self._ready is not None:
            return bool(self._ready.poll(0))
        return bool(select.select([self._socket], [], [], 0)[0])

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def ask(self, request: bytes, deadline: Deadline, view: Optional[memoryview] = None) -> Answer:
        """Send a request and read the answer, all of it.

        Parameters
        ----------
        request:
            Head and body, as they go over the wire.
        deadline:
            Of the operation; each wait is at most its stall limit.
        view:
            Where the body of a success (200 or 206) goes, which must be exactly as long.

        Raises
        ------
        ClosedWithoutAnswerError
            If not a byte of an answer came.
        BadAnswerError
            If it is no answer, or is cut off, or the body has another length than the view.
        DeadlineExceededError
            If nothing came for too long.
        """
        try:
            self._socket.settimeout(deadline.wait())
            try:
                self._socket.sendall(request)
            except ConnectionError as error:
                raise ClosedWithoutAnswerError(f"{self._where} closed the connection") from error
            head, rest = self._read_head(deadline)
            if view is not None and head.status in (200, 206):
                self._fill(head, rest, view, deadline)
                return Answer(head)
            return Answer(head, self._read_body(head, rest, deadline))
        except socket.timeout as error:
            raise DeadlineExceededError(f"{self._where}: no answer in time") from error
        except (BadAnswerError, UnavailableError):
            raise
        except OSError as error:
            raise UnavailableError(f"{self._where}: {error}") from error

    # --- the head -----------------------------------------------------------------------------------------------

    def _read_head(self, deadline: Deadline) -> Tuple[Head, memoryview]:
        """The head, and what came with it of the body: a view of this connection's buffer."""
        buffer, whole = self._buffer, memoryview(self._buffer)
        got = searched = 0
        while True:
            end = buffer.find(_END, max(0, searched - 3), got)
            searched = got
            if end >= 0:
                head = parse_head(bytes(whole[:end]))
                begin = end + len(_END)
                if head.status >= 200:
                    return head, whole[begin:got]
                # An interim answer, such as 100: the one that counts comes after it.
                whole[: got - begin] = bytes(whole[begin:got])
                got, searched = got - begin, 0
                continue
            if got == len(buffer):
                raise BadAnswerError(f"{self._where}: the head of the answer has no end after {got} bytes")
            if got:
                self._socket.settimeout(deadline.wait())
            try:
                count = self._socket.recv_into(whole[got:])
            except ConnectionResetError as error:
                if got:
                    raise
                raise ClosedWithoutAnswerError(f"{self._where} reset the connection") from error
            if not count and not got:
                raise ClosedWithoutAnswerError(f"{self._where} closed the connection without an answer")
            if not count:
                raise BadAnswerError(f"{self._where}: the answer is cut off in its head")
            got += count

    # --- the body -----------------------------------------------------------------------------------------------

    def _fill(self, head: Head, rest: memoryview, view: memoryview, deadline: Deadline) -> None:
        """Fill the view with the body, which must be exactly as long."""
        wanted, length = len(view), head.length
        if length is None:
            self._fill_untold(head, rest, view, deadline)
            return
        if length != wanted:
            raise BadAnswerError(f"{self._where}: {length} bytes came where {wanted} were asked for")
        got = len(rest)
        if got > wanted:
            raise BadAnswerError(f"{self._where}: more came than the answer has")
        view[:got] = rest
        while got < wanted:
            self._socket.settimeout(deadline.wait())
            count = self._socket.recv_into(view[got:])
            if not count:
                raise BadAnswerError(f"{self._where}: the body is cut off after {got} of {wanted} bytes")
            got += count
            deadline.moved(count)

    def _fill_untold(self, head: Head, rest: memoryview, view: memoryview, deadline: Deadline) -> None:
        got = 0
        for piece in self._pieces(head, rest, deadline):
            if got + len(piece) > len(view):
                raise BadAnswerError(f"{self._where}: more came than the {len(view)} bytes that were asked for")
            view[got : got + len(piece)] = piece
            got += len(piece)
        if got != len(view):
            raise BadAnswerError(f"{self._where}: {got} bytes came where {len(view)} were asked for")

    def _read_body(self, head: Head, rest: memoryview, deadline: Deadline) -> bytes:
        """The whole body of an answer that is not data: a listing, a message."""
        pieces: List[bytes] = []
        total = 0
        for piece in self._pieces(head, rest, deadline):
            total += len(piece)
            if total > _LARGEST_BODY:
                raise BadAnswerError(f"{self._where}: an answer of more than {_LARGEST_BODY} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def _pieces(self, head: Head, rest: memoryview, deadline: Deadline) -> Iterator[bytes]:
        """The body as it comes, whatever says where it ends."""
        source = _Source(self._socket, self._where, bytes(rest), deadline)
        if head.chunked:
            yield from _chunks(source)
        elif head.length is None:
            yield from iter(functools.partial(source.some, _PIECE), b"")
        else:
            yield from source.exactly(head.length)
        source.check_end()


class _Source:
    """Bytes of a connection, those first that have come already."""

    def __init__(self, connection: socket.socket, where: str, held: bytes, deadline: Deadline) -> None:
        self._socket = connection
        self.where = where
        self._held = held
        self._deadline = deadline

    def some(self, most: int) -> bytes:
        """At least one byte, and at most so many; none at the end of the connection."""
        if not self._held:
            self._socket.settimeout(self._deadline.wait())
            self._held = self._socket.recv(_PIECE)
            self._deadline.moved(len(self._held))
        piece, self._held = self._held[:most], self._held[most:]
        return piece

    def exactly(self, count: int) -> Iterator[bytes]:
        """So many bytes, in pieces."""
        while count:
            piece = self.some(count)
            if not piece:
                raise BadAnswerError(f"{self.where}: the body is cut off, {count} bytes before its end")
            count -= len(piece)
            yield piece

    def check_end(self) -> None:
        """That nothing is left over: it would be taken for the next answer."""
        if self._held:
            raise BadAnswerError(f"{self.where}: more came than the answer has")

    def line(self) -> bytes:
        """What comes up to the next end of a line, without it."""
        line = b""
        while b"\n" not in line:
            piece = self.some(_LONGEST_LINE)
            if not piece or len(line) > _LONGEST_LINE:
                raise BadAnswerError(f"{self.where}: the body is cut off, or is not in chunks")
            line += piece
        line, _, self._held = (line + self._held).partition(b"\n")
        return line.rstrip(b"\r")


def _chunks(source: _Source) -> Iterator[bytes]:
    """A body in chunks (RFC 9112, section 7.1); what stands after the size and after the last chunk says nothing."""
    while True:
        size = source.line().partition(b";")[0].strip()
        if not size or size.strip(_HEX):
            raise BadAnswerError(f"{source.where}: {size[:20]!r} is no size of a chunk")
        count = int(size, 16)
        if not count:
            while source.line():
                pass
            return
        yield from source.exactly(count)
        if source.line():
            raise BadAnswerError(f"{source.where}: a chunk is longer than it says")
