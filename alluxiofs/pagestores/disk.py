"""Page store on disk: one file a page."""

from __future__ import annotations

import functools
import logging
import os
import stat
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from attrs import define, field

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import Claims, Context, KeptFile, PageStore
from alluxiofs.pagestores.claiming import ClaimingFile, check_key
from alluxiofs.pagestores.disk_index import DiskIndex, DiskPage, charge
from alluxiofs.pagestores.failures import failure, failures
from alluxiofs.pagestores.open_files import OpenFiles, open_file_limit
from alluxiofs.pagestores.page_file import HEADER_BYTES, Handle, read_fully, read_verified
from alluxiofs.pagestores.page_folder import Found, PageFolder, is_gone
from alluxiofs.pagestores.recency import Tally
from alluxiofs.pagestores.whereabouts import default_folder, free_bytes
from alluxiofs.settings.types import Size

__all__ = ["DiskPageStore"]

_DEFAULT_CAPACITY = Size("10GB")
_SHARE_OF_FREE = 10
_SCAN_SLICE = 0.1  # seconds that one call scans at the most
_SCANS_PER_CAPACITY = 8
_LOCKS = 16

_Opened = Tuple[DiskPage, Handle, bool]


def _paths(path: Union[str, os.PathLike[str], Iterable[str]]) -> Tuple[str, ...]:
    # One folder is a text, and a text is a sequence of texts too.
    return (os.fspath(path),) if isinstance(path, (str, os.PathLike)) else tuple(map(os.fspath, path))


class DiskPageStore(PageStore):
    """Keeps pages in files of this machine, shared by its processes; the least recently used ones go first.

    A page is written under another name and appears whole; its checksum is verified when a process first reads it.
    Nothing repairs anything after a crash: what is broken is not served, and removed when it is met.

    Each process counts what the folders hold from what it does itself and from a scan, made when it first keeps a
    page and again after every eighth of the capacity. It never passes the capacity by itself; several processes that
    fill a store at the same time can, by what the others have added since its last scan.
    """

    name = "disk"

    @define(frozen=True)
    class Settings:
        """Settings of the page store on disk.

        Parameters
        ----------
        path:
            One folder or several, over which files are spread. They are made when the first page is kept, for their
            owner only; one that is there must belong to the user, and nobody else may write to it. Without one:
            ``alluxiofs/pages`` in the user's cache folder.
        capacity:
            Bytes of disk that all folders together may take. Without one: 10 GB, or a tenth of what is free when the
            store is first used, if that is less.
        """

        path: Tuple[str, ...] = field(default=(), converter=_paths)
        capacity: Optional[Size] = None

    def __init__(self, settings: Any, context: Context, page_size: int) -> None:
        super().__init__(settings, context, page_size)
        if sys.platform == "win32":
            raise ConfigurationError("page store 'disk' needs Linux or macOS; use page_store='memory'")
        paths = [os.path.abspath(os.path.expanduser(path)) for path in settings.path or (default_folder(),)]
        self._folders = [PageFolder(path) for path in dict.fromkeys(paths)]
        self._claims = Claims()
        self._hits = Tally()
        self._misses = Tally()
        # As in the memory store: a hit takes no lock. `_lock` guards the index and the counters below; a lock of
        # `_opening` lets one thread at a time open and verify a page; `_scanning` lets one thread scan.
        self._lock = threading.Lock()
        self._opening = [threading.Lock() for _ in range(_LOCKS)]
        self._scanning = threading.Lock()
        self._index = DiskIndex()
        self._evictions = 0
        self._corrupt = 0
        self._scan: Optional[Iterator[Tuple[PageFolder, Found]]] = None
        self._scanned = False

    @functools.cached_property
    def capacity(self) -> int:
        """Bytes of disk that the store may take."""
        if self.settings.capacity is not None:
            return int(self.settings.capacity)
        return min(_DEFAULT_CAPACITY, free_bytes(folder.path for folder in self._folders) // _SHARE_OF_FREE)

    @functools.cached_property
    def _open_files(self) -> OpenFiles:
        return OpenFiles(open_file_limit(self.capacity, self.page_size))

    def file(self, key: bytes, length: int) -> KeptFile:
        self._folder_of(check_key(key)).check()
        return _DiskFile(self, key, length)

    def forget(self, key: bytes) -> None:
        folder = self._folder_of(check_key(key))
        folder.check()
        with failures(folder.path):
            self._remove_all(folder, folder.scan_key(key))
        with self._lock:
            self._drop_gone(self._index.of_file(key))

    def clear(self) -> None:
        for folder in self._folders:
            folder.check()
            with failures(folder.path):
                self._remove_all(folder, folder.scan())
                folder.sweep()
        with self._lock:
            self._drop_gone(list(self._index.all_pages()))

    def counters(self) -> Dict[str, int]:
        """As for every page store, and ``corrupt``: pages found broken. ``pages`` and ``bytes`` are what this process
        knows of: all there is once it has kept a page."""
        capacity = self.capacity
        with self._lock:
            return {
                "hits": self._hits.value(),
                "misses": self._misses.value(),
                "evictions": self._evictions,
                "pages": self._index.pages,
                "bytes": self._index.bytes,
                "capacity": capacity,
                "corrupt": self._corrupt,
            }

    def describe(self) -> Dict[str, Any]:
        return {"path": [folder.path for folder in self._folders], "capacity": self.capacity}

    def close(self) -> None:
        self._open_files.close()

    # --- for the kept files -------------------------------------------------------------------------------------

    def _folder_of(self, key: bytes) -> PageFolder:
        return self._folders[key[-1] % len(self._folders)]

    def _open(self, key: bytes, index: int, length: int, view: Optional[memoryview] = None) -> Optional[_Opened]:
        """Open a page that is not open, verified. ``view``, if given, is for the whole page; the third of what is
        returned says whether it was filled on the way."""
        folder = self._folder_of(key)
        with self._opening[hash((key, index)) % _LOCKS], failures(folder.path):
            page = self._index.get(key, index)
            handle = None if page is None else page.handle
            if page is not None and handle is not None:
                return page, handle, False
            try:
                handle = Handle(folder.open(key, index))
            except OSError as error:
                if not is_gone(error):
                    raise
                self._lost(page)
                return None
            status = os.fstat(handle.fd)
            known = page is not None and page.verified == _identity(status)
            if not known and not (
                stat.S_ISREG(status.st_mode)
                and status.st_size == HEADER_BYTES + length
                and read_verified(handle.fd, key, index, length, view)
            ):
                self._broken(folder, key, index)
                return None
            with self._lock:
                if page is None or not page.present:
                    if not os.fstat(handle.fd).st_nlink:  # removed by another thread meanwhile: count it no more
                        return None
                    page = self._index.see(folder, key, index, charge(status.st_size))
                page.verified = _identity(status)
            self._open_files.hold(page, handle)
        if self._index.bytes > self.capacity:  # some of it is gone already: others have removed it
            self._survey()
        return page, handle, view is not None and not known

    def _keep(self, key: bytes, index: int, length: int, page: memoryview) -> None:
        folder = self._folder_of(key)
        folder.check()
        if not self._survey() or self._open(key, index, length) is not None:
            return
        size = charge(HEADER_BYTES + length)
        with failures(folder.path):
            with self._lock:
                if not self._make_room(folder, key, index, size):
                    return
                if not self._index.begin_writing(folder, key, index, size):
                    return
            written = False
            try:
                written = folder.write(key, index, page)
            finally:
                with self._lock:
                    self._remove_folders(folder, self._index.end_writing(folder, key, index, written))

    def _broken(self, folder: PageFolder, key: bytes, index: int) -> None:
        """A file in the place of a page is not that page."""
        removed = folder.remove(key, index)
        with self._lock:
            level = logging.DEBUG if self._corrupt else logging.WARNING  # a broken disk has many
            self._corrupt += 1
            page = self._index.get(key, index)
            if page is not None:
                self._remove_folders(folder, self._index.drop(page))
        what = "removed" if removed else "left where it is, for it does not look like one of ours"
        self.context.logger.log(level, "a broken page was %s: %s", what, folder.path_of(key, index))

    def _lost(self, page: Optional[DiskPage]) -> None:
        """A page that was there is not: another process has removed it."""
        if page is not None:
            with self._lock:
                self._index.drop(page)

    # --- room ---------------------------------------------------------------------------------------------------

    def _make_room(self, folder: PageFolder, key: bytes, index: int, size: int) -> bool:
        """Evict until a page can be added; ``False`` if it never can, or only when others have ended their writing."""
        if self._index.most_needed(folder, key, index, size) > self.capacity:
            return False
        while self._index.bytes + self._index.needed(folder, key, index, size) > self.capacity:
            page = self._index.oldest()
            if page is None:
                return False
            self._evictions += self._remove(page)
        return True

    def _remove(self, page: DiskPage) -> bool:
        """Remove a page from disk and index. ``False`` if the file turned out to be nothing of ours, and stays."""
        if page.verified is None:
            removed = page.folder.remove(page.key, page.index)
        else:
            removed = True
            page.folder.remove_written(page.key, page.index)
        self._remove_folders(page.folder, self._index.drop(page))
        return removed

    def _remove_all(self, folder: PageFolder, scan: Iterator[Found]) -> None:
        for found in scan:
            with self._lock:
                page = self._see(folder, found)
                if page is not None:
                    self._remove(page)

    def _see(self, folder: PageFolder, found: Found) -> Optional[DiskPage]:
        """Count what a scan came by, unless it is gone by now: under the lock this process removes nothing."""
        if self._index.get(found.key, found.index) is None and folder.size_of(found.key, found.index) is None:
            return None
        return self._index.see(folder, found.key, found.index, charge(found.size), found.used)

    def _drop_gone(self, pages: Iterable[DiskPage]) -> None:
        """Drop from the index what other processes have removed."""
        for page in pages:
            if page.folder.size_of(page.key, page.index) is None:
                self._index.drop(page)

    @staticmethod
    def _remove_folders(folder: PageFolder, emptied: List[str]) -> None:
        for path in emptied:
            folder.remove_folder(path)

    def _survey(self) -> bool:
        """Scan the folders for a while if it is time to. Returns whether a scan was ever finished: until then nobody
        knows how much room there is, and nothing is kept."""
        if not self._is_survey_due():
            return True
        if not self._scanning.acquire(blocking=not self._scanned):
            return True
        try:
            if not self._is_survey_due():
                return True  # somebody else has just ended it
            if self._scan is None:
                self._scan = self._begin_scan()
            end = time.monotonic() + _SCAN_SLICE
            for folder, found in self._scan:
                with self._lock:
                    self._see(folder, found)
                if time.monotonic() > end:
                    return self._scanned
            with self._lock:
                self._index.drop_unseen()
            self._scan = None
            self._scanned = True
        except OSError as error:
            self._scan = None  # the next one begins anew
            raise failure(error, self._folders[0].path) from error
        finally:
            self._scanning.release()
        return True

    def _is_survey_due(self) -> bool:
        if not self._scanned or self._scan is not None:
            return True
        return self._index.added > self.capacity // _SCANS_PER_CAPACITY

    def _begin_scan(self) -> Iterator[Tuple[PageFolder, Found]]:
        with self._lock:
            self._index.begin_scan()
        for folder in self._folders:
            folder.sweep()
        return ((folder, found) for folder in self._folders for found in folder.scan())


class _DiskFile(ClaimingFile):
    def __init__(self, store: DiskPageStore, key: bytes, length: int) -> None:
        super().__init__(key, length, store.page_size, store._claims)
        self._store = store
        self._hit = store._hits.tick
        self._miss = store._misses.tick
        self._pages: Dict[int, DiskPage] = {}  # as it was last seen; see DiskIndex

    def read(
        self,
        index: int,
        start: int,
        stop: int,
        # Bound here, for this is the hot path: a local name costs less than two global ones.
        _pread: Callable[[int, int, int], bytes] = getattr(os, "pread", None),  # type: ignore[assignment]
        _now: Callable[[], int] = time.time_ns,
    ) -> Optional[bytes]:
        page = self._pages.get(index)
        handle = None if page is None else page.handle
        if page is None or handle is None:
            opened = self._open(index)
            if opened is None:
                self._miss()
                return None
            page, handle, _ = opened
        try:
            data = _pread(handle.fd, stop - start, HEADER_BYTES + start)
        except OSError as error:
            raise failure(error, page.folder.path) from error
        if len(data) != stop - start:
            self._broken(index)
            return None
        page.used = _now()
        self._hit()
        return data

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        page = self._pages.get(index)
        handle = None if page is None else page.handle
        filled = False
        if page is None or handle is None:
            whole = start == 0 and len(view) == self.page_length(index)
            opened = self._open(index, view if whole else None)
            if opened is None:
                self._miss()
                return False
            page, handle, filled = opened
        try:
            if not filled and not read_fully(handle.fd, HEADER_BYTES + start, view):
                self._broken(index)
                return False
        except OSError as error:
            raise failure(error, page.folder.path) from error
        page.used = time.time_ns()
        self._hit()
        return True

    def has(self, index: int) -> bool:
        page = self._store._index.get(self.key, index)
        if page is not None and page.handle is not None:
            return True
        length = self.page_length(index)
        return length > 0 and self._store._folder_of(self.key).size_of(self.key, index) == HEADER_BYTES + length

    def keep(self, index: int, page: memoryview) -> None:
        self._check_page(index, page)
        self._store._keep(self.key, index, self.page_length(index), page)

    def _open(self, index: int, view: Optional[memoryview] = None) -> Optional[_Opened]:
        length = self.page_length(index)
        if index < 0 or length <= 0:
            return None
        opened = self._store._open(self.key, index, length, view)
        self._pages = self._store._index.files.get(self.key, self._pages)
        return opened

    def _broken(self, index: int) -> None:
        """A page has become shorter since it was opened."""
        self._store._broken(self._store._folder_of(self.key), self.key, index)
        self._miss()


def _identity(status: os.stat_result) -> int:
    """A number that is another one once the file was replaced or written to."""
    return hash((status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))
