"""One version of one file: its bytes, out of kept pages or from the line, and never of another version.

A page that is not kept is claimed, so that it is fetched once however many threads and processes want it. Of a page
that a small read touches for the first time only the parts it reads are fetched, and kept as such; what is missing
comes with a later one (:mod:`alluxiofs.gateway.needs`), and then the page is kept whole. No part is fetched twice.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Iterable, List, Optional, Set, Tuple

from alluxiofs.errors import PageStoreError
from alluxiofs.gateway import threads
from alluxiofs.gateway.columns import Columns, chunks_of, footer_at
from alluxiofs.gateway.keeping import PART, KeptVersion
from alluxiofs.gateway.needs import Need, need_of, runs_of
from alluxiofs.interfaces import Entry, KeptFile, Location

if TYPE_CHECKING:
    from alluxiofs.gateway.read_path import ReadPath

__all__ = ["PinnedFile"]

_UNIT = 8 * 2**20  # bytes that one request fetches at the most; several go side by side
_UNIT_AHEAD = 4 * 2**20  # the same of what nobody waits for yet: more connections, and each piece there the sooner


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
        # Where the columns of a columnar file are; unknown until its footer is kept.
        self._columns: Optional[Columns] = None
        self._like: Optional[Columns] = None  # those of the file that was read before it, beside it
        self._foreseen: Set[Tuple[int, int]] = set()

    # --- a range that somebody waits for ------------------------------------------------------------------------

    def fill(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset`` on; the range lies within the file."""
        kept = self.kept
        if kept is None or not self.gateway.keeper.working:
            self._fetch_range(offset, view)
            return
        missing = self._not_kept(kept, self._pages_of(offset, offset + len(view)), offset, view)
        foresees = kept.parts() is not None
        while missing:
            claimed, others = self._claim(kept, missing, offset, view)
            if foresees:  # once this read has claimed what it needs itself
                foresees = False
                self._foresee(offset, offset + len(view))
            runs = runs_of(claimed, max(1, _UNIT // self._page_size))
            alone = len(runs) == 1
            threads.run_all([functools.partial(self._fetch_run, kept, run, offset, view, alone) for run in runs])
            deadline = self.gateway.new_deadline()
            for index in others:
                kept.pages.wait(index, deadline)
            missing = self._not_kept(kept, others, offset, view)
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
            if kept.pages.read_into(index, start - begin, wanted):
                return True
            parts = kept.parts()
            return parts is not None and all(
                _copy_part(parts, number, start, wanted) for number in range(start // PART, (stop - 1) // PART + 1)
            )

    def _claim(
        self, kept: KeptVersion, indices: Iterable[int], offset: int = 0, view: Optional[memoryview] = None
    ) -> Tuple[List[int], List[int]]:
        """The pages that are this thread's to fetch, and those that others fetch now. What they have fetched since it
        was looked for is neither, and copied into the view."""
        mine, others = [], []
        for index in indices:
            if not kept.pages.claim(index):
                others.append(index)
            elif kept.pages.has(index) and (view is None or not self._not_kept(kept, (index,), offset, view)):
                kept.pages.release(index)
            else:
                mine.append(index)
        return mine, others

    def _fetch_run(self, kept: KeptVersion, run: range, offset: int, view: memoryview, alone: bool) -> None:
        """Fetch what is missing of neighbouring pages that were claimed, keep it, and fill the view's part of them."""
        try:
            end = offset + len(view)
            need = need_of(run, self._page_size, self.size, offset, end, kept.parts(), bool(self._columns))
            if offset <= need.begin and need.end <= end:
                with view[need.begin - offset : need.end - offset] as target:
                    self._have(kept, need, target, alone)
                return
            with memoryview(bytearray(need.end - need.begin)) as target:
                self._have(kept, need, target, alone)
                start, stop = max(offset, need.begin), min(end, need.end)
                view[start - offset : stop - offset] = target[start - need.begin : stop - need.begin]
        finally:
            _release(kept.pages, run)

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
        wanted = [index for index in self._pages_of(offset, end) if not kept.pages.has(index)]
        claimed, _ = self._claim(kept, wanted)
        sent = 0
        refused: Optional[int] = None
        for run in runs_of(claimed, max(1, _UNIT_AHEAD // self._page_size)):
            begin, stop = run.start * self._page_size, min(run.stop * self._page_size, self.size)
            if exact:
                begin, stop = max(begin, offset), min(stop, end)
            fetch = functools.partial(self._fetch_run_ahead, kept, run, begin, stop, exact)
            if refused is None and threads.try_submit(fetch):
                sent += stop - begin
                continue
            refused = run.start if refused is None else refused
            _release(kept.pages, run)
        return (end if refused is None else max(offset, refused * self._page_size)), sent

    def _fetch_run_ahead(self, kept: KeptVersion, run: range, begin: int, end: int, exact: bool) -> None:
        try:
            need = need_of(run, self._page_size, self.size, begin, end, kept.parts(), exact)
            with memoryview(bytearray(need.end - need.begin)) as target:
                self._have(kept, need, target, alone=False)
        except Exception as error:  # nobody waits for this; the reader meets the failure itself
            self.gateway.logger.debug("reading ahead of %s failed: %s", self.location.url, error)
        finally:
            _release(kept.pages, run)

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
        likely = self._columns.beside(offset, end, frozenset() if self._like is None else self._like.read)
        for begin, stop in likely:
            if (begin, stop) in self._foreseen:
                continue
            upto, sent = self.fetch_ahead(begin, stop - begin, exact=True)
            if sent:
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
        with target[span.start - base : span.stop - base] as part:
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


def _copy_part(parts: KeptFile, number: int, start: int, wanted: memoryview) -> bool:
    """Copy what is wanted of one part; ``wanted`` begins at byte ``start`` of the file."""
    begin = max(start, number * PART)
    with wanted[begin - start : (number + 1) * PART - start] as part:
        return parts.read_into(number, begin - number * PART, part)


def _release(pages: KeptFile, run: range) -> None:
    for index in run:
        pages.release(index)
