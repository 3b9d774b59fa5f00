"""One version of one file: its bytes, out of kept pages or from the line, and never of another version.

A page that is not kept is claimed, so that it is fetched once however many threads and processes want it. Of a page
that a small read touches for the first time only the parts it reads are fetched, and kept as such; what is missing
comes with a later one (:mod:`alluxiofs.gateway.needs`), and then the page is kept whole. No part is fetched twice.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional, Set

from attrs import define, field

from alluxiofs.errors import PageStoreError
from alluxiofs.gateway import threads
from alluxiofs.gateway.fetching import UNIT, FetchingFile, claim
from alluxiofs.gateway.keeping import PART, KeptVersion
from alluxiofs.gateway.needs import need_of, runs_of
from alluxiofs.gateway.room import Room
from alluxiofs.interfaces import Claim, Entry, KeptFile, Location

if TYPE_CHECKING:
    from alluxiofs.gateway.columns import Chunk
    from alluxiofs.gateway.read_path import ReadPath

__all__ = ["PinnedFile"]

_LONG = 2**20  # bytes of a read from which on memory that is wide enough is worth having


@define(eq=False)
class _Read:
    """A range that somebody waits for, of which something is not kept.

    Parameters
    ----------
    kept:
        What is kept of the file.
    offset, view:
        The range.
    room:
        Whose memory the view is; ``None`` if somebody else has it: what others may write to cannot be kept.
    alone:
        Whether one thread does all of it, so that what lies apart may be fetched side by side.
    others:
        Pages that others fetch.
    """

    kept: KeptVersion
    offset: int
    view: memoryview
    room: Optional[Room]
    alone: bool
    others: List[int] = field(factory=list)


class PinnedFile(FetchingFile):
    """Reads ranges of one version. Nothing of it changes; used by any number of threads.

    Parameters
    ----------
    gateway, location, entry:
        What was opened, and what the stat said of it.
    size:
        Bytes.
    kept:
        What is kept of this version; ``None`` if nothing can be.
    """

    def __init__(
        self, gateway: ReadPath, location: Location, entry: Entry, size: int, kept: Optional[KeptVersion]
    ) -> None:
        super().__init__(gateway, location, entry, size, kept)
        self.in_parts: Set[int] = set()
        """Pages of which parts were of use when the whole page was not kept: the next read looks for those first, for
        not to find something takes longer than to find it."""

    # --- a range that somebody waits for ------------------------------------------------------------------------

    def fill(self, offset: int, view: memoryview, room: Optional[Room] = None) -> None:
        """Fill ``view`` from ``offset`` on; the range lies within the file.

        ``room``: whose memory the view is, if nobody else has it. It may be widened: the bytes are there, and not in
        the view, when this returns.
        """
        kept = self.kept
        if kept is None or not self.gateway.keeper.working:
            if len(view) <= UNIT:
                self.gateway.fetch(self.location, self.entry.version, offset, view)
            else:
                self._fetch_range(offset, view)
            return
        end = offset + len(view)
        pages = self._pages_of(offset, end)
        missing = self._not_kept(kept, pages, offset, view)
        kept.missed(len(missing))
        # Most of a long read is to be fetched, which begins and ends with pages.
        if room is not None and end - offset >= _LONG and 2 * len(missing) > len(pages):
            first, last = missing[0] * self._page_size, min((missing[-1] + 1) * self._page_size, self.size)
            if not room.covers(first, last) and max(0, offset - first) + max(0, last - end) <= end - offset:
                room.widen(first, last, empty=len(missing) == len(pages) and room.is_for(offset, end))
                with room.part(offset, end) as part:
                    self._fill_missing(kept, missing, offset, part, room)
                return
        self._fill_missing(kept, missing, offset, view, room)

    def _fill_missing(
        self, kept: KeptVersion, missing: List[int], offset: int, view: memoryview, room: Optional[Room]
    ) -> None:
        """Fill what the view wants of these pages."""
        foresees = kept.parts() is not None
        while missing:
            if not self.gateway.keeper.keeping:  # who waited for another would have to fetch it all the same
                self._fetch_unclaimed(missing, offset, view)
                return
            began = time.monotonic()
            runs = runs_of(missing, max(1, UNIT // self._page_size))
            read = _Read(kept, offset, view, room, alone=len(runs) == 1)
            tasks = [functools.partial(self._fetch_run, read, run) for run in runs[:-1]]
            threads.run_all([*tasks, functools.partial(self._fetch_run, read, runs[-1], foresees)])
            foresees = False
            deadline = self.gateway.new_deadline()
            for index in read.others:
                kept.pages.wait(index, deadline)
            missing = self._not_kept(kept, sorted(read.others), offset, view)
            if missing and deadline.remaining() <= 0:
                self._fetch_unclaimed(missing, offset, view)
                return
            # Who has waited for what there was no room to keep need not wait for the next one as well.
            unkept = [index for index in missing if kept.was_handed_over(index, began)]
            if unkept:
                self._fetch_unclaimed(unkept, offset, view)
                missing = [index for index in missing if index not in unkept]

    def fill_kept(self, offset: int, view: memoryview) -> bool:
        """Fill ``view`` if all of it is kept; else ``False``, and the view as it may be."""
        kept = self.kept
        if not len(view):
            return True
        if kept is None or not self.gateway.keeper.working:
            return False
        try:
            return all(self._copy(kept, index, offset, view) for index in self._pages_of(offset, offset + len(view)))
        except PageStoreError as error:
            self.gateway.keeper.failed(error)
            return False

    def _not_kept(self, kept: KeptVersion, indices: Iterable[int], offset: int, view: memoryview) -> List[int]:
        """Copy what is kept into the view; the pages of which something is missing are returned."""
        indices = list(indices)
        try:
            return [index for index in indices if not self._copy(kept, index, offset, view)]
        except PageStoreError as error:
            self.gateway.keeper.failed(error)
            return indices

    def _copy(self, kept: KeptVersion, index: int, offset: int, view: memoryview) -> bool:
        """Copy what the view wants of a page into it, if that is kept: out of the page, or out of parts."""
        begin = index * self._page_size
        start = max(offset, begin)
        stop = min(offset + len(view), begin + kept.pages.page_length(index))
        with view[start - offset : stop - offset] as wanted:
            in_parts = index in self.in_parts
            if in_parts and _copy_parts(kept.parts(), start, stop, wanted):
                return True
            if kept.pages.read_into(index, start - begin, wanted):
                self.in_parts.discard(index)
                return True
            if in_parts or not _copy_parts(kept.parts(), start, stop, wanted):
                return False
            self.in_parts.add(index)
            return True

    def _fetch_run(self, read: _Read, run: range, foresees: bool = False) -> None:
        """Have a read's part of neighbouring pages: fetch, and keep, what nobody else does. ``foresees``: have what the
        reader of a column will want next fetched as well; on the reader's own thread."""
        kept = read.kept
        mine: List[Claim] = []
        # Whatever an interrupt leaves out, of this or of the first release, the second one does.
        try:
            try:
                claimed = claim(kept, run, mine)
                read.others.extend(index for index in run if index not in claimed)
                come = claimed.intersection(self._kept_meanwhile(read, run))
                claimed.difference_update(come)
                claimed.update(self._not_kept(kept, come, read.offset, read.view))
                end = read.offset + len(read.view)
                likely = self._foresight.likely(self, read.offset, end) if foresees else []
                parts = runs_of(sorted(claimed), len(run))
                if likely:
                    self._fetch_with(read, parts, claimed, likely)
                else:
                    self._fetch_parts(read, parts, read.alone)
            finally:
                kept.pages.release_run(mine)
        finally:
            kept.pages.release_run(mine)

    def _fetch_parts(self, read: _Read, runs: List[range], alone: bool) -> None:
        for run in runs:
            self._fetch_pages(read, run, alone)

    def _fetch_with(self, read: _Read, runs: List[range], claimed: Set[int], likely: List[Chunk]) -> None:
        """The same, and side by side with it what is likely to be read next: what is in the same pages by those who
        fetch for this read, the rest by others, whom nobody waits for."""
        own = read.offset // PART * PART, -(-(read.offset + len(read.view)) // PART) * PART
        beside = [chunk for chunk in likely if claimed.issuperset(self._pages_of(*chunk))]
        needs = [need for chunk in beside for piece in _without(chunk, own) for need in self._needs(claimed, *piece)]
        tasks: List[Callable[[], None]] = [functools.partial(self._fetch_early, read.kept, need) for need in needs]
        if runs:
            tasks.append(functools.partial(self._fetch_parts, read, runs, False))
        rest = [chunk for chunk in likely if chunk not in beside]
        self._foresight.sent(beside)
        threads.run_all([*tasks, functools.partial(self.fetch_chunks, rest)])

    def _kept_meanwhile(self, read: _Read, run: range) -> Iterable[int]:
        """Those of neighbouring pages of which everything that is read has been kept since it was looked for."""
        held = read.kept.pages.held(run)
        parts = read.kept.parts()
        if held or parts is None or len(run) > 1:
            return held
        begin, end = run.start * self._page_size, run.stop * self._page_size
        first, last = max(read.offset, begin) // PART, (min(read.offset + len(read.view), end) - 1) // PART
        # The second small read of a page has all of it; not so one that was late for the first.
        return run if len(parts.held(range(first, last + 1))) == last + 1 - first else ()

    def _fetch_pages(self, read: _Read, run: range, alone: bool) -> None:
        """Fetch what is missing of neighbouring pages that were claimed, keep it, and fill the view's part of them."""
        offset, view, end = read.offset, read.view, read.offset + len(read.view)
        need = need_of(run, self._page_size, self.size, offset, end, read.kept.parts(), self._foresight.knows_columns)
        if read.room is not None and read.room.covers(need.begin, need.end):
            with read.room.part(need.begin, need.end) as target:
                self._have(read.kept, need, target, alone)
            return
        with memoryview(bytearray(need.end - need.begin)) as target:
            self._have(read.kept, need, target, alone)
            start, stop = max(offset, need.begin), min(end, need.end)
            view[start - offset : stop - offset] = target[start - need.begin : stop - need.begin]

    def kept_bytes(self, begin: int, end: int) -> Optional[bytes]:
        """Bytes of the file, if all of them are kept."""
        data = bytearray(end - begin)
        with memoryview(data) as view:
            return bytes(data) if self.fill_kept(begin, view) else None

    def _fetch_unclaimed(self, missing: List[int], offset: int, view: memoryview) -> None:
        """The reader's part of these pages, kept by nobody: nothing more is kept, or whoever claimed them does not come
        to an end."""
        tasks = []
        for run in runs_of(missing, max(1, UNIT // self._page_size)):
            start = max(offset, run.start * self._page_size)
            stop = min(offset + len(view), run.stop * self._page_size)
            tasks.append(functools.partial(self._fetch_span, range(start, stop), offset, view))
        threads.run_all(tasks)


def _copy_parts(parts: Optional[KeptFile], start: int, stop: int, wanted: memoryview) -> bool:
    """Copy the bytes ``start`` to ``stop`` of the file into ``wanted``, if the parts that they are in are kept."""
    if parts is None:
        return False
    for number in range(start // PART, (stop - 1) // PART + 1):
        begin = max(start, number * PART)
        with wanted[begin - start : (number + 1) * PART - start] as part:
            if not parts.read_into(number, begin - number * PART, part):
                return False
    return True


def _without(chunk: Chunk, other: Chunk) -> List[Chunk]:
    """What of a chunk is before and behind another one."""
    pieces = (chunk[0], min(chunk[1], other[0])), (max(chunk[0], other[1]), chunk[1])
    return [(begin, end) for begin, end in pieces if begin < end]
