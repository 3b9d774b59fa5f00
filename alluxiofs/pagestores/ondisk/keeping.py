"""Keeping pages and notes: cells, bytes, hints and descriptors, in the order that survives whoever is killed."""

from __future__ import annotations

import errno
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import xxhash

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.failures import failure, failures
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.folder import Files, Folder
from alluxiofs.pagestores.ondisk.layout import NOTE, PINNED, Descriptor, Word
from alluxiofs.pagestores.ondisk.section import Section
from alluxiofs.pagestores.ondisk.space import Space

__all__ = ["Keeping"]

# Copying 64 kB takes as long as having the lock once more; larger pages are written while others may have it.
_SMALL = 64 * 1024
_SMALL_AT_ONCE = 2**20
_LARGE_AT_ONCE = 16 * 2**20


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

    def keep(self, key: bytes, length: int, view: memoryview, starts: Dict[int, int]) -> None:
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
        """
        if layout.class_of(length) >= layout.CLASSES:
            return
        small = length <= _SMALL
        at_once = max(1, (_SMALL_AT_ONCE if small else _LARGE_AT_ONCE) // length)
        indices = list(starts)
        for begin in range(0, len(indices), at_once):
            pages = [
                (index, starts[index], xxhash.xxh3_64_intdigest(view[starts[index] : starts[index] + length]))
                for index in indices[begin : begin + at_once]
            ]
            if small:
                self._keep_small(key, length, view, pages)
            else:
                self._keep_large(key, length, view, pages)

    # --- small pages: all under the lock ------------------------------------------------------------------------

    def _keep_small(self, key: bytes, length: int, view: memoryview, pages: List[Tuple[int, int, int]]) -> None:
        with self._folder.section(create=True) as opened:
            if opened is None:
                return
            files, section = opened
            pages = [page for page in pages if files.find(key, page[0], length) is None]
            problem = None
            while pages and problem is None:
                cells, taken = self._take(files, section, layout.class_of(length), len(pages))
                if not taken:
                    return
                batch, pages = pages[: len(taken)], pages[len(taken) :]
                problem = self._write(section, cells, taken, length, view, [start for _, start, _ in batch])
                if problem is None:
                    self._publish(files, section, cells, taken, key, length, batch)
                else:
                    for cell in taken:
                        self._space.release(files, section, cells, cell)
        if problem is not None:
            raise failure(problem, self._folder.path) from problem

    def _take(self, files: Files, section: Section, size_class: int, number: int) -> Tuple[Cells, List[int]]:
        """One cell, and more where they cost no page; at most so many."""
        cell = self._space.allocate(files, section, size_class)
        cells = files.cells_to_fill(section, size_class)
        taken = []
        while cell is not None:
            taken.append(cell)
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
        pages: List[Tuple[int, int, int]],
        flags: int = 0,
    ) -> None:
        """Say what is in cells: from now on it is found."""
        descriptors = []
        for cell, (index, _, checksum) in zip(taken, pages):
            files.hints.add(section, layout.page_hash(key, index), cells.size_class, cell, files.hash_of)
            sequence = files.control.next_sequence(section)
            word, use = Word.make(sequence, Word.PUBLISHED), sequence << layout.USE_SHIFT
            descriptors.append(Descriptor(word, key, index, length, checksum, use, flags))
        for begin, end in _runs(taken, range(len(taken)), 1):
            cells.put(section, taken[begin], *descriptors[begin:end])
        files.control.count(cells.size_class, len(taken))

    # --- large pages: under the lock to get a cell, and to publish ------------------------------------------------

    def _keep_large(self, key: bytes, length: int, view: memoryview, pages: List[Tuple[int, int, int]]) -> None:
        while pages:
            reserved: Dict[int, int] = {}
            with self._folder.section(create=True) as opened:
                if opened is None:
                    return
                files, section = opened
                pages = [page for page in pages if files.find(key, page[0], length) is None]
                for _ in pages:
                    cell = self._space.allocate(files, section, layout.class_of(length))
                    if cell is None:
                        break
                    cells = files.cells_to_fill(section, layout.class_of(length))
                    reserved[cell] = self._space.reserve(files, section, cells, cell)
            if not reserved:
                return
            batch, pages = pages[: len(reserved)], pages[len(reserved) :]
            try:
                self._write_reserved(files, cells, reserved, length, view, batch)
                self._publish_reserved(files, cells, reserved, key, length, batch)
            finally:
                self._space.writing.difference_update((cells.size_class, cell) for cell in reserved)

    def _write_reserved(
        self,
        files: Files,
        cells: Cells,
        reserved: Dict[int, int],
        length: int,
        view: memoryview,
        pages: List[Tuple[int, int, int]],
    ) -> None:
        try:
            with failures(self._folder.path):
                for cell, (_, start, _) in zip(reserved, pages):
                    cells.write(cell, view[start : start + length])
        except BaseException:
            self._give_up(files, cells, reserved)
            raise

    def _publish_reserved(
        self,
        files: Files,
        cells: Cells,
        reserved: Dict[int, int],
        key: bytes,
        length: int,
        pages: List[Tuple[int, int, int]],
    ) -> None:
        with self._folder.section() as opened:
            if opened is None or opened[0] is not files:
                raise PageStoreError(errno.ESTALE, "page store: the folder was replaced", self._folder.path)
            section = opened[1]
            for (cell, pending), (index, _, checksum) in zip(reserved.items(), pages):
                if cells.word(cell) != pending:
                    continue  # everything was dropped meanwhile
                if files.find(key, index, length) is not None:
                    self._space.release(files, section, cells, cell)  # another process was faster
                else:
                    self._publish(files, section, cells, [cell], key, length, [(index, 0, checksum)])

    def _give_up(self, files: Files, cells: Cells, reserved: Dict[int, int]) -> None:
        try:
            with self._folder.section() as opened:
                if opened is not None and opened[0] is files:
                    for cell, pending in reserved.items():
                        if cells.word(cell) == pending:
                            self._space.release(files, opened[1], cells, cell)
        except PageStoreError:
            pass  # nobody writes it now, so it goes like a page that was never used

    # --- notes --------------------------------------------------------------------------------------------------

    def put_note(self, key: bytes, note: bytes) -> None:
        """Note something in the place of what was noted under the key; where there is no room for it, nothing."""
        size_class = layout.class_of(len(note))
        if size_class >= layout.CLASSES:
            return
        checksum = xxhash.xxh3_64_intdigest(note)
        with self._folder.section(create=True) as opened:
            if opened is None:
                return
            files, section = opened
            cell = self._space.allocate(files, section, size_class)
            before = files.notes(key)  # which may have moved, or gone, to make room
            problem = None
            if cell is not None:
                cells = files.cells_to_fill(section, size_class)
                problem = self._write(section, cells, [cell], len(note), memoryview(note), [0])
                if problem is None:
                    flags = max([old.flags for _, _, old in before], default=0)
                    self._publish(files, section, cells, [cell], key, len(note), [(NOTE, 0, checksum)], flags)
                    files.control.count(size_class, 0, pinned=flags & PINNED, notes=1)
                else:
                    self._space.release(files, section, cells, cell)
            if problem is None:
                for others, other, _ in before:
                    self._space.release(files, section, others, other)
        if problem is not None:
            raise failure(problem, self._folder.path) from problem

    def drop_notes(self, keys: List[bytes]) -> None:
        """Drop what is noted under these keys."""
        with self._folder.section() as opened:
            if opened is not None:
                files, section = opened
                for key in keys:
                    for cells, cell, _ in files.notes(key):
                        self._space.release(files, section, cells, cell)


def _runs(cells: List[int], starts: Sequence[int], length: int) -> Iterator[Tuple[int, int]]:
    """Where runs of neighbouring cells, with neighbouring pages, begin and end in a list."""
    begin = 0
    for at in range(1, len(cells) + 1):
        if at == len(cells) or cells[at] != cells[at - 1] + 1 or starts[at] != starts[at - 1] + length:
            yield begin, at
            begin = at
