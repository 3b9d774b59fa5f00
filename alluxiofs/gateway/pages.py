"""One version of one file: its bytes, out of kept pages or from the line, and never of another version.

A page that is not kept is claimed, so that it is fetched once however many threads and processes want it. Of a page
that a small read touches for the first time only the parts it reads are fetched, and kept as such; what is missing
comes with a later one (:mod:`alluxiofs.gateway.needs`), and then the page is kept whole. No part is fetched twice.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Callable, Iterable, List, Optional, Set, Tuple

from attrs import define, field

from alluxiofs.errors import PageStoreError
from alluxiofs.gateway import threads
from alluxiofs.gateway.columns import Columns, chunks_of, footer_at
from alluxiofs.gateway.first_bytes import Piece
from alluxiofs.gateway.keeping import PART, KeptVersion
from alluxiofs.gateway.needs import Need, need_of, runs_of
from alluxiofs.interfaces import Claim, Entry, KeptFile, Location
from alluxiofs.logs import fields

if TYPE_CHECKING:
    from alluxiofs.gateway.read_path import ReadPath

__all__ = ["PinnedFile"]

_UNIT = 8 * 2**20  # bytes that one request fetches at the most; several go side by side
_UNIT_AHEAD = 4 * 2**20  # the same of what nobody waits for yet: more connections, and each piece there the sooner


@define(eq=False)
class _Read:
    """A range that somebody waits for, of which something is not kept.

    Parameters
    ----------
    kept:
        What is kept of the file.
    offset, view:
        The range.
    private:
        Whether nobody else has the view's memory: what others may write to cannot be kept.
    alone:
        Whether one thread does all of it, so that what lies apart may be fetched side by side.
    others:
        Pages that others fetch.
    """

    kept: KeptVersion
    offset: int
    view: memoryview
    private: bool
    alone: bool
    others: List[int] = field(factory=list)


class PinnedFile:
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
        self.gateway = gateway
        self.location = location
        self.entry = entry
        self.size = size
        self.kept = kept
        self._page_size = gateway.page_size
        self.lead: Optional[Piece] = None
        """Bytes up to the first kept page or part that were had along with it; they begin in the middle of one."""
        self.in_parts: Set[int] = set()
        """Pages of which parts were of use when the whole page was not kept: the next read looks for those first, for
        not to find something takes longer than to find it."""
        # Where the columns of a columnar file are; unknown until its footer is kept.
        self._columns: Optional[Columns] = None
        self._like: Optional[Columns] = None  # those of the file that was read before it, beside it
        self._foreseen: Set[Tuple[int, int]] = set()

    # --- a range that somebody waits for ------------------------------------------------------------------------

    def fill(self, offset: int, view: memoryview, private: bool) -> None:
        """Fill ``view`` from ``offset`` on; the range lies within the file. ``private``: nobody else has its memory."""
        kept = self.kept
        if kept is None or not self.gateway.keeper.working:
            if len(view) <= _UNIT:
                self.gateway.fetch(self.location, self.entry.version, offset, view)
            else:
                self._fetch_range(offset, view)
            return
        missing = self._not_kept(kept, self._pages_of(offset, offset + len(view)), offset, view)
        foresees = kept.parts() is not None
        while missing:
            runs = runs_of(missing, max(1, _UNIT // self._page_size))
            read = _Read(kept, offset, view, private, alone=len(runs) == 1)
            tasks = [functools.partial(self._fetch_run, read, run) for run in runs]
            if foresees:
                foresees = False
                then = functools.partial(self._foresee, offset, offset + len(view))
                tasks[-1] = functools.partial(self._fetch_run, read, runs[-1], then)
            threads.run_all(tasks)
            deadline = self.gateway.new_deadline()
            for index in read.others:
                kept.pages.wait(index, deadline)
            missing = self._not_kept(kept, sorted(read.others), offset, view)
            if missing and deadline.remaining() <= 0:
                self._fetch_unclaimed(missing, offset, view)
                return

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

    def _pages_of(self, begin: int, end: int) -> range:
        return range(begin // self._page_size, (end - 1) // self._page_size + 1)

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

    def _fetch_run(self, read: _Read, run: range, then: Optional[Callable[[], None]] = None) -> None:
        """Have a read's part of neighbouring pages: fetch, and keep, what nobody else does. ``then`` is called when it
        is settled what that is."""
        kept = read.kept
        mine: List[Claim] = []
        # Whatever an interrupt leaves out, of this or of the first release, the second one does.
        try:
            try:
                claimed = _claim(kept, run, mine)
                read.others.extend(index for index in run if index not in claimed)
                if then is not None:
                    then()
                come = claimed.intersection(self._kept_meanwhile(read, run))
                claimed.difference_update(come)
                claimed.update(self._not_kept(kept, come, read.offset, read.view))
                for part in runs_of(sorted(claimed), len(run)):
                    self._fetch_pages(read, part)
            finally:
                kept.pages.release_run(mine)
        finally:
            kept.pages.release_run(mine)

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

    def _fetch_pages(self, read: _Read, run: range) -> None:
        """Fetch what is missing of neighbouring pages that were claimed, keep it, and fill the view's part of them."""
        offset, view, end = read.offset, read.view, read.offset + len(read.view)
        need = need_of(run, self._page_size, self.size, offset, end, read.kept.parts(), bool(self._columns))
        if read.private and offset <= need.begin and need.end <= end:
            with view[need.begin - offset : need.end - offset] as target:
                self._have(read.kept, need, target, read.alone)
            return
        with memoryview(bytearray(need.end - need.begin)) as target:
            self._have(read.kept, need, target, read.alone)
            start, stop = max(offset, need.begin), min(end, need.end)
            view[start - offset : stop - offset] = target[start - need.begin : stop - need.begin]

    # --- a range that nobody waits for yet ----------------------------------------------------------------------

    def fetch_ahead(self, offset: int, size: int, exact: bool = False) -> Tuple[int, int]:
        """Have the missing pages of a range fetched and kept by other threads, and return at once.

        What cannot be had, or is more than may be fetched ahead at a time, is left to whoever reads it. ``exact``: of
        the first and the last page only the parts that are in the range.

        Returns
        -------
        tuple
            Up to where it is kept or on its way, and how many bytes were sent for.
        """
        kept = self.kept
        end = min(offset + size, self.size)
        if kept is None or end <= offset or not self.gateway.keeper.working:
            return end, 0
        wanted = self._pages_of(offset, end)
        missing = sorted(set(wanted).difference(kept.pages.held(wanted)))
        sent = 0
        for run in runs_of(missing, max(1, _UNIT_AHEAD // self._page_size)):
            begin, stop = run.start * self._page_size, min(run.stop * self._page_size, self.size)
            if exact:
                begin, stop = max(begin, offset), min(stop, end)
            size_sent = self._fetch_run_ahead(kept, run, begin, stop, exact)
            if size_sent is None:
                return max(offset, run.start * self._page_size), sent
            sent += size_sent
        return end, sent

    def _fetch_run_ahead(self, kept: KeptVersion, run: range, begin: int, end: int, exact: bool) -> Optional[int]:
        """Have another thread fetch neighbouring pages, or what nobody else does of them; how many bytes these are.
        ``None`` if enough is under way."""
        mine: List[Claim] = []
        try:
            try:
                needs = []
                claimed = _claim(kept, run, mine).difference(kept.pages.held(run))
                for pages in runs_of(sorted(claimed), len(run)):
                    bounds = max(begin, pages.start * self._page_size), min(end, pages.stop * self._page_size)
                    need = need_of(pages, self._page_size, self.size, *bounds, kept.parts(), exact)
                    if need.missing(self.size):
                        needs.append(need)
                if not needs:
                    return 0
                if not threads.try_submit(functools.partial(self._fetch_needs, kept, mine, needs)):
                    return None
                mine = []  # they are the other thread's to end
                return sum(need.missing(self.size) for need in needs)
            finally:
                kept.pages.release_run(mine)
        finally:
            kept.pages.release_run(mine)

    def _fetch_needs(self, kept: KeptVersion, mine: List[Claim], needs: List[Need]) -> None:
        try:
            for need in needs:
                with memoryview(bytearray(need.end - need.begin)) as target:
                    self._have(kept, need, target, alone=False)
        except Exception as error:  # nobody waits for this; the reader meets the failure itself
            more = fields(operation="read", path=self.location.url)
            self.gateway.logger.debug("reading ahead of %s failed: %s", self.location.url, error, extra=more)
        finally:
            kept.pages.release_run(mine)

    def _foresee(self, offset: int, end: int) -> None:
        """Have other threads fetch what the reader of a column will want next."""
        if self._columns is None:
            tail = self._kept_bytes(self.size - 8, self.size)
            if tail is None:
                return  # whoever reads a columnar file begins there
            at = footer_at(tail, self.size) if self.gateway.parallel(self.location) else None
            footer = None if at is None else self._kept_bytes(*at)
            self._columns = Columns(() if footer is None else chunks_of(footer, self.size))
            if self._columns:
                self._like = self.gateway.columnar.before(self.location.url, self._columns)
        if not self._columns:
            return
        like = self._like
        likely = self._columns.beside(offset, end, frozenset() if like is None else like.read | like.before)
        for begin, stop in likely:
            if (begin, stop) in self._foreseen:
                continue
            upto, sent = self.fetch_ahead(begin, stop - begin, exact=True)
            if sent >= stop - begin:  # else others are at some of its pages, for other bytes of them
                self._foreseen.add((begin, stop))
            if upto < stop:
                return

    def _kept_bytes(self, begin: int, end: int) -> Optional[bytes]:
        data = bytearray(end - begin)
        with memoryview(data) as view:
            return bytes(data) if self.fill_kept(begin, view) else None

    # --- fetching -----------------------------------------------------------------------------------------------

    def _have(self, kept: KeptVersion, need: Need, target: memoryview, alone: bool) -> None:
        """Fill the target with what is needed, out of kept parts and over the wire, and keep what was fetched.

        ``alone``: no other thread works for the same read, so that what lies apart may be fetched side by side.
        """
        fetched = [range(need.begin, need.end)]
        if need.have:
            fetched = self._missing(kept, need, target)
        tasks = [functools.partial(self._fetch_span, span, need.begin, target) for span in fetched]
        if alone:
            threads.run_all(tasks)
        else:
            for task in tasks:
                task()
        first = -(-need.begin // self._page_size)
        last = -(-need.end // self._page_size) if need.end == self.size else need.end // self._page_size
        begin, end = first * self._page_size, min(last * self._page_size, self.size)
        if first < last:
            with target[begin - need.begin : end - need.begin] as pages:
                kept.keep_pages(first, pages)
        else:
            begin = end = need.end  # nothing is whole: all of it are parts
        for span in fetched:
            for part in (range(span.start, min(span.stop, begin)), range(max(span.start, end), span.stop)):
                if part:
                    with target[part.start - need.begin : part.stop - need.begin] as parts:
                        kept.keep_parts(part.start // PART, parts)

    def _missing(self, kept: KeptVersion, need: Need, target: memoryview) -> List[range]:
        """Copy kept parts into the target; the bytes that are not among them are returned."""
        parts = kept.parts()
        missing = []
        for number in range(need.begin // PART, -(-need.end // PART)):
            begin, end = number * PART, min((number + 1) * PART, self.size)
            with target[begin - need.begin : end - need.begin] as part:
                if parts is None or number not in need.have or not self._copied(parts, number, part):
                    missing.append(number)
        return [range(run.start * PART, min(run.stop * PART, self.size)) for run in runs_of(missing, _UNIT // PART)]

    def _copied(self, parts: KeptFile, number: int, part: memoryview) -> bool:
        try:
            return parts.read_into(number, 0, part)
        except PageStoreError as error:
            self.gateway.keeper.failed(error)
            return False

    def _fetch_span(self, span: range, base: int, target: memoryview) -> None:
        lead, stop = self.lead, span.stop
        if lead is not None and span.start < lead.start < stop == lead.start + len(lead.data):
            stop = lead.start
            target[stop - base : span.stop - base] = lead.data
            self.lead = None
        with target[span.start - base : stop - base] as part:
            self._fetch(span.start, part)

    def _fetch_range(self, offset: int, view: memoryview) -> None:
        """The range itself, keeping nothing; a large one in units side by side where that pays."""
        if len(view) <= _UNIT or not self.gateway.parallel(self.location):
            self._fetch(offset, view)
            return
        units = [range(start, min(start + _UNIT, len(view))) for start in range(0, len(view), _UNIT)]
        tasks = [range(offset + unit.start, offset + unit.stop) for unit in units]
        threads.run_all([functools.partial(self._fetch_span, span, offset, view) for span in tasks])

    def _fetch_unclaimed(self, missing: List[int], offset: int, view: memoryview) -> None:
        """Whoever claimed these pages does not come to an end: the reader's part of them, kept by nobody."""
        for run in runs_of(missing, len(missing)):
            start = max(offset, run.start * self._page_size)
            stop = min(offset + len(view), run.stop * self._page_size)
            with view[start - offset : stop - offset] as part:
                self._fetch_range(start, part)

    def _fetch(self, offset: int, view: memoryview) -> None:
        self.gateway.fetch(self.location, self.entry.version, offset, view)


def _claim(kept: KeptVersion, run: range, mine: List[Claim]) -> Set[int]:
    """Which of neighbouring pages are this thread's to fetch."""
    kept.pages.claim_run(run, mine)
    return {index for claim in mine for index in claim.pages}


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
