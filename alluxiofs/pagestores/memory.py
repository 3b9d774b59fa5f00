"""Page store in memory."""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterator, Optional

from attrs import define

from alluxiofs.interfaces import Claims, Context, KeptFile, PageStore
from alluxiofs.pagestores.capacity import check_capacity
from alluxiofs.pagestores.claiming import ClaimingFile, check_key
from alluxiofs.pagestores.hits import Hits
from alluxiofs.pagestores.recency import Recency, Tally
from alluxiofs.settings.types import Size

__all__ = ["MemoryPageStore"]

# What a page and a file take besides their bytes, on 64-bit CPython from 3.8 on, rounded up to what the allocator
# gives: for a page the object (64), index and stamp (32 each), its place in the file's dict (64) and in the order of
# eviction (80), and as much again of the latter for pages that were forgotten and still stand there (96); for a file
# the object (64), its dict (240), its key (64) and its place among the files (128).
_PAGE_OVERHEAD = 368
_FILE_OVERHEAD = 496
_BYTES_HEADER = 33
_MAPPED_FROM = 128 * 1024
_SHRINK = 4


def _charge(length: int) -> int:
    """What a page of ``length`` bytes takes: malloc rounds up to 16 bytes, and to whole memory pages where it maps."""
    grain = 16 if length < _MAPPED_FROM else 4096
    return _PAGE_OVERHEAD + -(-(length + _BYTES_HEADER) // grain) * grain


class _Page:
    __slots__ = ("data", "index", "key", "used")

    def __init__(self, key: bytes, index: int, data: bytes, used: int) -> None:
        self.key = key
        self.index = index
        self.data: Optional[bytes] = data  # None once it is forgotten
        self.used = used


class _Pages:
    """The pages of one file. A dict never gives back the room it grew to: ``peak`` tells when to copy it."""

    __slots__ = ("by_index", "peak")

    def __init__(self) -> None:
        self.by_index: Dict[int, _Page] = {}
        self.peak = 0


class MemoryPageStore(PageStore):
    """Keeps pages in the memory of this process; the least recently used ones go first.

    The capacity bounds all that the store holds: the pages and an estimate of what Python needs to hold them. It has no
    place for notes, which are for other processes.
    """

    name = "memory"

    @define(frozen=True)
    class Settings:
        """Settings of the page store in memory.

        Parameters
        ----------
        capacity:
            Bytes that the store may take, with what it needs to find them. A page larger than that is not kept.
        """

        capacity: Size = Size("256MB")

    def __init__(self, settings: Any, context: Context, page_size: int) -> None:
        super().__init__(settings, context, page_size)
        check_capacity("memory", settings.capacity, page_size, lambda size: _charge(size) + _FILE_OVERHEAD)
        self._claims = Claims()
        self._hits = Hits()  # its numbers are also the stamps of use
        self._misses = Tally()
        # A hit takes no lock: it looks up a dict, reads a slot that only ever goes from bytes to None, counts, and
        # stores a stamp, each one step. Whatever adds or removes a page holds the lock.
        self._lock = threading.Lock()
        self._files: Dict[bytes, _Pages] = {}
        self._order: Recency[_Page] = Recency(self._all_pages, lambda page: page.data is not None)
        self._bytes = 0
        self._pages = 0
        self._evictions = 0

    def file(self, key: bytes, length: int, page_size: Optional[int] = None) -> KeptFile:
        return _MemoryFile(self, key, length, page_size or self.page_size)

    def forget(self, key: bytes) -> None:
        with self._lock:
            pages = self._files.pop(check_key(key), None)
            if pages is None:
                return
            for page in pages.by_index.values():
                assert page.data is not None  # noqa: S101  # it is in the dict: only here is it taken out
                self._bytes -= _charge(len(page.data))
                page.data = None
            self._bytes -= _FILE_OVERHEAD
            self._pages -= len(pages.by_index)
            self._order.removed(len(pages.by_index))
            pages.by_index.clear()  # whoever still holds it finds nothing, and looks for its successor

    def clear(self) -> None:
        for key in list(self._files):
            self.forget(key)

    def counters(self) -> Dict[str, int]:
        with self._lock:
            hits, hit_bytes = self._hits.totals()
            return {
                "hits": hits,
                "hit_bytes": hit_bytes,
                "misses": self._misses.value(),
                "evictions": self._evictions,
                "pages": self._pages,
                "bytes": self._bytes,
                "capacity": int(self.settings.capacity),
            }

    def close(self) -> None:
        self.clear()

    def _keep(self, key: bytes, index: int, page: memoryview) -> None:
        charge = _charge(len(page))
        with self._lock:
            pages = self._files.get(key)
            if pages is not None and index in pages.by_index:
                return
            if charge + _FILE_OVERHEAD > self.settings.capacity:
                return
            self._make_room(charge + _FILE_OVERHEAD)  # which may remove the file's last page, and so the file
            data = bytes(page)
            pages = self._files.get(key)
            if pages is None:
                pages = self._files[key] = _Pages()
                self._bytes += _FILE_OVERHEAD
            pages.by_index[index] = _Page(key, index, data, self._hits.stamp())
            pages.peak = max(pages.peak, len(pages.by_index))
            self._bytes += charge
            self._pages += 1

    def _make_room(self, needed: int) -> None:
        while self._bytes + needed > self.settings.capacity:
            page = self._order.oldest()
            if page is None or page.data is None:
                return
            pages = self._files[page.key]
            del pages.by_index[page.index]
            self._bytes -= _charge(len(page.data))
            self._pages -= 1
            self._evictions += 1
            left = len(pages.by_index)
            if not left:
                del self._files[page.key]
                self._bytes -= _FILE_OVERHEAD
            elif left * _SHRINK < pages.peak:
                emptied, pages.by_index, pages.peak = pages.by_index, dict(pages.by_index), left
                emptied.clear()

    def _all_pages(self) -> Iterator[_Page]:
        for pages in self._files.values():
            yield from pages.by_index.values()


class _MemoryFile(ClaimingFile):
    def __init__(self, store: MemoryPageStore, key: bytes, length: int, page_size: int) -> None:
        super().__init__(key, length, page_size, store._claims, store._misses.tick)
        self._files = store._files
        self._hits = store._hits
        self._keep = store._keep
        # The dict of the file as it was last seen. It may have been replaced, but then it is empty: pages are only
        # added to the one that the store has.
        self._pages: Dict[int, _Page] = {}

    def read(self, index: int, start: int, stop: int) -> Optional[bytes]:
        try:
            page = self._pages[index]
        except KeyError:
            return self._read_found(index, start, stop)
        data = page.data
        if data is None:
            return self._read_found(index, start, stop)
        page.used = self._hits[stop - start]()
        return data[start:stop]

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        page = self._pages.get(index) or self._find(index)
        data = None if page is None else page.data
        if page is None or data is None:
            self.count_miss()
            return False
        page.used = self._hits[len(view)]()
        view[:] = memoryview(data)[start : start + len(view)]
        return True

    def has(self, index: int) -> bool:
        return self._find(index) is not None

    def keep(self, index: int, page: memoryview) -> None:
        self._check_page(index, page)
        self._keep(self.key, index, page)

    def _find(self, index: int) -> Optional[_Page]:
        pages = self._files.get(self.key)
        if pages is None:
            return None
        self._pages = pages.by_index
        return self._pages.get(index)

    def _read_found(self, index: int, start: int, stop: int) -> Optional[bytes]:
        page = self._find(index)
        data = None if page is None else page.data
        if page is None or data is None:
            self.count_miss()
            return None
        page.used = self._hits[stop - start]()
        return data[start:stop]
