"""Page store on disk: files that all processes of the machine share."""

from __future__ import annotations

import bisect
import enum
import functools
import itertools
import logging
import os
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from attrs import define, field

from alluxiofs.errors import ConfigurationError, PageStoreError
from alluxiofs.interfaces import Context, Deadline, KeptFile, PageStore
from alluxiofs.pagestores.capacity import capacities_of, check_folders
from alluxiofs.pagestores.claiming import check_key, check_page
from alluxiofs.pagestores.eviction import POLICIES
from alluxiofs.pagestores.failures import failure
from alluxiofs.pagestores.folders import folders_of
from alluxiofs.pagestores.ondisk.found import SECOND, Found, read_fully
from alluxiofs.pagestores.ondisk.layout import page_hash
from alluxiofs.pagestores.ondisk.pages import Pages
from alluxiofs.pagestores.recency import Tally
from alluxiofs.pagestores.seen import Seen
from alluxiofs.pagestores.whereabouts import default_folder, free_bytes
from alluxiofs.settings.types import Seconds, Size

__all__ = ["DiskPageStore", "Verify"]

_DEFAULT_CAPACITY = Size("10GB")
_SHARE_OF_FREE = 10
_ATTEMPTS = 3
_TOLD_TOGETHER = 128
_HASHES = 1 << 64


class Verify(enum.Enum):
    """When the checksum of a page is looked at."""

    FIRST = "first"
    ALWAYS = "always"
    NEVER = "never"


class DiskPageStore(PageStore):
    """Keeps pages in files of this machine, shared by its processes, within a capacity that none of them passes.

    A page is seen when it is whole; its checksum is verified when a process first reads it. A process that is killed
    leaves nothing to repair. ``docs/page-store.md`` says how.
    """

    name = "disk"

    @define(frozen=True)
    class Settings:
        """Settings of the page store on disk.

        Parameters
        ----------
        path:
            One folder or several, one a disk, over which pages are spread by capacity. They are made when the first
            page is kept, for their owner only; one that is there must belong to the user, and nobody else may write
            to it. Without one: ``alluxiofs/pages`` in the user's cache folder.
        capacity:
            Bytes of disk that all folders together may take, or a list: those of each folder. Without one: 10 GB, or
            a tenth of what is free when the store is first used, if that is less.
        eviction:
            Which page goes when there is no room: ``lru`` (the least recently used one), ``sieve`` (the same at large,
            but a scan does not flush it) or ``lfu`` (the least frequently used one).
        max_age:
            How long a page is kept at the most, in seconds. Without one: as long as there is room.
        verify:
            When a page's checksum is compared with its bytes: ``first``, when a process first reads it; ``always``; or
            ``never``, but for pages from before the machine's last start.
        """

        path: Tuple[str, ...] = field(default=(), converter=folders_of)
        capacity: Tuple[Size, ...] = field(default=(), converter=capacities_of)
        eviction: str = "lru"
        max_age: Optional[Seconds] = None
        verify: Verify = field(default=Verify.FIRST, converter=Verify)

    def __init__(self, settings: Any, context: Context, page_size: int) -> None:
        super().__init__(settings, context, page_size)
        if sys.platform == "win32":
            raise ConfigurationError("page store 'disk' needs Linux or macOS; use page_store='memory'")
        if settings.eviction not in POLICIES:
            raise ConfigurationError(
                f"page store 'disk': eviction {settings.eviction!r} is none of {', '.join(POLICIES)}"
            )
        paths = [os.path.abspath(os.path.expanduser(path)) for path in settings.path or (default_folder(),)]
        if len(settings.capacity) > 1 and len(settings.capacity) != len(paths):
            raise ConfigurationError(
                f"page store 'disk': {len(settings.capacity)} capacities for {len(paths)} folders; give one for all, "
                "or one for each"
            )
        self._paths = list(dict.fromkeys(paths))
        check_folders(settings.capacity, len(self._paths), page_size)
        self._given = dict(zip(paths, settings.capacity)) if len(settings.capacity) > 1 else {}
        self.hits = Tally()
        self.misses = Tally()
        self._corrupt = 0
        self.seen = Seen()
        self._untold: List[Tuple[bytes, int, Found]] = []
        self._max_age = None if settings.max_age is None else int(settings.max_age * SECOND)
        self._file_class = _VerifyingFile if settings.verify is Verify.ALWAYS else _DiskFile
        self._verifies = settings.verify is not Verify.NEVER

    @functools.cached_property
    def capacities(self) -> List[int]:
        """Bytes of disk that each folder may take."""
        if self._given:
            return [int(self._given[path]) for path in self._paths]
        if self.settings.capacity:
            total = int(self.settings.capacity[0])
        else:
            total = min(_DEFAULT_CAPACITY, free_bytes(self._paths) // _SHARE_OF_FREE)
        share, rest = divmod(total, len(self._paths))
        return [share + (number < rest) for number in range(len(self._paths))]

    @functools.cached_property
    def _folders(self) -> List[Pages]:
        policy = POLICIES[self.settings.eviction]
        return [
            Pages(path, capacity, policy, self.seen.used, self.seen.clear)
            for path, capacity in zip(self._paths, self.capacities)
        ]

    @functools.cached_property
    def _bounds(self) -> List[int]:
        """Up to which hash pages go into which folder: by capacity, so that all are full at the same time."""
        total = sum(self.capacities) or 1
        return [_HASHES * part // total for part in itertools.accumulate(self.capacities)]

    def file(self, key: bytes, length: int, page_size: Optional[int] = None) -> KeptFile:
        check_key(key)
        for pages in self._folders:
            pages.folder.check()
        return self._file_class(self, key, length, page_size or self.page_size)

    def forget(self, key: bytes) -> None:
        check_key(key)
        for pages in self._folders:
            pages.folder.check()
            pages.forget(key)

    def clear(self) -> None:
        for pages in self._folders:
            pages.folder.check()
            pages.clear()

    def counters(self) -> Dict[str, int]:
        """As for every page store, and ``corrupt``: pages that this process found broken. Hits, misses and evictions
        are this process's, ``pages`` and ``bytes`` those of all."""
        counts = [pages.counts() for pages in self._folders]
        return {
            "hits": self.hits.value(),
            "misses": self.misses.value(),
            "evictions": sum(pages.space.evictions for pages in self._folders),
            "pages": sum(pages for pages, _ in counts),
            "bytes": sum(size for _, size in counts),
            "capacity": sum(self.capacities),
            "corrupt": self._corrupt,
        }

    def describe(self) -> Dict[str, Any]:
        return {"path": self._paths, "capacity": sum(self.capacities)}

    def close(self) -> None:
        self._tell()
        self.seen.clear()
        for pages in self._folders:
            pages.folder.close()

    # --- for the kept files -------------------------------------------------------------------------------------

    def pages_of(self, key: bytes, index: int) -> Pages:
        """The folder that a page belongs into."""
        return self._folders[self._number_of(key, index)]

    def _number_of(self, key: bytes, index: int) -> int:
        if len(self._paths) == 1:
            return 0
        return min(bisect.bisect_right(self._bounds, page_hash(key, index)), len(self._paths) - 1)

    def look_up(self, key: bytes, index: int, length: int, view: Optional[memoryview] = None) -> Tuple[Any, bool]:
        """Find a page and verify it, if that is to be done. ``view``, if given, is for the whole page; the second of
        what is returned says whether it was filled on the way. ``None`` and ``False`` if there is no page."""
        pages = self.pages_of(key, index)
        for _ in range(_ATTEMPTS):  # the page may go, and come again, while it is read
            found = pages.find(key, index, length)
            if found is None:
                break
            if self._is_too_old(found):
                self._drop(pages, found)
                break
            self._set_due(found, found.due)
            if not self._verifies and pages.is_fresh_since_boot(found):
                self.seen.add(key, index, found)
                return found, False
            whole = pages.is_whole(found, view)
            if whole:
                self.seen.add(key, index, found)
                return found, view is not None
            if whole is False:
                self._tell_broken(pages, key, index)
                self._drop(pages, found)
        return None, False

    def is_kept(self, key: bytes, index: int, length: int) -> bool:
        """Whether a page is there; nothing of it is read."""
        try:
            found = self.pages_of(key, index).find(key, index, length)
        except PageStoreError:
            return False
        return found is not None and not self._is_too_old(found)

    def touch(self, key: bytes, index: int, found: Found) -> bool:
        """What is due: other processes are told of the use. ``False`` if the page has become too old."""
        if self._is_too_old(found):
            self.seen.remove(key, index)
            return False
        self._set_due(found, found.used + SECOND)
        self._untold.append((key, index, found))
        if len(self._untold) >= _TOLD_TOGETHER:
            self._tell()
        return True

    def _set_due(self, found: Found, at: int) -> None:
        found.due = at if self._max_age is None else min(at, found.born + self._max_age)

    def _tell(self) -> None:
        untold, self._untold = self._untold, []
        by_folder: Dict[int, List[Found]] = {}
        for key, index, found in untold:
            by_folder.setdefault(self._number_of(key, index), []).append(found)
        for number, told in by_folder.items():
            self._folders[number].tell_uses(told)

    def _is_too_old(self, found: Found) -> bool:
        return self._max_age is not None and found.born + self._max_age < time.time_ns()

    @staticmethod
    def _drop(pages: Pages, found: Found) -> None:
        try:
            pages.drop(found)
        except PageStoreError:
            pass  # a disk that cannot be written to; the page is not served all the same

    def _tell_broken(self, pages: Pages, key: bytes, index: int) -> None:
        level = logging.DEBUG if self._corrupt else logging.WARNING  # a broken disk has many
        self._corrupt += 1
        self.context.logger.log(level, "a broken page was dropped: page %d of %s in %s", index, key.hex(), pages.path)


class _DiskFile(KeptFile):
    def __init__(self, store: DiskPageStore, key: bytes, length: int, page_size: int) -> None:
        super().__init__(key, length, page_size)
        self._store = store
        self._hit = store.hits.tick
        self._miss = store.misses.tick
        self._found: Dict[int, Found] = store.seen.of_file(key)

    def read(
        self,
        index: int,
        start: int,
        stop: int,
        # Bound here, for this is the hot path: a local name costs less than two global ones.
        _read: Callable[[int, int, int], bytes] = getattr(os, "pread", None),  # type: ignore[assignment]
        _now: Callable[[], int] = time.time_ns,
    ) -> Optional[bytes]:
        found = self._found.get(index)
        if found is None:
            return self._read_first(index, start, stop)
        try:
            data = _read(found.fd, stop - start, found.base + start)
        except OSError as error:
            raise failure(error, found.cells.path) from error
        # Whoever gives the cell to another page changes this word first: if it is as it was, so were the bytes.
        if found.words[found.at] != found.word or len(data) != stop - start:
            return self._read_first(index, start, stop)
        now = found.used = _now()
        if now > found.due and not self._store.touch(self.key, index, found):
            return self._read_first(index, start, stop)
        self._hit()
        return data

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        found = self._found.get(index)
        if found is None:
            return self._read_first_into(index, start, view)
        try:
            whole = read_fully(found.fd, found.base + start, view)
        except OSError as error:
            raise failure(error, found.cells.path) from error
        if found.words[found.at] != found.word or not whole:
            return self._read_first_into(index, start, view)
        now = found.used = time.time_ns()
        if now > found.due and not self._store.touch(self.key, index, found):
            return self._read_first_into(index, start, view)
        self._hit()
        return True

    def has(self, index: int) -> bool:
        found = self._found.get(index)
        if found is not None and found.words[found.at] == found.word:
            return True
        length = self.page_length(index)
        return index >= 0 and length > 0 and self._store.is_kept(self.key, index, length)

    def keep(self, index: int, page: memoryview) -> None:
        check_page(self, index, page)
        self._store.pages_of(self.key, index).keep(self.key, index, page)

    def claim(self, index: int) -> bool:
        return self._store.pages_of(self.key, index).claims.claim(self.key, index)

    def release(self, index: int) -> None:
        self._store.pages_of(self.key, index).claims.release(self.key, index)

    def wait(self, index: int, deadline: Deadline) -> None:
        self._store.pages_of(self.key, index).claims.wait(self.key, index, deadline)

    def _read_first(self, index: int, start: int, stop: int) -> Optional[bytes]:
        """Read a page that this process has not read before, or that is not where it was."""
        data = bytearray(stop - start)
        return bytes(data) if self._read_first_into(index, start, memoryview(data)) else None

    def _read_first_into(self, index: int, start: int, view: memoryview) -> bool:
        length = self.page_length(index)
        for _ in range(_ATTEMPTS if index >= 0 and length > 0 else 0):  # it may go, and come again, meanwhile
            whole = start == 0 and len(view) == length
            found, filled = self._store.look_up(self.key, index, length, view if whole else None)
            self._found = self._store.seen.of_file(self.key)
            if found is None:
                break
            try:
                filled = filled or read_fully(found.fd, found.base + start, view)
            except OSError as error:
                raise failure(error, found.cells.path) from error
            if filled and found.words[found.at] == found.word:
                found.used = time.time_ns()
                if found.used > found.due:
                    self._store.touch(self.key, index, found)
                self._hit()
                return True
        self._miss()
        return False


class _VerifyingFile(_DiskFile):
    """Each read verifies the whole page: a range of it is a copy out of it."""

    def read(self, index: int, start: int, stop: int, *_: Any) -> Optional[bytes]:
        data = bytearray(stop - start)
        return bytes(data) if self.read_into(index, start, memoryview(data)) else None

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        length = self.page_length(index)
        if index < 0 or length <= 0:
            self._miss()
            return False
        if start == 0 and len(view) == length:
            return self._read_first_into(index, start, view)
        whole = memoryview(bytearray(length))
        if not self._read_first_into(index, 0, whole):
            return False
        view[:] = whole[start : start + len(view)]
        return True
