"""Page store of two tiers: memory over disk."""

from __future__ import annotations

import functools
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from attrs import define, field

from alluxiofs.errors import PageStoreError
from alluxiofs.interfaces import Claim, Context, Deadline, KeptFile, KeptPage, PageStore
from alluxiofs.pagestores.claiming import check_key, check_page
from alluxiofs.pagestores.hits import Hits
from alluxiofs.pagestores.recency import Tally
from alluxiofs.settings.types import Size

__all__ = ["TieredPageStore"]


class TieredPageStore(PageStore):
    """Keeps pages on disk, and those used again in memory as well.

    All that is kept goes to the disk, where other processes find it. A page comes into memory when it is read whole,
    or for the second time in part. A disk that fails is told of; what is in memory is read all the same.
    """

    name = "tiered"

    @define(frozen=True)
    class Settings:
        """Settings of the page store of two tiers.

        Parameters
        ----------
        memory:
            Bytes that the pages in memory may take, with what it needs to find them.
        disk:
            Settings of the page store ``disk``: ``{"path": "/fast", "capacity": "100GB"}``.
        """

        memory: Size = Size("256MB")
        disk: Dict[str, Any] = field(factory=dict)

    def __init__(self, settings: Any, context: Context, page_size: int) -> None:
        super().__init__(settings, context, page_size)
        build = functools.partial(context.build, "page_store", page_size=page_size)
        self.memory: PageStore = build({"name": "memory", "capacity": settings.memory})
        self.disk: PageStore = build({"name": "disk", **settings.disk})
        self.hits = Hits()
        self.misses = Tally()

    def file(self, key: bytes, length: int, page_size: Optional[int] = None) -> KeptFile:
        check_key(key)
        return _TieredFile(self, key, length, page_size or self.page_size)

    def forget(self, key: bytes) -> None:
        self.memory.forget(key)
        self.disk.forget(key)

    def clear(self) -> None:
        self.memory.clear()
        self.disk.clear()

    def counters(self) -> Dict[str, int]:
        """Those of the disk, with the hits and misses of both, and ``memory_hits``, ``memory_pages``,
        ``memory_bytes`` and ``memory_capacity``."""
        memory = self.memory.counters()
        hits, hit_bytes = self.hits.totals()
        return {
            **self.disk.counters(),
            "hits": hits,
            "hit_bytes": hit_bytes,
            "misses": self.misses.value(),
            **{f"memory_{name}": memory[name] for name in ("hits", "pages", "bytes", "capacity")},
        }

    def note(self, key: bytes) -> Optional[bytes]:
        return self.disk.note(key)

    def notes_after(self, key: bytes, number: int) -> List[Tuple[bytes, bytes]]:
        return self.disk.notes_after(key, number)

    def put_note(self, key: bytes, note: bytes) -> None:
        self.disk.put_note(key, note)

    def keep_noted(self, kept: KeptFile, first: int, pages: memoryview, note: bytes) -> None:
        self.disk.keep_noted(kept.on_disk if isinstance(kept, _TieredFile) else kept, first, pages, note)

    def drop_notes(self, keys: Iterable[bytes]) -> None:
        self.disk.drop_notes(keys)

    def list_pages(self) -> Iterator[KeptPage]:
        """Those on disk, of which some are in memory as well."""
        return self.disk.list_pages()

    def pin(self, key: bytes, pinned: bool) -> int:
        return self.disk.pin(key, pinned)

    def verify(self) -> Tuple[int, int]:
        """Of those on disk: what is in memory was verified when it came."""
        return self.disk.verify()

    def describe(self) -> Dict[str, Any]:
        return {"memory": self.memory.describe(), "disk": self.disk.describe()}

    def close(self) -> None:
        self.memory.close()
        self.disk.close()


class _TieredFile(KeptFile):
    def __init__(self, store: TieredPageStore, key: bytes, length: int, page_size: int) -> None:
        super().__init__(key, length, page_size, store.misses.tick)
        self._memory = store.memory.file(key, length, page_size)
        self.on_disk = store.disk.file(key, length, page_size)
        self._hits = store.hits
        self._read_once: Set[int] = set()

    def read(self, index: int, start: int, stop: int) -> Optional[bytes]:
        data = self._memory.read(index, start, stop)
        if data is None:
            data = self.on_disk.read(index, start, stop)
            if data is None:
                self.count_miss()
                return None
            self._promote(index, memoryview(data))
        self._hits[stop - start]()
        return data

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        if not self._memory.read_into(index, start, view):
            if not self.on_disk.read_into(index, start, view):
                self.count_miss()
                return False
            self._promote(index, view)
        self._hits[len(view)]()
        return True

    def has(self, index: int) -> bool:
        return self._memory.has(index) or self.on_disk.has(index)

    def held(self, pages: range) -> List[int]:
        on_disk = set(self.on_disk.held(pages))
        return [index for index in pages if index in on_disk or self._memory.has(index)]

    def keep(self, index: int, page: memoryview) -> None:
        check_page(self, index, page)
        self.on_disk.keep(index, page)

    def keep_run(self, first: int, pages: memoryview) -> None:
        self.on_disk.keep_run(first, pages)

    def claim(self, index: int) -> bool:
        return self.on_disk.claim(index)

    def release(self, index: int) -> None:
        self.on_disk.release(index)

    def claim_run(self, pages: range, mine: List[Claim]) -> None:
        self.on_disk.claim_run(pages, mine)

    def release_run(self, mine: List[Claim]) -> None:
        self.on_disk.release_run(mine)

    def wait(self, index: int, deadline: Deadline) -> None:
        self.on_disk.wait(index, deadline)

    def _promote(self, index: int, data: memoryview) -> None:
        """A page was read from disk, or a part of it."""
        length = self.page_length(index)
        if len(data) == length:
            self._memory.keep(index, data)
        elif index not in self._read_once:
            self._read_once.add(index)
        else:
            self._read_once.discard(index)
            with memoryview(bytearray(length)) as page:
                try:
                    if self.on_disk.read_into(index, 0, page):
                        self._memory.keep(index, page)
                except PageStoreError:
                    pass  # the part was read: the disk's failure is told by the next one
