"""Writing objects: what is little in one request, what is more in parts."""

from __future__ import annotations

import contextlib
import io
from abc import abstractmethod
from collections import deque
from concurrent.futures import CancelledError
from typing import Callable, Deque, Generic, List, Optional, Tuple, TypeVar

from alluxiofs.errors import FileChangedError, exists
from alluxiofs.interfaces import Deadline, Writer
from alluxiofs.plugins._fsspec.waiting import GIVING_UP, one_wait
from alluxiofs.plugins._objects.settings import PartsSettings

__all__ = ["ObjectWriter", "PartsWriter"]

_MOST_PARTS = 10_000
_LARGEST_PART = 5 * 2**30
_LARGEST_REQUEST = 64 * 2**20  # for what could be sent in parts
_DOUBLING = 1_000  # parts of one size before they get twice as large: 5 TiB need fewer than 10,000 then

P = TypeVar("P")
D = TypeVar("D")


class ObjectWriter(Writer):
    """Collects what comes. An object that fits into one request is sent by it, at commit; of a larger one each part is
    sent when it is full and more comes.

    Bytes are copied once, into the memory that they are sent from.

    Parameters
    ----------
    name:
        Of the object.
    exclusive:
        There must be no such object: a condition that failed says that there is.
    whole:
        Bytes up to which there is one request. All of them are held in memory.
    part_size, size_hint:
        Bytes of a part, and of the whole, where known.
    timeout:
        Seconds that one request may take, if :attr:`patience` is no less.
    """

    def __init__(
        self, name: str, *, exclusive: bool, whole: int, part_size: int, size_hint: Optional[int], timeout: float
    ) -> None:
        size = size_hint or 0
        self._name = name
        self._exclusive = exclusive
        self._whole = whole
        self._part_size = max(part_size, -(-size // _MOST_PARTS))
        self._timeout = timeout
        # What is known to be one request is collected in one piece.
        self._room = size if self._part_size < size <= whole else self._part_size
        self._part = io.BytesIO()
        self._held: Deque[io.BytesIO] = deque()  # full parts that come before it, and were not sent
        self._size = 0
        self._in_parts = False
        self._ended = False
        self._giving_up: Optional[Deadline] = None

    def write(self, data: memoryview) -> None:
        if self._ended:
            raise ValueError("write to a file that was committed or given up")
        view = data.cast("B") if data.nbytes else data
        try:
            self._take(view)
        except BaseException:  # a part may be lost: without it there is no file
            self.abort()
            raise

    def commit(self) -> None:
        if self._ended:
            raise ValueError("a file can be committed once")
        try:
            if self._in_parts:
                self._complete(self._part)
            else:
                self._put(self._all())
        except FileChangedError as error:  # what a failed condition is called
            self.abort()
            if not self._exclusive:
                raise
            raise exists(self._name) from error
        except BaseException:
            self.abort()
            raise
        self._end()

    def abort(self) -> None:
        if not self._ended:
            self._end()
            self._giving_up = Deadline.after(min(self._timeout, self.patience, GIVING_UP))
            self._discard()

    # --- what each store does in its own way --------------------------------------------------------------------

    @abstractmethod
    def _put(self, data: io.BytesIO) -> None:
        """Make the object of these bytes, in one request."""

    @abstractmethod
    def _send(self, part: io.BytesIO) -> None:
        """Begin to send the next part, which is not the last one; it is collected from until then."""

    @abstractmethod
    def _complete(self, last: io.BytesIO) -> None:
        """Make the object of what was sent, and of the last part."""

    @abstractmethod
    def _discard(self) -> None:
        """Have the store forget what was sent. Raises nothing that matters less than what led here."""

    # --- within -------------------------------------------------------------------------------------------------

    def _wait(self) -> Deadline:
        """For one request; for all of them together when it is given up."""
        return self._giving_up or one_wait(self, self._timeout)

    def _take(self, view: memoryview) -> None:
        self._size += len(view)
        if not self._in_parts and self._size > self._whole:
            self._in_parts = True
            self._send_held()
        while view:
            room = self._room - self._part.tell()
            if not room:  # only now: the last part is not empty
                self._turn()
                continue
            self._part.write(view[:room])
            view = view[room:]

    def _turn(self) -> None:
        self._held.append(self._part)
        self._part = io.BytesIO()
        self._room = self._part_size
        if self._in_parts:
            self._send_held()

    def _send_held(self) -> None:
        while self._held:
            self._send(self._held.popleft())

    def _all(self) -> io.BytesIO:
        if not self._held:
            return self._part
        data = io.BytesIO()
        while self._held:
            data.write(self._held.popleft().getbuffer())
        data.write(self._part.getbuffer())
        return data

    def _end(self) -> None:
        self._ended = True
        self._part = io.BytesIO()
        self._held.clear()


class PartsWriter(ObjectWriter, Generic[P, D]):
    """For stores that take several parts of one object at a time.

    Parameters
    ----------
    name, exclusive, size_hint:
        As for every writer of objects.
    settings:
        Of the store. An object that is no more than what of a larger one is held in memory is one request: an upload in
        parts takes at least two requests more, and the store longer to put the parts together than they are early.
    check:
        Raises what speaks against the commit (the name must be free, and is not): asked right before it, for stores
        that do not know conditional writes.
    """

    def __init__(
        self,
        name: str,
        settings: PartsSettings,
        check: Callable[[], None] = lambda: None,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
    ) -> None:
        part_size = settings.part_size
        super().__init__(
            name,
            exclusive=exclusive,
            whole=max(part_size, min(part_size * (settings.parts_in_flight + 1), _LARGEST_REQUEST)),
            part_size=part_size,
            size_hint=size_hint,
            timeout=settings.write_timeout,
        )
        self._check = check
        self._in_flight = settings.parts_in_flight
        self._upload: Optional[str] = None
        self._sent = 0
        self._pending: Deque[Tuple[int, P]] = deque()
        self._parts: List[D] = []

    # --- what each store does in its own way --------------------------------------------------------------------

    @abstractmethod
    def _begin(self) -> str:
        """Begin an upload; what the store calls it."""

    @abstractmethod
    def _start(self, upload: str, number: int, part: io.BytesIO) -> P:
        """Begin to send a part."""

    @abstractmethod
    def _finish(self, number: int, pending: P) -> D:
        """What tells the store of a part that has arrived."""

    def _cancel(self, pending: P) -> None:
        """Have a part that is being sent not arrive, where that is possible."""

    @abstractmethod
    def _publish(self, upload: str, parts: List[D]) -> None:
        """Make the object of its parts."""

    @abstractmethod
    def _abandon(self, upload: str) -> None:
        """Have the store forget an upload and its parts."""

    # --- within -------------------------------------------------------------------------------------------------

    def _begun(self) -> str:
        if self._upload is None:
            self._upload = self._begin()
        return self._upload

    def _send(self, part: io.BytesIO) -> None:
        upload = self._begun()
        while len(self._pending) >= self._in_flight:
            self._receive()
        self._sent += 1
        part.seek(0)
        self._pending.append((self._sent, self._start(upload, self._sent, part)))
        if self._sent % _DOUBLING == 0:
            self._part_size = min(2 * self._part_size, _LARGEST_PART)

    def _receive(self) -> None:
        number, pending = self._pending.popleft()
        try:
            self._parts.append(self._finish(number, pending))
        except BaseException:
            self._pending.appendleft((number, pending))  # to be waited for when all is given up
            raise

    def _complete(self, last: io.BytesIO) -> None:
        if last.tell():
            self._send(last)
        while self._pending:
            self._receive()
        self._check()
        self._publish(self._begun(), self._parts)

    def _discard(self) -> None:
        for _, pending in self._pending:
            self._cancel(pending)
        # A part that arrives after the end of its upload would be kept, and paid for: wait for each to be off the wire.
        for number, pending in self._pending:
            with contextlib.suppress(Exception, CancelledError):
                self._finish(number, pending)
        if self._upload is not None:
            with contextlib.suppress(Exception):
                self._abandon(self._upload)
