"""Cells for pages within a capacity: free ones, new ones, and those of pages that go. All under the folder's lock."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterable, Optional, Tuple, Type

from alluxiofs.pagestores.eviction import Candidate, Eviction
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.allowance import Allowance
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.control import Record
from alluxiofs.pagestores.ondisk.cutting import cut
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.layout import FREE, NOTE, Descriptor, Word
from alluxiofs.pagestores.ondisk.order import Order, last_of_oldest
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["Space"]

_BLOCK = 4096
_FOLDERS = 4 * _BLOCK  # the folder, the layout's, which may grow to two, and that of the owners
_FEW_PIECES = 4  # of which ext4 has no need to write the list elsewhere
_CHUNK_BYTES = 2**20
_LARGEST_CHUNK = 16 * 2**20  # of a class that has four times as much: each growth is summed up by all that keep
_CHUNK_CELLS = 1024
_CHUNKS_PER_CAPACITY = 256
_SHRINK_AT_ONCE = 64 * 2**20
_MUCH = 4  # a quarter of a size class


def _taken(size: int) -> int:
    """Bytes of disk that a file of a size may take: one in more than a few pieces takes a block to say where they are,
    which is seen only afterwards."""
    blocks = -(-size // _BLOCK)
    return (blocks + (blocks > _FEW_PIECES)) * _BLOCK


class Space:
    """The space of one folder.

    Parameters
    ----------
    allowance:
        Bytes of disk that everything in the folder may take.
    policy:
        Which page goes first.
    used_here:
        ``used_here(key, index)``: microseconds when this process last used a page, 0 if it did not. The others'
        uses are in the descriptors.
    """

    def __init__(self, allowance: Allowance, policy: Type[Eviction], used_here: Callable[[bytes, int], int]) -> None:
        self.allowance = allowance
        self._capacity = 0
        self.evictions = 0
        self.writing: set[Tuple[int, int]] = set()
        self._policy = policy
        self._used_here = used_here
        self._orders: Dict[int, Order] = {}
        self._measured = (-1, 0)
        # By size class, when that was looked at, and which sizes the files had then: who clears changes these.
        self._last_to_go: Dict[int, Tuple[int, Candidate]] = {}

    # --- cells --------------------------------------------------------------------------------------------------

    def allocate(self, files: Files, section: Section, size_class: int) -> Optional[int]:
        """A cell that nobody has; ``None`` if there is none to be had. What it held before is found no more."""
        capacity = self.allowance.settle(files, section)
        # File systems have a little of their own for each file; what a file has taken is seen only afterwards.
        self._capacity = capacity - capacity // 1024
        size = layout.cell_bytes(size_class)
        first = _taken(layout.first_cell_at(size_class) + size)
        if first + _FOLDERS + _taken(layout.CONTROL_BYTES) + _taken(files.hints.size_for(1)) + _BLOCK > self._capacity:
            return None
        new_file = 0 if files.control.record(size_class).cells else _BLOCK
        excess = self._used(files) + new_file - self._capacity
        if excess > 0 and not self._shrink_oldest(files, section, min(excess, _SHRINK_AT_ONCE)):
            return None  # the capacity is another one than it was
        cells = files.cells_to_fill(section, size_class)
        cell = self.unused(files, section, cells)
        if cell is None and self._grow(files, section, cells):
            cell = self.unused(files, section, cells)
        if cell is not None:
            return cell
        wanted = max(size, min(_CHUNK_BYTES, self._capacity // _CHUNKS_PER_CAPACITY)) + 2 * _BLOCK
        oldest = self._oldest_class(files, section, wanted, size_class)
        if oldest not in (-1, size_class) and self._shrink(files, section, oldest, wanted):
            self._grow(files, section, cells)
            cell = self.unused(files, section, cells)
        return self.evict_next(files, section, cells) if cell is None else cell

    def unused(self, files: Files, section: Section, cells: Cells) -> Optional[int]:
        """A cell out of the list of free ones, or one that was never used."""
        record = files.control.record(cells.size_class)
        cell = record.free - 1
        if cell >= 0:
            # A list that leads elsewhere is broken. What is lost of it is found when cells are looked at for eviction.
            broken = cell >= record.cells or not cells.is_described(cell) or cells.word(cell) != FREE
            following = 0 if broken else cells.next_free(cell)
            files.control.set_record(cells.size_class, record._replace(free=following))
            if not broken:
                return cell
        if record.fresh < record.cells and cells.is_described(record.fresh):
            files.control.set_record(cells.size_class, record._replace(fresh=record.fresh + 1, free=0))
            if cells.word(record.fresh) != FREE:
                cells.put_free(section, record.fresh, 0)
            return record.fresh
        return None

    def reserve(self, files: Files, section: Section, cells: Cells, cell: int, reserved: Dict[int, int]) -> None:
        """Have a cell be given to this process, which writes it. It is added to those that are ``reserved``, with the
        word that says so, before anything else: whoever is interrupted knows what to give up."""
        pending = reserved[cell] = Word.make(files.control.next_sequence(section), Word.PENDING)
        self.writing.add((cells.size_class, cell))
        cells.put(section, cell, Descriptor(pending, bytes(16), 0, 0, 0, files.owner(section), 0))

    def written(self, size_class: int, reserved: Iterable[int]) -> None:
        """Cells are not written any more by this process."""
        self.writing.difference_update([(size_class, cell) for cell in reserved])

    def release(self, files: Files, section: Section, cells: Cells, cell: int) -> None:
        """A cell holds nothing any more, whatever it held."""
        free = files.control.record(cells.size_class).free
        self._take(files, section, cells, cell, free)
        record = files.control.record(cells.size_class)
        files.control.set_record(cells.size_class, record._replace(free=cell + 1))

    def _take(self, files: Files, section: Section, cells: Cells, cell: int, following: int = 0) -> None:
        """From now on what is in a cell is not there, and its bytes may be overwritten."""
        if cells.word(cell) & Word.STATES & Word.PUBLISHED:
            files.control.count(cells.size_class, -1, -cells.is_pinned(cell), -cells.is_note(cell))
        found = cells.descriptor(cell)
        cells.put_free(section, cell, following)
        if found is not None and found.is_published:
            page_hash = layout.page_hash(found.key, found.index)
            files.hints.remove(section, page_hash, cells.size_class, cell)

    # --- eviction -----------------------------------------------------------------------------------------------

    def _order(self, size_class: int) -> Order:
        return self._orders.setdefault(size_class, Order(self._policy(), self._used_here))

    def evict_next(self, files: Files, section: Section, cells: Cells) -> Optional[int]:
        """Take the page whose turn it is; its cell, which is in no list."""
        found = self._order(cells.size_class).next(files, section, cells, self.writing)
        if found is None:
            return None
        self.evict(files, section, cells, found.cell)
        return found.cell

    def evict(self, files: Files, section: Section, cells: Cells, cell: int) -> None:
        found = cells.descriptor(cell)
        if cells.word(cell) & Word.STATES & Word.PUBLISHED and not cells.is_note(cell):
            self.evictions += 1
        self._take(files, section, cells, cell)
        if found is not None and found.is_published and found.index == NOTE:
            # Who was killed while he noted something may have left what was noted before: it must not come back.
            for others, other, _ in files.notes(found.key):
                self.release(files, section, others, other)

    def _oldest_class(self, files: Files, section: Section, wanted: int, own: int = -1) -> int:
        """A size class with so many bytes of empty cells, else that whose next page to go is the first of all, or -1.

        Of a class that has little more than what is wanted much goes at a time, so what counts is the last of that: or
        a single old name would take those of most files along. Not so with the ``own`` class of who asks: of that one
        page goes.
        """
        ranks: Dict[int, Any] = {}
        for size_class, record in files.control.records():
            if (record.cells - record.kept) * layout.cell_bytes(size_class) >= wanted:
                return size_class
            cells = files.cells(size_class)
            order = self._order(size_class)
            found = None if cells is None else order.peek(files, section, cells, self.writing)
            if found is not None:
                ranks[size_class] = order.policy.rank(found)
        looked = {own}
        while len(ranks) > 1:
            oldest = min(ranks, key=ranks.__getitem__)
            record, cells, size = files.control.record(oldest), files.cells(oldest), layout.cell_bytes(oldest)
            if oldest in looked or cells is None or record.cells * size > _MUCH * wanted:
                return oldest
            looked.add(oldest)
            policy, sizes = self._order(oldest).policy, files.control.sizes
            seen, known = self._last_to_go.get(oldest, (-1, Candidate(0, 0, 0, 0)))
            others = min(rank for other, rank in ranks.items() if other != oldest)
            if seen != sizes or policy.rank(known) <= others:  # it only becomes younger
                going = -(-wanted // size) - (record.cells - record.kept)
                known = last_of_oldest(cells, record.fresh, going)
                self._last_to_go[oldest] = sizes, known
            ranks[oldest] = policy.rank(known)
        return next(iter(ranks), -1)

    # --- size ---------------------------------------------------------------------------------------------------

    def _used(self, files: Files) -> int:
        """Bytes of disk of all that is there; measured anew only when a file has changed its size."""
        sizes = files.control.sizes
        if self._measured[0] != sizes:
            taken = _FOLDERS
            with os.scandir(files.path) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    taken += max(_taken(status.st_size), status.st_blocks * 512)
            self._measured = sizes, taken
        return self._measured[1]

    def _grow(self, files: Files, section: Section, cells: Cells) -> bool:
        """Add cells to a size class, as many as there is room for, up to a chunk: a quarter of what it has, for space
        that one class has and does not fill is given back only bit by bit."""
        size_class, size = cells.size_class, cells.size
        record = files.control.record(size_class)
        chunk = min(max(_CHUNK_BYTES, record.cells * size // 4), _LARGEST_CHUNK)
        room = self._capacity - self._used(files)
        more = max(1, min(min(chunk, self._capacity // _CHUNKS_PER_CAPACITY, room) // size, _CHUNK_CELLS))
        before = sum(other.cells for _, other in files.control.records())
        have = os.stat(cells.path).st_size
        while True:
            index, hints = cells.index_bytes(record.cells + more), files.hints.size_for(before + more)
            data = _taken(cells.file_bytes(record.cells + more))
            needed = max(0, data - _taken(have)) + _taken(index) - _taken(cells.index.size)
            needed += max(0, _taken(hints) - _taken(files.hints.file.size))
            if needed <= room:
                break
            if more == 1:
                return False
            more //= 2
        files.control.resized(section)  # first: whoever is killed between leaves files to be measured anew
        section.enlarge(cells.index, index)
        files.hints.grow(section, before + more, files.hash_of)
        os.truncate(cells.path, max(cells.file_bytes(record.cells + more), have))
        grown = record._replace(cells=record.cells + more)
        if record.cells:
            files.control.set_record(size_class, grown)
        else:
            files.control.put_record(section, size_class, grown)
        return True

    def _shrink_oldest(self, files: Files, section: Section, wanted: int) -> bool:
        """Give space back to the disk; whether there is now as much as there must be."""
        oldest = self._oldest_class(files, section, wanted)
        if oldest >= 0:
            self._shrink(files, section, oldest, wanted)
        return self._used(files) <= self._capacity

    def _shrink(self, files: Files, section: Section, size_class: int, wanted: int) -> bool:
        cells = files.cells(size_class)
        return cells is not None and cut(self, files, section, cells, wanted)

    def is_being_written(self, files: Files, cells: Cells, cell: int) -> bool:
        """Whether a cell was given to a writer who lives."""
        word = cells.word(cell)
        if word & Word.STATES != Word.PENDING:
            return False
        return Order.is_claimed(files, cells, cell, self.writing)

    # --- everything ---------------------------------------------------------------------------------------------

    def clear(self, files: Files, section: Section) -> None:
        """No pages and no notes. Cells that are being written stay with their writers."""
        for size_class in range(layout.CLASSES):
            record = files.control.record(size_class)
            cells = files.cells(size_class)
            if cells is None:
                if record.cells:
                    files.control.set_record(size_class, Record())
                continue
            cells.is_described(record.cells - 1)
            used = range(min(record.fresh, cells.described))
            keep = [cell for cell in used if self.is_being_written(files, cells, cell)]
            if keep:
                for cell in set(used).difference(keep):
                    cells.put_free(section, cell, 0)
                files.control.set_record(size_class, Record(record.cells, record.fresh))
                continue
            section.zero(cells.index, layout.DESCRIPTOR_BYTES)
            files.control.set_record(size_class, Record())
            cells.cut(0)
        files.hints.clear(section)
        files.hints.grow(section, sum(record.cells for _, record in files.control.records()), files.hash_of)
        files.control.resized(section)
        self._orders.clear()
