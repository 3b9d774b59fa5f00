"""Keeping pages and notes: cells, bytes, hints and descriptors, in the order that survives whoever is killed."""

from __future__ import annotations

import errno
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import xxhash

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.failures import failure, failures
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.folder import Folder
from alluxiofs.pagestores.ondisk.layout import NOTE, PINNED, Descriptor, Word
from alluxiofs.pagestores.ondisk.section import Section
from alluxiofs.pagestores.ondisk.space import Space

__all__ = ["Keeping"]

# Copying 64 kB takes as long as having the lock once more; larger pages are written while others may have it.
_SMALL = 64 * 1024
_SMALL_AT_ONCE = 2**20
_LARGE_AT_ONCE = 16 * 2**20


class _Page(NamedTuple):
    """A page to be kept: its number, where it begins, and its checksum."""

    number: int
    start: int
    checksum: int


class Keeping:
    """Keeps what comes into one folder.

    Parameters
    ----------
    folder, space:
        Of the pages there.
    """

    def __init__(self, folder: Folder, space: Space) -> None:
        self._folder = folder
        self._space = space

    def keep(
        self, key: bytes, length: int, view: memoryview, starts: Dict[int, int], note: Optional[bytes] = None
    ) -> None:
        """Keep pages of one length, unless they are there or there can be no room for them.

        Parameters
        ----------
        key:
            Of the file version.
        length:
            Of each page.
        view:
            Holds the pages.
        starts:
            Where each page begins in ``view``, by its index.
        note:
            What is to be noted under the key as well: with small pages that takes the lock no further time.
        """
        if layout.class_of(length) >= layout.CLASSES:
            return
        small = length <= _SMALL
        at_once = max(1, (_SMALL_AT_ONCE if small else _LARGE_AT_ONCE) // length)
        indices = list(starts)
        for begin in range(0, len(indices), at_once):
            pages = [
                _Page(index, starts[index], xxhash.xxh3_64_intdigest(view[starts[index] : starts[index] + length]))
                for index in indices[begin : begin + at_once]
            ]
            if small:
                self._keep_small(key, length, view, pages, note)
                note = None
            else:
                self._keep_large(key, length, view, pages)
        if note is not None:
            self.put_note(key, note)

    # --- small pages: all under the lock ------------------------------------------------------------------------

    def _keep_small(self, key: bytes, length: int, view: memoryview, pages: List[_Page], note: Optional[bytes]) -> None:
        def work(files: Files, section: Section) -> Optional[OSError]:
            left = [page for page in pages if files.find(key, page.number, length) is None]
            while left:
                cells, taken = self._take(files, section, layout.class_of(length), len(left))
                batch, left = left[: len(taken)], left[len(taken) :]
                if not batch:
                    break
                problem = self._write(section, cells, taken, length, view, [page.start for page in batch])
                if problem is not None:
                    for cell in taken:
                        self._space.release(files, section, cells, cell)
                    return problem
                self._publish(files, section, cells, taken, key, length, batch)
            return None if note is None else self._note(files, section, key, note)

        self._change(work)

    def _change(self, work: Callable[[Files, Section], Optional[OSError]]) -> None:
        """Change something; what could not be written is raised when everything else is."""
        problem = self._folder.change(work, create=True)
        if problem is not None:
            raise failure(problem, self._folder.path) from problem

    def _take(self, files: Files, section: Section, size_class: int, number: int) -> Tuple[Cells, List[int]]:
        """One cell, and more where they cost no page; at most so many."""
        cell = self._space.allocate(files, section, size_class)
        cells = files.cells_to_fill(section, size_class)
        taken: Dict[int, None] = {}
        while cell is not None and cell not in taken:  # a list of free ones that is broken may lead round in a circle
            taken[cell] = None
            cell = self._space.unused(files, section, cells) if len(taken) < number else None
        return cells, sorted(taken)

    @staticmethod
    def _write(
        section: Section, cells: Cells, taken: List[int], length: int, view: memoryview, starts: List[int]
    ) -> Optional[OSError]:
        """Write pages into their cells: neighbours that fill theirs in one go."""
        each = ((number, number + 1) for number in range(len(taken)))
        try:
            for begin, end in _runs(taken, starts, length) if length == cells.size else each:
                cells.put_bytes(section, taken[begin], view[starts[begin] : starts[end - 1] + length])
        except OSError as error:
            return error
        return None

    @staticmethod
    def _publish(
        files: Files,
        section: Section,
        cells: Cells,
        taken: List[int],
        key: bytes,
        length: int,
        pages: List[_Page],
        flags: int = 0,
    ) -> None:
        """Say what is in cells: from now on it is found."""
        hashes = {cell: layout.page_hash(key, page.number) for cell, page in zip(taken, pages)}

        def hash_of(size_class: int, cell: int) -> Optional[int]:
            coming = hashes.get(cell) if size_class == cells.size_class else None
            return files.hash_of(size_class, cell) if coming is None else coming

        descriptors = []
        for cell, page in zip(taken, pages):
            files.hints.add(section, hashes[cell], cells.size_class, cell, hash_of)
            sequence = files.control.next_sequence(section)
            word, use = Word.make(sequence, Word.PUBLISHED), sequence << layout.USE_SHIFT
            descriptors.append(Descriptor(word, key, page.number, length, flags, page.checksum, use))
        for begin, end in _runs(taken, range(len(taken)), 1):
            cells.put(section, taken[begin], *descriptors[begin:end])
        files.control.count(cells.size_class, len(taken))

    # --- large pages: under the lock to get a cell, and to publish ------------------------------------------------

    def _keep_large(self, key: bytes, length: int, view: memoryview, pages: List[_Page]) -> None:
        while pages:
            reserved: Dict[int, int] = {}
            try:
                try:
                    pages = self._keep_some(key, length, view, pages, reserved)
                finally:
                    self._give_up(layout.class_of(length), reserved)
            finally:
                self._give_up(layout.class_of(length), reserved)  # again, if that was interrupted

    def _keep_some(
        self, key: bytes, length: int, view: memoryview, pages: List[_Page], reserved: Dict[int, int]
    ) -> List[_Page]:
        """Keep as many pages as there are cells for; those that are left. What is still ``reserved`` at the end is to
        be given up."""

        def reserve(files: Files, section: Section) -> Tuple[Files, List[_Page]]:
            missing = [page for page in pages if files.find(key, page.number, length) is None]
            for _ in missing:
                cell = self._space.allocate(files, section, layout.class_of(length))
                if cell is None:
                    break
                cells = files.cells_to_fill(section, layout.class_of(length))
                self._space.reserve(files, section, cells, cell, reserved)
            return files, missing

        begun = self._folder.change(reserve, create=True)
        if begun is None or not reserved:
            return []
        files, missing = begun
        cells = files.cells(layout.class_of(length))
        if cells is None:
            return []
        with failures(self._folder.path):
            # Page by page: 8 MiB as one write took twice the time of the processor.
            for cell, page in zip(reserved, missing):
                cells.write(cell, view[page.start : page.start + length])
        self._publish_reserved(files, cells, reserved, key, length, missing)
        left = missing[len(reserved) :]
        self._space.written(cells.size_class, reserved)
        reserved.clear()
        return left

    def _publish_reserved(
        self, files: Files, cells: Cells, reserved: Dict[int, int], key: bytes, length: int, pages: List[_Page]
    ) -> None:
        def publish(now: Files, section: Section) -> bool:
            coming = {}
            for (cell, pending), page in zip(reserved.items(), pages):
                if now is not files or cells.word(cell) != pending:
                    continue  # everything was dropped meanwhile
                if files.find(key, page.number, length) is not None:
                    self._space.release(files, section, cells, cell)  # another process was faster
                else:
                    coming[cell] = page
            if coming:
                self._publish(files, section, cells, list(coming), key, length, list(coming.values()))
            return now is files

        if not self._folder.change(publish):
            raise PageStoreError(errno.ESTALE, "page store: the folder was replaced", self._folder.path)

    def _give_up(self, size_class: int, reserved: Dict[int, int]) -> None:
        """Cells that were reserved go back, but for those that were filled all the same."""

        def release(files: Files, section: Section) -> None:
            cells = files.cells(size_class)
            for cell, pending in reserved.items():
                if cells is not None and cells.is_described(cell) and cells.word(cell) == pending:
                    self._space.release(files, section, cells, cell)

        try:
            if reserved:
                self._folder.change(release)
        except PageStoreError:
            pass  # nobody writes it now, so it goes like a page that was never used
        finally:
            self._space.written(size_class, reserved)

    # --- notes --------------------------------------------------------------------------------------------------

    def put_note(self, key: bytes, note: bytes) -> None:
        """Note something in the place of what was noted under the key; where there is no room for it, nothing."""
        if layout.class_of(len(note)) < layout.CLASSES:
            self._change(lambda files, section: self._note(files, section, key, note))

    def _note(self, files: Files, section: Section, key: bytes, note: bytes) -> Optional[OSError]:
        size_class = layout.class_of(len(note))
        cell = self._space.allocate(files, section, size_class)
        before = files.notes(key)  # which may have moved, or gone, to make room
        if cell is not None:
            cells = files.cells_to_fill(section, size_class)
            problem = self._write(section, cells, [cell], len(note), memoryview(note), [0])
            if problem is not None:
                self._space.release(files, section, cells, cell)
                return problem
            flags = max([old.flags for _, _, old in before], default=0)
            page = _Page(NOTE, 0, xxhash.xxh3_64_intdigest(note))
            self._publish(files, section, cells, [cell], key, len(note), [page], flags)
            files.control.count(size_class, 0, pinned=flags & PINNED, notes=1)
        for others, other, _ in before:
            self._space.release(files, section, others, other)
        return None

    def drop_notes(self, keys: List[bytes]) -> None:
        """Drop what is noted under these keys."""

        def work(files: Files, section: Section) -> None:
            for key in keys:
                for cells, cell, _ in files.notes(key):
                    self._space.release(files, section, cells, cell)

        self._folder.change(work)


def _runs(cells: List[int], starts: Sequence[int], length: int) -> Iterator[Tuple[int, int]]:
    """Where runs of neighbouring cells, with neighbouring pages, begin and end in a list."""
    begin = 0
    for at in range(1, len(cells) + 1):
        if at == len(cells) or cells[at] != cells[at - 1] + 1 or starts[at] != starts[at - 1] + length:
            yield begin, at
            begin = at
