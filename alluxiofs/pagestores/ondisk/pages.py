"""The pages and notes of one folder: finding, dropping, pinning and verifying them."""

from __future__ import annotations

from typing import Callable, Iterable, Iterator, List, Optional, Tuple, Type

import xxhash

from alluxiofs.interfaces import KeptPage
from alluxiofs.pagestores.eviction import Eviction
from alluxiofs.pagestores.failures import failures
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.claims import SharedClaims
from alluxiofs.pagestores.ondisk.folder import Files, Folder
from alluxiofs.pagestores.ondisk.found import Found, read_fully
from alluxiofs.pagestores.ondisk.keeping import Keeping
from alluxiofs.pagestores.ondisk.layout import NOTE, PINNED, Word
from alluxiofs.pagestores.ondisk.places import Shape, everywhere, places_by_hints, places_by_search
from alluxiofs.pagestores.ondisk.section import Section
from alluxiofs.pagestores.ondisk.space import Space, recount

__all__ = ["Pages"]

_CHUNK = 256 * 1024
_ATTEMPTS = 3
_AT_ONCE = 256  # cells that are changed before others get the lock


class Pages:
    """The pages of one folder.

    Parameters
    ----------
    path, capacity, policy:
        As in the settings.
    used_here:
        See :class:`~alluxiofs.pagestores.ondisk.space.Space`.
    lost:
        See :class:`~alluxiofs.pagestores.ondisk.folder.Folder`.
    """

    def __init__(
        self,
        path: str,
        capacity: int,
        policy: Type[Eviction],
        used_here: Callable[[bytes, int], int],
        lost: Callable[[], None],
    ) -> None:
        self.path = path
        self.folder = Folder(path, recount, lost)
        self.space = Space(capacity, policy, used_here)
        self.keeping = Keeping(self.folder, self.space)
        self.claims = SharedClaims(self.folder)

    # --- finding ------------------------------------------------------------------------------------------------

    def find(self, key: bytes, index: int, length: int) -> Optional[Found]:
        """A page, not verified; ``None`` if it is not kept."""
        with failures(self.path):
            files = self.folder.files()
            return None if files is None else files.find(key, index, length)

    def find_note(self, key: bytes) -> Optional[Found]:
        """A note, not verified; ``None`` if there is none."""
        files = self.folder.files()
        if files is None:
            return None
        page_hash = layout.page_hash(key, NOTE)
        for _ in range(_ATTEMPTS):
            places = files.hints.find_any(page_hash)
            notes = files.notes_at(key, places)
            if notes:
                return Found(*notes[0])
            if not places:
                break  # else it may have been replaced just now
        return None

    def is_fresh_since_boot(self, found: Found) -> bool:
        """Whether a page came since the machine started."""
        files = self.folder.files()
        return files is not None and files.control.is_written_since_boot(found.word)

    def is_whole(self, found: Found, view: Optional[memoryview] = None) -> Optional[bool]:
        """Whether a page's bytes are those that were kept, read into ``view`` if there is one, which is as long as
        the page. ``None``: it went while it was read."""
        with failures(self.path):
            if view is not None:
                whole = read_fully(found.fd, found.base, view)
                whole = whole and xxhash.xxh3_64_intdigest(view) == found.checksum
            else:
                whole = self._matches(found)
            return whole if found.words[found.at] == found.word else None

    @staticmethod
    def _matches(found: Found) -> bool:
        digest = xxhash.xxh3_64()
        left, chunk = found.length, memoryview(bytearray(min(found.length, _CHUNK)))
        while left:
            part = chunk[: min(left, _CHUNK)]
            if not read_fully(found.fd, found.base + found.length - left, part):
                return False
            digest.update(part)
            left -= len(part)
        return bool(digest.intdigest() == found.checksum)

    def tell_uses(self, told: List[Found]) -> None:
        """Tell the other processes that pages were used. That it cannot be told is no failure of a read."""
        section = Section()
        try:
            for found in told:
                use = found.words[found.at + layout.USE_WORD]
                count = min((use & layout.USE_COUNT) + 1, layout.USE_COUNT)
                # One word, and nothing goes by it but the order of eviction: no lock for it.
                found.cells.put_use(section, found.cell, found.used // 1000 << layout.USE_SHIFT | count)
        except OSError:
            pass
        finally:
            section.close()

    # --- dropping -----------------------------------------------------------------------------------------------

    def drop(self, found: Found) -> None:
        """Drop a page, if it is still that one."""
        self._drop(found.cells, found.cell, found.word)

    def _drop(self, cells: Cells, cell: int, word: int) -> bool:
        with self.folder.section() as opened:
            if opened is None or cells.word(cell) != word or not word & Word.STATES & Word.PUBLISHED:
                return False
            self.space.release(*opened, cells, cell)
            return True

    def drop_notes(self, keys: Iterable[bytes]) -> None:
        """Drop what is noted under these keys."""
        with failures(self.path):
            files = self.folder.files()
            noted = [] if files is None else [key for key in keys if files.notes(key)]
            for begin in range(0, len(noted), _AT_ONCE):
                self.keeping.drop_notes(noted[begin : begin + _AT_ONCE])

    def forget(self, key: bytes, shape: Optional[Shape] = None) -> None:
        """Drop all that is kept of a file version. Where its length and page size are known, its pages need not be
        searched for."""
        self._change_each(key, shape, self.space.release)

    def pin(self, key: bytes, pinned: bool, shape: Optional[Shape] = None) -> int:
        """Have what is kept of a file version stay, or not any more; how many pages these are."""
        pages = set()

        def change(files: Files, section: Section, cells: Cells, cell: int) -> None:
            found = cells.descriptor(cell)
            if found is not None and found.key == key:
                if found.is_pinned is not pinned:
                    cells.put_flags(section, cell, found, PINNED if pinned else 0)
                    files.control.count(cells.size_class, 0, pinned=1 if pinned else -1)
                pages.add(found.index)

        self._change_each(key, shape, change)
        return len(pages - {NOTE})

    def _change_each(
        self, key: bytes, shape: Optional[Shape], change: Callable[[Files, Section, Cells, int], None]
    ) -> None:
        """Do something to each cell with what is kept of a file version, under the lock."""
        with failures(self.path):
            files = self.folder.files()
            if files is None:
                return
            for _ in range(_ATTEMPTS):
                places = places_by_hints(files, key, *shape) if shape is not None else None
                places = places_by_search(files, key) if places is None else places
                moved = False
                for begin in range(0, len(places), _AT_ONCE):
                    with self.folder.section() as opened:
                        if opened is None or opened[0] is not files:
                            return
                        for cells, cell, word in places[begin : begin + _AT_ONCE]:
                            if cells.word(cell) != word:
                                moved = True  # or gone
                            elif word & Word.STATES & Word.PUBLISHED:
                                change(files, opened[1], cells, cell)
                if not moved:
                    break

    def clear(self) -> None:
        """Drop all pages and notes."""
        with self.folder.section() as opened:
            if opened is not None:
                self.space.clear(*opened)

    def counts(self) -> Tuple[int, int]:
        """Pages; the bytes of all that is kept."""
        try:
            files = self.folder.files()
        except OSError:
            return 0, 0  # reading and keeping say what is wrong
        return (0, 0) if files is None else files.control.pages_and_bytes()

    # --- looking after it ---------------------------------------------------------------------------------------

    def list_pages(self) -> Iterator[KeptPage]:
        """All pages."""
        with failures(self.path):
            files = self.folder.files()
            for cells, cell, _ in () if files is None else everywhere(files):
                found = cells.descriptor(cell)
                if found is not None and found.is_published and found.index != NOTE:
                    yield KeptPage(found.key, found.index, found.length, found.is_pinned)

    def verify(self) -> Tuple[int, int]:
        """Read all there is; how many pages are right, and how much was broken, and dropped."""
        right = broken = 0
        with failures(self.path):
            files = self.folder.files()
            for cells, cell, word in () if files is None else everywhere(files):
                found = cells.descriptor(cell)
                whole: Optional[bool] = False
                if found is not None:
                    if found.word != word or found.length > cells.size:
                        continue  # it went meanwhile
                    whole = self.is_whole(Found(cells, cell, found))
                if whole:
                    right += found is not None and found.index != NOTE
                elif whole is False and self._drop(cells, cell, word):
                    broken += 1
        return right, broken
