"""What is fetched of one version of one file, and kept: by who waits for it, and for who may want it next."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, List, Optional, Sequence, Set, Tuple

from alluxiofs.errors import PageStoreError, hidden_text
from alluxiofs.gateway import threads
from alluxiofs.gateway.foresight import Foresight, groups_of
from alluxiofs.gateway.keeping import PART, KeptVersion
from alluxiofs.gateway.needs import Need, need_of, runs_of
from alluxiofs.interfaces import Claim, Entry, KeptFile, Location
from alluxiofs.logs import fields

if TYPE_CHECKING:
    from alluxiofs.gateway.columns import Chunk
    from alluxiofs.gateway.read_path import ReadPath

__all__ = ["UNIT", "UNIT_AHEAD", "FetchingFile", "claim"]

UNIT = 8 * 2**20  # bytes that one request fetches at the most; several go side by side
UNIT_AHEAD = 4 * 2**20  # the same of what nobody waits for yet: more connections, and each piece there the sooner


class _Together:
    """Threads that fetch under the same claims: who leaves last ends these."""

    def __init__(self, kept: KeptVersion) -> None:
        self.mine: List[Claim] = []
        self._kept = kept
        self._there: Set[object] = {None}

    def join(self, member: object) -> None:
        """One more, and what stands for it."""
        self._there.add(member)

    def leave(self, member: object = None) -> None:
        """One less: without ``member`` who made the claims. To do so again does no harm."""
        self._there.discard(member)
        if not self._there:
            self._kept.pages.release_run(self.mine)


class FetchingFile:
    """Fetches what is missing of one version. Used by any number of threads.

    Parameters
    ----------
    gateway, location, entry, size, kept:
        See :class:`~alluxiofs.gateway.pages.PinnedFile`.
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
        self._foresight = Foresight()

    def _pages_of(self, begin: int, end: int) -> range:
        return range(begin // self._page_size, (end - 1) // self._page_size + 1)

    # --- a range that nobody waits for yet ----------------------------------------------------------------------

    def fetch_ahead(self, offset: int, size: int) -> Tuple[int, int]:
        """Have the missing pages of a range fetched and kept by other threads, and return at once.

        What cannot be had, or is more than may be fetched ahead at a time, is left to whoever reads it.

        Returns
        -------
        tuple
            Up to where it is kept or on its way, and how many bytes were sent for.
        """
        kept = self.kept
        end = min(offset + size, self.size)
        if kept is None or end <= offset or not self.gateway.keeper.keeping:
            return end, 0
        wanted = self._pages_of(offset, end)
        at_once = max(1, UNIT_AHEAD // self._page_size)
        sent = 0
        for first in range(wanted.start, wanted.stop, at_once):
            unit = wanted[first - wanted.start :][:at_once]
            # A reader comes again and again while enough is under way: what is kept is looked up when there is room.
            if not threads.has_room(len(unit) * self._page_size):
                return max(offset, first * self._page_size), sent
            missing = set(unit).difference(kept.pages.held(unit))
            for run in runs_of(sorted(missing), at_once):
                begin, stop = run.start * self._page_size, min(run.stop * self._page_size, self.size)
                _, size_sent = self._send_for(kept, run, [(begin, stop)], exact=False)
                if size_sent is None:
                    return max(offset, begin), sent
                sent += size_sent
        return end, sent

    def fetch_chunks(self, chunks: Sequence[Chunk]) -> None:
        """Have the parts that these are in fetched and kept by other threads, and return at once. As much as may be
        fetched ahead at a time; the rest is likely to be asked for again."""
        kept = self.kept
        if kept is None or not self.gateway.keeper.keeping:
            return
        for pages, together in groups_of(chunks, self._page_size):
            sent, size = self._send_for(kept, pages, together, exact=True)
            self._foresight.sent(sent)
            if size is None:
                return

    def _send_for(
        self, kept: KeptVersion, run: range, chunks: Sequence[Chunk], exact: bool
    ) -> Tuple[List[Chunk], Optional[int]]:
        """Have other threads fetch what nobody else does of these chunks, all of them in neighbouring pages. Returns
        those of which nothing is left to others, and how many bytes were sent for: ``None`` if enough is under way."""
        together = _Together(kept)
        sent: List[Chunk] = []
        size = 0
        # Whatever an interrupt leaves out of the first, the second one does.
        try:
            try:
                claimed = claim(kept, run, together.mine)
                missing = claimed.difference(kept.pages.held(run))
                for chunk in chunks:
                    for need in self._needs(missing, *chunk, exact):
                        if not self._submit(kept, need, together):
                            return sent, None
                        size += need.missing(self.size)
                    if claimed.issuperset(self._pages_of(*chunk)):
                        sent.append(chunk)
                return sent, size
            finally:
                together.leave()
        finally:
            together.leave()

    def _needs(self, pages: Set[int], begin: int, end: int, exact: bool = True) -> List[Need]:
        """What a range needs of these pages, in pieces for a request each."""
        runs = runs_of(sorted(pages.intersection(self._pages_of(begin, end))), max(1, UNIT_AHEAD // self._page_size))
        bounds = [(max(begin, run.start * self._page_size), min(end, run.stop * self._page_size)) for run in runs]
        parts = None if self.kept is None else self.kept.parts()
        needs = [need_of(run, self._page_size, self.size, *each, parts, exact) for run, each in zip(runs, bounds)]
        return [need for need in needs if need.missing(self.size)]

    def _submit(self, kept: KeptVersion, need: Need, together: _Together) -> bool:
        """Have another thread fetch something; ``False`` if enough is under way."""
        member = object()

        def fetch() -> None:
            try:
                self._fetch_early(kept, need)
            finally:
                together.leave(member)

        submitted = False
        # Whatever an interrupt leaves out of the first, the second one does.
        try:
            try:
                together.join(member)
                submitted = threads.try_submit(fetch, need.missing(self.size))
            finally:
                if not submitted:
                    together.leave(member)
        finally:
            if not submitted:
                together.leave(member)
        return submitted

    def _fetch_early(self, kept: KeptVersion, need: Need) -> None:
        """Fetch and keep what nobody waits for."""
        try:
            with memoryview(bytearray(need.end - need.begin)) as target:
                self._have(kept, need, target, alone=False)
        except Exception as error:  # the reader meets the failure itself
            more = fields(operation="read", path=self.location.url)
            shown = hidden_text(self.location.url)
            self.gateway.logger.debug("reading ahead of %s failed: %s", shown, error, extra=more)

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
        return [range(run.start * PART, min(run.stop * PART, self.size)) for run in runs_of(missing, UNIT // PART)]

    def _copied(self, parts: KeptFile, number: int, part: memoryview) -> bool:
        try:
            return parts.read_into(number, 0, part)
        except PageStoreError as error:
            self.gateway.keeper.failed(error)
            return False

    def _fetch_span(self, span: range, base: int, target: memoryview) -> None:
        stop = span.stop
        lead = None if self.kept is None else self.gateway.leads.take(self.kept.pages.key, span.start, stop)
        if lead is not None:
            stop = lead.start
            target[stop - base : span.stop - base] = lead.data
        with target[span.start - base : stop - base] as part:
            self._fetch(span.start, part)

    def _fetch_range(self, offset: int, view: memoryview) -> None:
        """The range itself, keeping nothing; a large one in units side by side where that pays."""
        if len(view) <= UNIT or not self.gateway.parallel(self.location):
            self._fetch(offset, view)
            return
        units = [range(start, min(start + UNIT, len(view))) for start in range(0, len(view), UNIT)]
        tasks = [range(offset + unit.start, offset + unit.stop) for unit in units]
        threads.run_all([functools.partial(self._fetch_span, span, offset, view) for span in tasks])

    def _fetch(self, offset: int, view: memoryview) -> None:
        self.gateway.fetch(self.location, self.entry.version, offset, view)


def claim(kept: KeptVersion, run: range, mine: List[Claim]) -> Set[int]:
    """Which of neighbouring pages are this thread's to fetch."""
    kept.pages.claim_run(run, mine)
    return {index for claim in mine for index in claim.pages}
