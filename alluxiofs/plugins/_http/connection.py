"""One connection to a server: questions go out, answers are read in their order.

A read of 4 kB costs http.client 130 us of CPU and urllib3 260, a bare socket 46; the difference is objects that nobody
looks at. So the head of an answer is read here by a search in a buffer, and the body goes from the socket into the
caller's memory.
"""

from __future__ import annotations

import re
import ssl
from typing import Callable, List, Optional, Tuple

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, FileChangedError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.addresses import connect
from alluxiofs.plugins._http.answers import Answer, Head, parse_head
from alluxiofs.plugins._http.incoming import TIMEOUTS, Incoming

__all__ = ["ClosedWithoutAnswerError", "Connection", "OtherLengthError", "Target"]

_LARGEST_BODY = 2**30  # of a listing
_LARGEST_MESSAGE = 2**16  # of what comes instead of data
_NOTHING = -1  # the length of what no view is as long as
_END = b"\r\n\r\n"
_RANGE_LINE = re.compile(rb"\r\ncontent-range:[ \t]*([^\r\n]*)", re.IGNORECASE)


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


class Connection(Incoming):
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
        where = f"{address[0]}:{address[1]}"
        try:
            bare = connect(address[0], address[1], deadline)
            if tls is None:
                super().__init__(bare, where, deadline)
            else:
                try:
                    bare.settimeout(deadline.wait())
                    super().__init__(tls.wrap_socket(bare, server_hostname=server_hostname), where, deadline)
                except BaseException:
                    bare.close()
                    raise
        except (DeadlineExceededError, *TIMEOUTS) as error:
            raise DeadlineExceededError(f"{where}: no connection in time") from error
        except ssl.SSLCertVerificationError as error:
            raise UnavailableError(f"{where}: the certificate is not trusted: {error.verify_message}") from error
        except OSError as error:
            raise UnavailableError(f"{where}: no connection: {error}") from error
        self._last: Optional[Head] = None
        self._last_rest = b""
        # The last head of data that filled a view, with the empty line: before and after the value of content-range.
        # All heads of a file's pages are alike, and all heads of ranges of one length but for that value.
        self._before = self._after = b""
        self._length = _NOTHING
        self.idle_since = 0.0
        """When it was last given back; who keeps connections sets it."""

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
            sent = self._socket.send(request)
            if sent != len(request):
                # The system's limit is one of each wait: who takes it bit by bit must not outlast the deadline.
                view = memoryview(request)
                while sent < len(view):
                    self._limit(deadline)
                    sent += self._socket.send(view[sent:])
        except (DeadlineExceededError, *TIMEOUTS) as error:
            raise DeadlineExceededError(f"{self._where} takes no requests") from error
        except ConnectionError as error:
            raise ClosedWithoutAnswerError(f"{self._where} closed the connection") from error
        except OSError as error:  # no way to the host any more, TLS …
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
            if target is None or head.status not in target.statuses:
                most = _LARGEST_BODY if target is None and head.status < 300 else _LARGEST_MESSAGE
                return Answer(head, self._body(head, deadline, most))
            if target.check is not None:
                target.check(head)
            self._fill(head, target.view, deadline)
            return Answer(head)
        except (BadAnswerError, FileChangedError, UnavailableError):
            raise
        except OSError as error:
            raise self._failure(error) from error

    def fill(self, view: memoryview, deadline: Deadline, said: bytes = b"") -> bool:
        """Fill the view with the next answer, if its head is that of the last one that filled a view, byte for byte.

        Whoever asks for page after page gets one such answer after the other, and none of them is looked at any closer.

        Parameters
        ----------
        view, deadline:
            As of :meth:`receive`.
        said:
            What the answer must say of its range; nothing: it must say nothing of one.

        Returns
        -------
        bool
            ``False``: it is another, of which nothing was taken. :meth:`receive` reads it.
        """
        before, after, wanted = self._before, self._after, len(view)
        if self._length != wanted or self._begin != self._end or bool(after) != bool(said):
            return False
        try:
            self._limit(deadline)
            try:
                count = self._socket.recv_into(self._whole)
            except ConnectionResetError as error:
                raise ClosedWithoutAnswerError(f"{self._where} reset the connection") from error
            at = len(before)
            if said:
                after = said + after
                at += len(after)
            alike = count >= at and self._buffer.startswith(before)
            if not alike or (said and not self._buffer.startswith(after, len(before))):
                if not count:
                    raise ClosedWithoutAnswerError(f"{self._where} closed the connection without an answer")
                self._begin, self._end = 0, count
                return False
            got = count - at
            if got > wanted:
                self._begin, self._end = at + wanted, count
                count, got = at + wanted, wanted
            view[:got] = self._whole[at:count]
            if got < wanted:
                self._rest(view, got, deadline)
            return True
        except (BadAnswerError, UnavailableError):
            raise
        except OSError as error:
            raise self._failure(error) from error

    def learn(self, head: Head) -> None:
        """Have :meth:`fill` know this head when it comes again."""
        if head.length is None or not head.keeps_open:
            self._length = _NOTHING
            return
        raw = head.raw + _END
        found = _RANGE_LINE.search(raw)
        self._length = head.length
        self._before, self._after = (raw, b"") if found is None else (raw[: found.start(1)], raw[found.end(1) :])

    def _failure(self, error: OSError) -> OSError:
        """What a failure of the system's is told as."""
        if isinstance(error, (DeadlineExceededError, *TIMEOUTS)):
            return DeadlineExceededError(f"{self._where}: no answer in time")
        return UnavailableError(f"{self._where}: {error}")

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
                self._limit(deadline)  # an interim answer, such as 100: the one that counts comes after it, in time
                continue
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
        self._rest(view, got, deadline)

    def _rest(self, view: memoryview, got: int, deadline: Deadline) -> None:
        """Fill the view, of which so much is there, with what is still to come."""
        wanted = len(view)
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
