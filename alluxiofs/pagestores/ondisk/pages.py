"""The pages and notes of one folder: finding, dropping, pinning and verifying them."""

from __future__ import annotations

import errno
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Type

from attrs import frozen

from alluxiofs.errors import PageStoreError
from alluxiofs.interfaces import KeptPage
from alluxiofs.pagestores.eviction import Eviction
from alluxiofs.pagestores.failures import failure, failures
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.allowance import Allowance
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.claims import SharedClaims
from alluxiofs.pagestores.ondisk.counting import recount
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.folder import Folder
from alluxiofs.pagestores.ondisk.found import Found, whole_of_any_size
from alluxiofs.pagestores.ondisk.keeping import Keeping
from alluxiofs.pagestores.ondisk.layout import NOTE, PINNED, Word
from alluxiofs.pagestores.ondisk.places import Place, Shape, everywhere, places_by_hints, places_by_search
from alluxiofs.pagestores.ondisk.section import Section
from alluxiofs.pagestores.ondisk.space import Space

__all__ = ["Hooks", "Pages"]

_ATTEMPTS = 3
_AT_ONCE = 256  # cells that are changed before others get the lock

_Change = Callable[[Files, Section, Cells, int], None]


@frozen
class Hooks:
    """What the pages of a folder need of their process.

    Parameters
    ----------
    used_here:
        See :class:`~alluxiofs.pagestores.ondisk.space.Space`.
    lost:
        See :class:`~alluxiofs.pagestores.ondisk.folder.Folder`.
    tell:
        ``tell(path, words)``: something that people should know of the store there.
    """

    used_here: Callable[[bytes, int], int]
    lost: Callable[[], None]
    tell: Callable[[str, str], None]


class Pages:
    """The pages of one folder.

    Parameters
    ----------
    path, policy:
        As in the settings.
    capacity, default:
        See :class:`~alluxiofs.pagestores.ondisk.allowance.Allowance`.
    hooks:
        What is to be told of, and what only the process knows.
    """

    def __init__(
        self, path: str, capacity: Optional[int], default: Callable[[], int], policy: Type[Eviction], hooks: Hooks
    ) -> None:
        self.path = path
        self._tell = hooks.tell
        self.folder = Folder(path, self._recount, hooks.lost)
        allowance = Allowance(capacity, default, lambda words: hooks.tell(path, words))
        self.space = Space(allowance, policy, hooks.used_here)
        self.keeping = Keeping(self.folder, self.space)
        self.claims = SharedClaims(self.folder)

    def _recount(self, files: Files, section: Section, whole: bool) -> None:
        if not whole:
            self._tell(self.path, "what is noted of it in the file 'control' was broken, and is counted anew")
        recount(files, section, whole)

    def capacity(self) -> int:
        """Bytes of disk that the folder may take."""
        try:
            return self.space.allowance.size(self.folder.files())
        except OSError:
            return self.space.allowance.size(None)  # reading and keeping say what is wrong

    def named_capacity(self) -> Optional[int]:
        """The same, if a program has named it."""
        try:
            files = self.folder.files()
        except OSError:
            return None  # reading and keeping say what is wrong
        there = None if files is None else files.control.capacity
        return there.size if there is not None and there.named else None

    # --- finding ------------------------------------------------------------------------------------------------

    def find(self, key: bytes, index: int, length: int) -> Optional[Found]:
        """A page, not verified; ``None`` if it is not kept."""
        opened = self.folder.opened()
        try:
            found = None if opened is None else opened.find(key, index, length)
            if found is None:
                files = self.folder.files()
                found = None if files is None or files is opened else files.find(key, index, length)
        except OSError as error:  # entering a block of `failures` would take as long as finding
            raise failure(error, self.path) from error
        return found

    def find_all(self, key: bytes, pages: List[Tuple[int, int]]) -> Dict[int, Found]:
        """Pages of one file, given as index and length, by their indices: those that are kept, not verified."""
        with failures(self.path):
            files = self.folder.files()
            if files is None:
                return {}
            # One look for all: parts of pages are asked for wherever large pages are, and there may be none at all.
            empty = {length for length in dict(pages).values() if files.control.is_empty(layout.class_of(length))}
            found = {index: files.find(key, index, length) for index, length in pages if length not in empty}
        return {index: page for index, page in found.items() if page is not None}

    def find_note(self, key: bytes) -> Optional[Found]:
        """A note, not verified; ``None`` if there is none."""
        opened = self.folder.opened()
        if opened is not None:
            if opened.lacks_note(key):
                return None
            found = opened.find_note(key)
            if found is not None:
                return found
        files = self.folder.files()
        return None if files is None or files is opened else files.find_note(key)

    def is_fresh_since_boot(self, found: Found) -> bool:
        """Whether a page came since the machine started."""
        files = self.folder.files()
        return files is not None and files.control.is_written_since_boot(found.word)

    def tell_uses(self, told: List[Found]) -> None:
        """Tell the other processes that pages were used. That it cannot be told is no failure of a read."""
        section = Section()
        try:
            self.folder.files()  # lets go of a folder that was removed, which hits do not notice
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
        def drop(files: Files, section: Section) -> bool:
            if cells.word(cell) != word or not word & Word.STATES & Word.PUBLISHED:
                return False
            self.space.release(files, section, cells, cell)
            return True

        return bool(self.folder.change(drop))

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

    def _change_each(self, key: bytes, shape: Optional[Shape], change: _Change) -> None:
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
                    all_there = self._change_some(files, places[begin : begin + _AT_ONCE], change)
                    if all_there is None:
                        return
                    moved = moved or not all_there
                if not moved:
                    break

    def _change_some(self, files: Files, places: List[Place], change: _Change) -> Optional[bool]:
        """Do something to cells, at once; whether what was in them was still there. ``None`` if the store is another
        one now."""

        def work(now: Files, section: Section) -> Optional[bool]:
            if now is not files:
                return None
            all_there = True
            for cells, cell, word in places:
                if cells.word(cell) != word:
                    all_there = False  # it moved, or went
                elif word & Word.STATES & Word.PUBLISHED:
                    change(files, section, cells, cell)
            return all_there

        return self.folder.change(work)

    def clear(self) -> None:
        """Drop all pages and notes. A store that is broken is replaced."""
        try:
            self.folder.change(self.space.clear)
        except PageStoreError as error:
            if error.errno != errno.EINVAL:
                raise
            self.folder.replace()

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

    @staticmethod
    def _is_whole(found: Found) -> Optional[bool]:
        """Whether a page's bytes are those that were kept. ``None``: it went while it was read."""
        try:
            whole = whole_of_any_size(found)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            whole = False
        return whole if found.words[found.at] == found.word else None

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
                    whole = self._is_whole(Found(cells, cell, found))
                if whole:
                    right += found is not None and found.index != NOTE
                elif whole is False and self._drop(cells, cell, word):
                    broken += 1
        return right, broken
