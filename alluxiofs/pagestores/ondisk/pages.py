"""The pages of one folder: finding, keeping and dropping them."""

from __future__ import annotations

import errno
import time
from typing import Callable, Dict, List, Optional, Type

import xxhash

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.eviction import Eviction
from alluxiofs.pagestores.failures import failures
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.claims import SharedClaims
from alluxiofs.pagestores.ondisk.folder import Files, Folder
from alluxiofs.pagestores.ondisk.found import Found, read_fully
from alluxiofs.pagestores.ondisk.layout import Descriptor, Word
from alluxiofs.pagestores.ondisk.section import Section
from alluxiofs.pagestores.ondisk.space import Space, recount

__all__ = ["Pages"]

_CHUNK = 256 * 1024
_SEARCH = 8 * 2**20  # bytes of an index that are searched before other threads get their turn


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
        self.claims = SharedClaims(self.folder)

    # --- finding ------------------------------------------------------------------------------------------------

    def find(self, key: bytes, index: int, length: int) -> Optional[Found]:
        """A page, not verified; ``None`` if it is not kept."""
        with failures(self.path):
            files = self.folder.files()
            return None if files is None else self._find(files, key, index, length)

    @staticmethod
    def _find(files: Files, key: bytes, index: int, length: int) -> Optional[Found]:
        size_class = layout.class_of(length)
        for cell in files.hints.find(layout.page_hash(key, index), size_class):
            cells = files.cells(size_class)
            found = None if cells is None else cells.descriptor(cell)
            if (
                cells is not None
                and found is not None
                and found.is_published
                and (found.key, found.index, found.length) == (key, index, length)
            ):
                return Found(cells, cell, found)
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

    # --- keeping ------------------------------------------------------------------------------------------------

    def keep(self, key: bytes, index: int, page: memoryview) -> None:
        """Keep a page, unless it is there or there can be no room for it."""
        length = len(page)
        size_class = layout.class_of(length)
        if size_class >= layout.CLASSES:
            return
        checksum = xxhash.xxh3_64_intdigest(page)
        with self.folder.section(create=True) as opened:
            if opened is None or self._find(opened[0], key, index, length) is not None:
                return
            files, section = opened
            cell = self.space.allocate(files, section, size_class)
            cells = files.cells(size_class)
            if cell is None or cells is None:
                return
            pending = self.space.reserve(files, section, cells, cell)
        try:
            try:
                with failures(self.path):
                    cells.write(cell, page)
            except BaseException:
                self._give_up(files, cells, cell, pending)
                raise
            self._publish(files, cells, cell, Descriptor(pending, key, index, length, checksum, 0))
        finally:
            self.space.writing.discard((size_class, cell))

    def _publish(self, files: Files, cells: Cells, cell: int, page: Descriptor) -> None:
        with self.folder.section() as opened:
            if opened is None or opened[0] is not files or cells.word(cell) != page.word:
                raise PageStoreError(errno.ESTALE, "page store: the folder was replaced", self.path)
            _, section = opened
            if self._find(files, page.key, page.index, page.length) is not None:
                self.space.release(files, section, cells, cell)  # another process was faster
                return
            sequence = files.control.next_sequence(section)
            word = Word.make(sequence, Word.PUBLISHED)
            files.hints.add(section, layout.page_hash(page.key, page.index), cells.size_class, cell, files.hash_of)
            use = sequence << layout.USE_SHIFT
            cells.put(section, cell, Descriptor(word, page.key, page.index, page.length, page.checksum, use))
            self.space.count_page(files, section, cells)

    def _give_up(self, files: Files, cells: Cells, cell: int, pending: int) -> None:
        try:
            with self.folder.section() as opened:
                if opened is not None and opened[0] is files and cells.word(cell) == pending:
                    self.space.release(files, opened[1], cells, cell)
        except PageStoreError:
            pass  # nobody writes it now, so it goes like a page that was never used

    # --- dropping -----------------------------------------------------------------------------------------------

    def drop(self, found: Found) -> None:
        """Drop a page, if it is still that one."""
        with self.folder.section() as opened:
            if opened is not None:
                self._drop(opened[0], opened[1], found.cells, {found.cell: found.word})

    def forget(self, key: bytes) -> None:
        """Drop all pages of a file version."""
        with failures(self.path):
            files = self.folder.files()
            if files is None:
                return
            for size_class, number, *_ in files.control.records():
                cells = files.cells(size_class)
                if cells is None or not number:
                    continue
                cells.is_described(number - 1)
                found = {cell: cells.word(cell) for cell in _cells_of(cells, key)}
                if found:
                    with self.folder.section() as opened:
                        if opened is not None and opened[0] is files:
                            self._drop(files, opened[1], cells, found)

    def _drop(self, files: Files, section: Section, cells: Cells, words: Dict[int, int]) -> None:
        for cell, word in words.items():
            if cells.word(cell) == word and word & Word.STATES & Word.PUBLISHED:
                self.space.release(files, section, cells, cell)

    def clear(self) -> None:
        """Drop all pages."""
        with self.folder.section() as opened:
            if opened is not None:
                self.space.clear(*opened)

    def counts(self) -> tuple[int, int]:
        """Pages, and their bytes."""
        try:
            files = self.folder.files()
        except OSError:
            return 0, 0  # reading and keeping say what is wrong
        return (0, 0) if files is None else files.control.pages_and_bytes()


def _cells_of(cells: Cells, key: bytes) -> List[int]:
    """The cells whose descriptors have a key."""
    found: List[int] = []
    raw = cells.index.raw
    for begin in range(0, len(raw), _SEARCH):
        if begin:
            time.sleep(0)
        at = raw.find(key, begin, begin + _SEARCH + len(key))
        while at >= 0:
            if at % layout.DESCRIPTOR_BYTES == 8 and at > layout.DESCRIPTOR_BYTES:
                found.append(at // layout.DESCRIPTOR_BYTES - 1)
            at = raw.find(key, at + 1, begin + _SEARCH + len(key))
    return found
