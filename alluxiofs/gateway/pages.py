"""One version of one file: its bytes, out of kept pages or from the line, and never of another version."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, List, Optional

from alluxiofs.errors import PageStoreError
from alluxiofs.gateway import threads
from alluxiofs.interfaces import Entry, KeptFile, Location

if TYPE_CHECKING:
    from alluxiofs.gateway.read_path import ReadPath

__all__ = ["PinnedFile"]

_UNIT = 8 * 2**20  # bytes that one request fetches at the most; several go side by side


class PinnedFile:
    """Reads ranges of one version. Nothing of it changes; used by any number of threads.

    Parameters
    ----------
    gateway, location, entry:
        What was opened, and what the stat said of it.
    size:
        Bytes.
    kept:
        The pages kept of this version; ``None`` if none can be.
    """

    def __init__(
        self, gateway: ReadPath, location: Location, entry: Entry, size: int, kept: Optional[KeptFile]
    ) -> None:
        self.gateway = gateway
        self.location = location
        self.entry = entry
        self.size = size
        self.kept = kept
        self._page_size = gateway.page_size

    def fill(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset`` on; the range lies within the file."""
        kept = self.kept
        if kept is None:
            self._fetch_range(offset, view)
            return
        first, last = offset // self._page_size, (offset + len(view) - 1) // self._page_size
        missing = self._not_kept(kept, range(first, last + 1), offset, view)
        while missing:
            claimed = [index for index in missing if kept.claim(index)]
            runs = _runs(claimed, max(1, _UNIT // self._page_size))
            threads.run_all([functools.partial(self._fetch_run, kept, run, offset, view) for run in runs])
            mine = set(claimed)
            others = [index for index in missing if index not in mine]
            deadline = self.gateway.new_deadline()
            for index in others:
                kept.wait(index, deadline)
            missing = self._not_kept(kept, others, offset, view)
            if missing and deadline.remaining() <= 0:
                self._fetch_unclaimed(missing, offset, view)
                return

    def fetch_ahead(self, offset: int, size: int) -> None:
        """Have the missing pages of a range fetched and kept by other threads, and return at once. What cannot be had,
        or is more than may be fetched ahead at a time, is left to whoever reads it."""
        kept = self.kept
        if kept is None or not self.gateway.keeper.working:
            return
        last = (min(offset + size, self.size) - 1) // self._page_size
        wanted = [index for index in range(offset // self._page_size, last + 1) if not kept.has(index)]
        for run in _runs([index for index in wanted if kept.claim(index)], max(1, _UNIT // self._page_size)):
            if not threads.try_submit(functools.partial(self._fetch_run_ahead, kept, run)):
                _release(kept, run)

    def _not_kept(self, kept: KeptFile, indices: range | List[int], offset: int, view: memoryview) -> List[int]:
        """Copy the pages that are kept into the view; the others are returned."""
        try:
            return [index for index in indices if not self._copy(kept, index, offset, view)]
        except PageStoreError as error:
            self.gateway.keeper.failed(error)
            return list(indices)

    def _copy(self, kept: KeptFile, index: int, offset: int, view: memoryview) -> bool:
        """Copy what the view wants of a kept page into it."""
        begin = index * self._page_size
        start = max(offset, begin)
        stop = min(offset + len(view), begin + kept.page_length(index))
        with view[start - offset : stop - offset] as part:
            return kept.read_into(index, start - begin, part)

    def _fetch_range(self, offset: int, view: memoryview) -> None:
        """The range itself, keeping nothing; a large one in units side by side where that pays."""
        if len(view) <= _UNIT or not self.gateway.parallel(self.location):
            self._fetch(offset, view)
            return
        starts = range(0, len(view), _UNIT)
        threads.run_all(
            [functools.partial(self._fetch, offset + start, view[start : start + _UNIT]) for start in starts]
        )

    def _fetch(self, offset: int, view: memoryview) -> None:
        self.gateway.fetch(self.location, self.entry.version, offset, view)

    def _fetch_run(self, kept: KeptFile, run: range, offset: int, view: memoryview) -> None:
        """Fetch pages that were claimed, keep them, and copy what the view wants of them into it."""
        try:
            # Between the look and the claim another reader may have fetched and kept them.
            if all(kept.has(index) for index in run) and not self._not_kept(kept, run, offset, view):
                return
            begin = run.start * self._page_size
            end = min(run.stop * self._page_size, self.size)
            if offset <= begin and end <= offset + len(view):
                with view[begin - offset : end - offset] as part:
                    self._fetch_and_keep(kept, run, part)
                return
            with memoryview(bytearray(end - begin)) as whole:
                self._fetch_and_keep(kept, run, whole)
                start, stop = max(offset, begin), min(offset + len(view), end)
                view[start - offset : stop - offset] = whole[start - begin : stop - begin]
        finally:
            _release(kept, run)

    def _fetch_and_keep(self, kept: KeptFile, run: range, target: memoryview) -> None:
        self._fetch(run.start * self._page_size, target)
        for number, index in enumerate(run):
            begin = number * self._page_size
            with target[begin : begin + kept.page_length(index)] as page:
                self.gateway.keeper.keep(kept, index, page)

    def _fetch_unclaimed(self, missing: List[int], offset: int, view: memoryview) -> None:
        """Whoever claimed these pages does not come to an end: the reader's part of them, kept by nobody."""
        for run in _runs(missing, len(missing)):
            start = max(offset, run.start * self._page_size)
            stop = min(offset + len(view), run.stop * self._page_size)
            with view[start - offset : stop - offset] as part:
                self._fetch_range(start, part)

    def _fetch_run_ahead(self, kept: KeptFile, run: range) -> None:
        try:
            if not all(kept.has(index) for index in run):
                end = min(run.stop * self._page_size, self.size)
                with memoryview(bytearray(end - run.start * self._page_size)) as whole:
                    self._fetch_and_keep(kept, run, whole)
        except Exception as error:  # nobody waits for this; the reader meets the failure itself
            self.gateway.logger.debug("reading ahead of %s failed: %s", self.location.url, error)
        finally:
            _release(kept, run)


def _release(kept: KeptFile, run: range) -> None:
    for index in run:
        kept.release(index)


def _runs(indices: List[int], most: int) -> List[range]:
    """Ascending numbers as ranges of neighbours, none longer than ``most``."""
    runs: List[range] = []
    for index in indices:
        if runs and runs[-1].stop == index and len(runs[-1]) < most:
            runs[-1] = range(runs[-1].start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs
