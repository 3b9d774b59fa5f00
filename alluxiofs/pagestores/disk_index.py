"""What a process knows of the pages on disk: which there are, what they take, which was used least recently."""

from __future__ import annotations

import time
from typing import Dict, Iterator, List, Optional, Tuple

from alluxiofs.pagestores.page_file import Handle
from alluxiofs.pagestores.page_folder import PageFolder
from alluxiofs.pagestores.recency import Recency

__all__ = ["DiskIndex", "DiskPage", "charge"]

_BLOCK = 4096  # what nearly every file system gives out at least; a folder takes one too


def charge(file_size: int) -> int:
    """Bytes of disk that a file of a page takes."""
    return -(-file_size // _BLOCK) * _BLOCK


class DiskPage:
    """A page that is, or lately was, on disk.

    Attributes
    ----------
    folder, key, index:
        Where.
    size:
        Bytes of disk.
    used:
        Nanoseconds since the epoch: comparable with what the file system says of pages that others used.
    seen:
        The last scan that came by it.
    verified:
        Stands for the file whose checksum this process has verified; ``None`` for none.
    handle:
        The open file; ``None`` if it is not open.
    present:
        Whether it is in the index.
    """

    __slots__ = ("folder", "handle", "index", "key", "present", "seen", "size", "used", "verified")

    def __init__(self, folder: PageFolder, key: bytes, index: int, size: int, used: int, seen: int) -> None:
        self.folder = folder
        self.key = key
        self.index = index
        self.size = size
        self.used = used
        self.seen = seen
        self.verified: Optional[int] = None
        self.handle: Optional[Handle] = None
        self.present = True


class DiskIndex:
    """The pages that are known, and the bytes they take with their folders. Called under the store's lock.

    A read looks into the dict of its file without the lock. Such a dict is dropped when it is empty and never filled
    again, so whoever still has it finds nothing there and asks for its successor.

    Attributes
    ----------
    bytes, pages:
        What there is, pages that are being written included in the bytes.
    added:
        Bytes of pages that were added since the last scan began.
    generation:
        Which scan that is.
    """

    def __init__(self) -> None:
        self.files: Dict[bytes, Dict[int, DiskPage]] = {}
        self.bytes = 0
        self.pages = 0
        self.added = 0
        self.generation = 0
        self._writing: Dict[Tuple[bytes, int], int] = {}
        self._folders: Dict[str, int] = {}
        self._order: Recency[DiskPage] = Recency(self.all_pages, lambda page: page.present)

    def get(self, key: bytes, index: int) -> Optional[DiskPage]:
        """A page, if it is known."""
        return self.files.get(key, {}).get(index)

    def of_file(self, key: bytes) -> List[DiskPage]:
        """All known pages of a file."""
        return list(self.files.get(key, {}).values())

    def begin_writing(self, folder: PageFolder, key: bytes, index: int, size: int) -> bool:
        """Count the bytes of a page that will be written. ``False`` if another thread is writing it."""
        if (key, index) in self._writing:
            return False
        self._writing[key, index] = size
        self._count(folder, key, index, size)
        return True

    def end_writing(self, folder: PageFolder, key: bytes, index: int, written: bool) -> List[str]:
        """Have the page among the others, or count its bytes no more. Returns the folders that are empty now."""
        size = self._writing.pop((key, index), None)
        if size is None:  # it was seen already, with the bytes counted for it
            return []
        if written:
            self._add(folder, key, index, size, time.time_ns())
            return []
        return self._discount(folder, key, index, size)

    def needed(self, folder: PageFolder, key: bytes, index: int, size: int) -> int:
        """What a page would add to the bytes."""
        missing = 0
        for path in folder.folders_above(folder.folder_of(key, index)):
            if path in self._folders:
                break
            missing += 1
        return size + missing * _BLOCK

    @staticmethod
    def most_needed(folder: PageFolder, key: bytes, index: int, size: int) -> int:
        """What a page would add to the bytes of an empty store."""
        return size + _BLOCK * len(list(folder.folders_above(folder.folder_of(key, index))))

    def see(self, folder: PageFolder, key: bytes, index: int, size: int, used: Optional[int] = None) -> DiskPage:
        """A page that is there: known already, or counted from now on. ``used`` is the present if it is not given."""
        page = self.get(key, index)
        if page is not None:
            page.seen = self.generation
            return page
        counted = self._writing.pop((key, index), None)
        if counted is None:
            self._count(folder, key, index, size)
        return self._add(folder, key, index, size if counted is None else counted, used or time.time_ns())

    def drop(self, page: DiskPage) -> List[str]:
        """A page that is there no more. Returns the folders that are empty now, the innermost first."""
        if not page.present:
            return []
        page.present = False
        page.handle = None
        pages = self.files[page.key]
        del pages[page.index]
        if not pages:
            del self.files[page.key]
        self.pages -= 1
        self._order.removed(1)
        return self._discount(page.folder, page.key, page.index, page.size)

    def begin_scan(self) -> None:
        """From now on pages are seen anew."""
        self.generation += 1
        self.added = 0

    def drop_unseen(self) -> None:
        """All that the scan which is at its end has not come by: others have removed it."""
        for page in [page for page in self.all_pages() if page.seen != self.generation]:
            self.drop(page)

    def oldest(self) -> Optional[DiskPage]:
        """The page to evict next; the caller drops it."""
        return self._order.oldest()

    def all_pages(self) -> Iterator[DiskPage]:
        """All that are known."""
        for pages in self.files.values():
            yield from pages.values()

    def _add(self, folder: PageFolder, key: bytes, index: int, size: int, used: int) -> DiskPage:
        page = DiskPage(folder, key, index, size, used, self.generation)
        self.files.setdefault(key, {})[index] = page
        self.pages += 1
        self.added += size
        return page

    def _count(self, folder: PageFolder, key: bytes, index: int, size: int) -> None:
        """Count a page's bytes, and its folders' if it is the first in them."""
        self.bytes += size
        for path in folder.folders_above(folder.folder_of(key, index)):
            within = self._folders.get(path, 0)
            self._folders[path] = within + 1
            if within:
                return
            self.bytes += _BLOCK

    def _discount(self, folder: PageFolder, key: bytes, index: int, size: int) -> List[str]:
        """Count them no more. Returns the folders that are empty now, the innermost first."""
        self.bytes -= size
        emptied = []
        for path in folder.folders_above(folder.folder_of(key, index)):
            within = self._folders.pop(path) - 1
            if within:
                self._folders[path] = within
                break
            self.bytes -= _BLOCK
            emptied.append(path)
        return emptied
