"""Reading ahead of a reader that goes from front to back.

How far ahead is in proportion to what was read in one go: four times as much, up to a bound. So the window doubles each
time the reader has come twice as far, and nothing is fetched for those who read here and there. What was fetched and
never read makes it less from then on. What is used up of the window is sent for again by units that a request has, so
that the way to the store is never empty while a reader goes on.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Deque, List, Optional, Tuple

from alluxiofs import forks
from alluxiofs.fileobjects.source import Source
from alluxiofs.fileobjects.way import LARGE, Way
from alluxiofs.gateway import threads
from alluxiofs.gateway.fetching import UNIT_AHEAD

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile

__all__ = ["KeptAhead", "MemoryAhead", "Pace", "room"]

_MOST = 32 * 2**20  # bytes ahead: at 20 ms a round trip enough for 1.6 GB/s
_LEAST = 128 * 2**10  # bytes that a fetch into memory has at least
_BOLDEST, _SHYEST = 4.0, 0.5  # bytes ahead for each byte read in one go
_PENANCE = 4
_NEVER = 1 << 63
_ROOM = 256 * 2**20  # bytes that all files of a process together hold ahead in memory


class Pace:
    """How far ahead of a reader to be.

    Parameters
    ----------
    fixed:
        Bytes, where the user has said so.
    """

    def __init__(self, fixed: Optional[int]) -> None:
        self.fixed = fixed
        self._boldness = _BOLDEST
        self._owed = 0  # bytes that have to be of use before it is bolder again

    def ahead(self, streak: int) -> int:
        """Bytes to be ahead of a reader that has read ``streak`` bytes without a gap."""
        return min(_MOST, int(streak * self._boldness)) if self.fixed is None else self.fixed

    def streak_for(self, ahead: int) -> int:
        """What must be read without a gap until :meth:`ahead` is so much."""
        return int(ahead / self._boldness) if self.fixed is None else 0

    def told(self, used: int, wasted: int) -> None:
        """So much of what was fetched ahead has been read, and so much never will be. Confidence that was lost comes
        back when a multiple of what was wasted has been of use."""
        if wasted:
            self._boldness = max(_SHYEST, self._boldness / 2)
            self._owed = wasted * _PENANCE
        elif used:
            self._owed = max(0, self._owed - used)
            if not self._owed:
                self._boldness = min(_BOLDEST, self._boldness * 1.5)


class KeptAhead(Source):
    """For files whose pages are kept: other threads fetch the next pages while these are read, so that what is read
    ahead needs no memory here, and is not lost when the reader goes elsewhere.

    Parameters
    ----------
    opened:
        The file.
    pace:
        How far ahead.
    """

    def __init__(self, opened: OpenFile, pace: Pace) -> None:
        self.random, self.random_into = opened.read, opened.read_into
        self._opened = opened
        self._pace = pace
        self._begin = 0  # where the reader began to go from front to back
        self._position = -1  # where it is now
        self._ready = 0  # up to where pages are kept or on their way
        self._trigger = 0  # the position at which to look further ahead
        self._sent: Deque[Tuple[int, int, int]] = deque()  # from, to and bytes of what was sent for, and not yet read

    def close(self) -> None:
        """What was fetched and not read will not be read."""
        self._settle(self._position, gone=True)

    def sequential(self, offset: int, size: int) -> bytes:
        """See the module :mod:`alluxiofs.fileobjects.source`."""
        if offset != self._position:
            self._start(offset)
        self._position = end = offset + size
        if end >= self._trigger:
            self._look_ahead(end)
        return self._opened.read(offset, size)

    def sequential_into(self, offset: int, view: memoryview) -> int:
        """The same, into a buffer."""
        if offset != self._position:
            self._start(offset)
        self._position = end = offset + len(view)
        if end >= self._trigger:
            self._look_ahead(end)
        return self._opened.read_into(offset, view)

    def _start(self, offset: int) -> None:
        """The reader has been elsewhere."""
        self._settle(self._position, gone=True)
        self._begin = self._ready = self._trigger = offset

    def _look_ahead(self, end: int) -> None:
        self._settle(end)
        length, page = self._opened.length, self._opened.page_size
        # The page that the read ends in is the read's own to fetch, and this comes before it.
        begin = max(self._ready, -(-end // page) * page)
        if begin >= length:
            self._trigger = _NEVER
            return
        ahead = self._pace.ahead(end - self._begin)
        if self._pace.fixed is None and ahead < page:
            # Small reads have the rest of a page with its second one: until pages go by, that is ahead enough.
            self._trigger = self._begin + self._pace.streak_for(page)
            return
        goal = -(-(end + ahead) // page) * page
        later = end + min(page, UNIT_AHEAD)
        if goal <= begin:
            self._trigger = min(later, begin - ahead + 1)  # what is ahead of there is in the next page
            return
        if goal < length:
            goal = _whole_units(begin, goal, max(1, UNIT_AHEAD // page) * page)
        self._ready, sent = self._opened.prefetch(begin, goal - begin)
        if sent:
            self._sent.append((begin, self._ready, sent))
        # What was refused may be had a little later.
        enough = self._ready >= min(goal, length)
        self._trigger = max(self._ready - ahead + _step(ahead), end + 1) if enough else later

    def _settle(self, position: int, gone: bool = False) -> None:
        """Count what was fetched ahead and has been read by now or, as the reader is ``gone``, never will be."""
        used = wasted = 0
        while self._sent and (gone or self._sent[0][1] <= position):
            begin, end, sent = self._sent.popleft()
            unread = sent * max(0, end - max(begin, position)) // max(1, end - begin)
            used, wasted = used + sent - unread, wasted + unread
        if used or wasted:
            self._pace.told(used, wasted)
            self._opened.count_ahead(used, wasted)


def _step(ahead: int) -> int:
    """Bytes that must be missing of what is to be ahead before they are sent for: few, or the way to the store is empty
    while the reader uses up what has come; not too few, for each time is a request."""
    return min(UNIT_AHEAD, ahead // 2)


def _whole_units(begin: int, goal: int, unit: int) -> int:
    """Where to end what begins at ``begin`` and is to end at ``goal``: of several requests none is for the rest alone,
    or who reads by odd numbers of bytes has twice as many."""
    size = goal - begin
    return goal if size <= unit else goal - size % unit


class _Room:
    """The memory for what is held ahead: what there is no room for is read when it is wanted."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.reset()

    def reset(self) -> None:
        """Begin anew, as in a forked child, which holds nothing yet."""
        self._lock = threading.RLock()  # re-entrant: readers that are garbage give back, wherever they are collected
        self.left = self.most

    def take(self, size: int) -> bool:
        """Have so many bytes; ``False`` if there are fewer."""
        with self._lock:
            if size > self.left:
                return False
            self.left -= size
            return True

    def give(self, size: int) -> None:
        """Give them back."""
        with self._lock:
            self.left += size


room = _Room(_ROOM)
"""The one of this process."""
forks.in_child(room.reset)


class _Block:
    """A piece of a file that is being fetched into memory."""

    __slots__ = ("begin", "data", "done", "end")

    def __init__(self, begin: int, end: int) -> None:
        self.begin = begin
        self.end = end
        self.done = threading.Event()
        self.data: Optional[bytes] = None  # still, once it is done: it could not be had


class MemoryAhead(Source):
    """For files of which nothing is kept, in stores that are far away: the next pieces are fetched into memory by other
    threads, and a reader of small pieces is served from there.

    Parameters
    ----------
    opened:
        The file.
    pace:
        How far ahead.
    """

    def __init__(self, opened: OpenFile, pace: Pace) -> None:
        self._opened = opened
        self._pace = pace
        self._way = Way()
        self._forget()

    def close(self) -> None:
        """Give back what is held; another thread may be reading."""
        if self._forks != forks.count:
            self._forget()
        with self._lock:
            self._drop()

    def __del__(self) -> None:
        if hasattr(self, "_blocks"):
            self._drop()

    def _forget(self) -> None:
        """Begin anew, as in a forked child: the parent's threads fetch nothing there, and its locks may be held."""
        self._forks = forks.count
        self._lock = threading.RLock()  # re-entrant, for who handles a signal may close what this thread reads
        self._blocks: Deque[_Block] = deque()
        self._begin = self._position = -1

    # --- reading ------------------------------------------------------------------------------------------------

    def random(self, offset: int, size: int) -> bytes:
        """See the module :mod:`alluxiofs.fileobjects.source`."""
        for block in list(self._blocks):
            if block.data is not None and block.begin <= offset and offset + size <= block.end:
                return block.data[offset - block.begin : offset + size - block.begin]
        return self._opened.read(offset, size)

    def random_into(self, offset: int, view: memoryview) -> int:
        """The same, into a buffer."""
        for block in list(self._blocks):
            if block.data is not None and block.begin <= offset and offset + len(view) <= block.end:
                view[:] = memoryview(block.data)[offset - block.begin : offset + len(view) - block.begin]
                return len(view)
        return self._opened.read_into(offset, view)

    def sequential(self, offset: int, size: int) -> bytes:
        """For a read that goes on where the last one ended."""
        blocks = self._plan(offset, size)
        if size < LARGE:
            return self._join(blocks, offset, size)
        begun = time.perf_counter()
        data = self._join(blocks, offset, size)
        (self._way.was_ahead if blocks else self._way.was_straight)(len(data), time.perf_counter() - begun)
        return data

    def _join(self, blocks: List[_Block], offset: int, size: int) -> bytes:
        pieces: List[memoryview] = []
        at, end = offset, offset + size
        for block in blocks:
            data = self._data_of(block)
            if data is None or block.begin > at:
                break
            stop = min(end, block.end)
            if len(blocks) == 1 and stop == end:
                return data[at - block.begin : stop - block.begin]
            pieces.append(memoryview(data)[at - block.begin : stop - block.begin])
            at = stop
        rest = self._opened.read(at, end - at) if at < end else b""
        return b"".join([*pieces, rest]) if pieces else rest

    def sequential_into(self, offset: int, view: memoryview) -> int:
        """The same, into a buffer."""
        blocks = self._plan(offset, len(view))
        if len(view) < LARGE:
            return self._fill(blocks, offset, view)
        begun = time.perf_counter()
        filled = self._fill(blocks, offset, view)
        (self._way.was_ahead if blocks else self._way.was_straight)(filled, time.perf_counter() - begun)
        return filled

    def _fill(self, blocks: List[_Block], offset: int, view: memoryview) -> int:
        filled = 0
        for block in blocks:
            data = self._data_of(block)
            start = offset + filled - block.begin
            if data is None or start < 0:
                break
            piece = memoryview(data)[start : start + len(view) - filled]
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
        if filled < len(view):
            with view[filled:] as rest:
                filled += self._opened.read_into(offset + filled, rest)
        return filled

    def _data_of(self, block: _Block) -> Optional[bytes]:
        # A fetch has a limit of its own; this one is for a thread that is not there any more.
        block.done.wait(self._opened.patience())
        return block.data

    # --- fetching -----------------------------------------------------------------------------------------------

    def _plan(self, offset: int, size: int) -> List[_Block]:
        """Have more fetched if it is time to. Returns the blocks that a read has its bytes from, without a gap; what
        comes after them it reads by itself."""
        if self._forks != forks.count:
            self._forget()
        with self._lock:
            if not self._begin <= offset == self._position:
                self._drop()
                self._begin = offset
            end = min(offset + size, self._opened.length)
            self._position = max(offset, end)
            used = 0
            while self._blocks and self._blocks[0].end <= offset:
                block = self._blocks.popleft()
                used += block.end - block.begin
            if used:
                room.give(used)
                self._pace.told(used, 0)
                self._opened.count_ahead(used, 0)
            self._look_ahead(offset, end)
            return [block for block in self._blocks if block.begin < end and block.end > offset]

    def _look_ahead(self, offset: int, end: int) -> None:
        if self._pace.fixed is None and self._way.is_for(end - offset):
            return
        ready = self._blocks[-1].end if self._blocks else offset
        ahead = self._pace.fixed or max(_LEAST, self._pace.ahead(end - self._begin))
        if end - ready >= min(ahead, _LEAST):
            ready = end  # large enough to be read straight to where it is wanted
        if ready - end > ahead - _step(ahead):
            return
        goal = end + ahead
        if self._pace.fixed:  # each request is for so many bytes, as far as one may be
            goal = max(goal, ready + min(ahead, UNIT_AHEAD))
        length = self._opened.length
        goal = _whole_units(ready, goal, UNIT_AHEAD) if goal < length else length
        while ready < goal:
            block = _Block(ready, min(ready + UNIT_AHEAD, goal))
            size = block.end - block.begin
            if not room.take(size):
                return
            if not threads.try_submit(functools.partial(self._fetch, block), size):
                room.give(size)
                return
            self._blocks.append(block)
            ready = block.end

    def _fetch(self, block: _Block) -> None:
        size, begun = block.end - block.begin, time.perf_counter()
        try:
            data = self._opened.read(block.begin, size)
            block.data = data if len(data) == size else None
            self._way.fetched(size, time.perf_counter() - begun)
        except Exception:
            pass  # the reader meets the failure itself
        finally:
            block.done.set()

    def _drop(self) -> None:
        """Nobody reads on where these are."""
        unread = sum(block.end - max(block.begin, self._position) for block in self._blocks)
        whole = sum(block.end - block.begin for block in self._blocks)
        self._blocks.clear()
        if whole and self._forks == forks.count:  # a forked child has taken nothing
            room.give(whole)
            self._pace.told(whole - unread, unread)
            self._opened.count_ahead(whole - unread, unread)
