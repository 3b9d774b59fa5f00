"""Cells for pages within a capacity: free ones, new ones, and those of pages that go. All under the folder's lock."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Tuple, Type

from alluxiofs.pagestores.eviction import Candidate, Eviction
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.folder import Files
from alluxiofs.pagestores.ondisk.layout import FREE, Descriptor, Word
from alluxiofs.pagestores.ondisk.order import Order
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["Space"]

_BLOCK = 4096
_FOLDERS = 4 * _BLOCK  # the folder, the layout's, which may grow to two, and that of the owners
_CHUNK_BYTES = 2**20
_CHUNK_CELLS = 1024
_CHUNKS_PER_CAPACITY = 256
_SHRINK_AT_ONCE = 64 * 2**20
_ZEROS = bytes(2**20)


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


class Space:
    """The space of one folder.

    Parameters
    ----------
    capacity:
        Bytes of disk that everything in the folder may take.
    policy:
        Which page goes first.
    used_here:
        ``used_here(key, index)``: microseconds when this process last used a page, 0 if it did not. The others'
        uses are in the descriptors.
    """

    def __init__(self, capacity: int, policy: Type[Eviction], used_here: Callable[[bytes, int], int]) -> None:
        # File systems have a little of their own for each file; what a file has taken is seen only afterwards.
        self.capacity = capacity - capacity // 1024
        self.evictions = 0
        self.writing: set[Tuple[int, int]] = set()
        self._policy = policy
        self._used_here = used_here
        self._orders: Dict[int, Order] = {}
        self._measured = (-1, 0)

    # --- one cell -----------------------------------------------------------------------------------------------

    def allocate(self, files: Files, section: Section, size_class: int) -> Optional[int]:
        """A cell that nobody has; ``None`` if there is none to be had. What it held before is found no more."""
        size = layout.cell_bytes(size_class)
        if _blocks(size) + _FOLDERS + _blocks(layout.CONTROL_BYTES) + files.hints.size_for(1) + _BLOCK > self.capacity:
            return None
        new_file = 0 if files.control.record(size_class)[0] else _BLOCK
        excess = self._used(files) + new_file - self.capacity
        if excess > 0 and not self._shrink_oldest(files, section, min(excess, _SHRINK_AT_ONCE)):
            return None  # the capacity is another one than it was
        cells = files.cells_to_fill(section, size_class)
        cell = self._unused(files, section, cells)
        if cell is None and self._grow(files, section, cells):
            cell = self._unused(files, section, cells)
        if cell is not None:
            return cell
        wanted = max(size, min(_CHUNK_BYTES, self.capacity // _CHUNKS_PER_CAPACITY)) + 2 * _BLOCK
        oldest = self._oldest_class(files, section, wanted)
        if oldest not in (-1, size_class) and self._shrink(files, section, oldest, wanted):
            self._grow(files, section, cells)
            cell = self._unused(files, section, cells)
        return self._evict_next(files, section, cells) if cell is None else cell

    def reserve(self, files: Files, section: Section, cells: Cells, cell: int) -> int:
        """Have a cell be given to this process, which writes it; the word that says so."""
        pending = Word.make(files.control.next_sequence(section), Word.PENDING)
        cells.put(section, cell, Descriptor(pending, bytes(16), 0, 0, files.owner(section), 0))
        self.writing.add((cells.size_class, cell))
        return pending

    def release(self, files: Files, section: Section, cells: Cells, cell: int) -> None:
        """A cell holds nothing any more, whatever it held."""
        self._take_page(files, section, cells, cell)
        number, fresh, free, pages = files.control.record(cells.size_class)
        cells.put_free(section, cell, free)
        files.control.set_record(section, cells.size_class, number, fresh, cell + 1, pages)

    def count_page(self, files: Files, section: Section, cells: Cells) -> None:
        """A page was added."""
        number, fresh, free, pages = files.control.record(cells.size_class)
        files.control.set_record(section, cells.size_class, number, fresh, free, pages + 1)

    def _take_page(self, files: Files, section: Section, cells: Cells, cell: int) -> None:
        """From now on the page in a cell is not there, and its bytes may be overwritten."""
        found = cells.descriptor(cell)
        if cells.word(cell) & Word.STATES & Word.PUBLISHED:
            number, fresh, free, pages = files.control.record(cells.size_class)
            files.control.set_record(section, cells.size_class, number, fresh, free, pages - 1)
        cells.put_free(section, cell, 0)
        if found is not None and found.is_published:
            page_hash = layout.page_hash(found.key, found.index)
            files.hints.remove(section, page_hash, cells.size_class, cell)

    def _unused(self, files: Files, section: Section, cells: Cells) -> Optional[int]:
        """A cell out of the list of free ones, or one that was never used."""
        number, fresh, free, pages = files.control.record(cells.size_class)
        cell = free - 1
        if free:
            # A list that leads elsewhere is broken. What is lost of it is found when cells are looked at for eviction.
            broken = cell >= number or not cells.is_described(cell) or cells.word(cell) != FREE
            following = 0 if broken else cells.next_free(cell)
            files.control.set_record(section, cells.size_class, number, fresh, following, pages)
            if not broken:
                return cell
        if fresh < number and cells.is_described(fresh):
            files.control.set_record(section, cells.size_class, number, fresh + 1, 0, pages)
            return fresh
        return None

    # --- eviction -----------------------------------------------------------------------------------------------

    def _order(self, size_class: int) -> Order:
        return self._orders.setdefault(size_class, Order(self._policy(), self._used_here))

    def _evict_next(self, files: Files, section: Section, cells: Cells) -> Optional[int]:
        """Take the page whose turn it is; its cell, which is in no list."""
        found = self._order(cells.size_class).next(files, section, cells, self.writing)
        if found is None:
            return None
        if cells.word(found.cell) & Word.STATES & Word.PUBLISHED:
            self.evictions += 1
        self._take_page(files, section, cells, found.cell)
        return found.cell

    def _oldest_class(self, files: Files, section: Section, wanted: int) -> int:
        """A size class with so many bytes of empty cells, else that whose next page to go is the first of all,
        or -1."""
        best: Optional[Tuple[int, Candidate]] = None
        for size_class, number, _, _, pages in files.control.records():
            if (number - pages) * layout.cell_bytes(size_class) >= wanted:
                return size_class
            cells = files.cells(size_class)
            order = self._order(size_class)
            found = None if cells is None else order.peek(files, section, cells, self.writing)
            if found is not None and (best is None or order.policy.rank(found) < order.policy.rank(best[1])):
                best = size_class, found
        return -1 if best is None else best[0]

    # --- size ---------------------------------------------------------------------------------------------------

    def _used(self, files: Files) -> int:
        """Bytes of disk of all that is there; measured anew only when a file has changed its size."""
        sizes = files.control.sizes
        if self._measured[0] != sizes:
            taken = _FOLDERS
            with os.scandir(files.path) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    taken += max(_blocks(status.st_size), status.st_blocks * 512)
            self._measured = sizes, taken
        return self._measured[1]

    def _grow(self, files: Files, section: Section, cells: Cells) -> bool:
        """Add cells to a size class, as many as there is room for, up to a chunk."""
        size_class, size = cells.size_class, cells.size
        number, fresh, free, pages = files.control.record(size_class)
        chunk = min(_CHUNK_BYTES, self.capacity // _CHUNKS_PER_CAPACITY) // size
        more = max(1, min(chunk, _CHUNK_CELLS))
        room = self.capacity - self._used(files)
        before = sum(record[1] for record in files.control.records())
        while True:
            index, hints = cells.index_bytes(number + more), files.hints.size_for(before + more)
            data = _blocks((number + more) * size)
            have = _blocks(os.stat(cells.path).st_size)
            needed = max(0, data - have) + index - cells.index.size + max(0, hints - _blocks(files.hints.file.size))
            if needed <= room:
                break
            if more == 1:
                return False
            more //= 2
        files.control.resized(section)  # first: whoever is killed between leaves files to be measured anew
        section.enlarge(cells.index, index)
        files.hints.grow(section, before + more, files.hash_of)
        os.truncate(cells.path, max((number + more) * size, os.stat(cells.path).st_size))
        files.control.set_record(section, size_class, number + more, fresh, free, pages)
        return True

    def _shrink_oldest(self, files: Files, section: Section, wanted: int) -> bool:
        """Give space back to the disk; whether there is now as much as there must be."""
        oldest = self._oldest_class(files, section, wanted)
        if oldest >= 0:
            self._shrink(files, section, oldest, wanted)
        return self._used(files) <= self.capacity

    def _shrink(self, files: Files, section: Section, size_class: int, wanted: int) -> bool:
        """Cut cells off the end: pages go by the policy, and those that stay move from the end into their cells."""
        cells = files.cells(size_class)
        if cells is None:
            return False
        number, fresh = files.control.record(size_class)[:2]
        cells.is_described(number - 1)
        target = max(0, number - -(-wanted // cells.size))
        fresh = min(fresh, number, cells.described)
        for cell in range(fresh - 1, target - 1, -1):
            if self._is_being_written(files, cells, cell):
                target = cell + 1
                break
        free = self._free_cells(files, cells)
        homes = [cell for cell in free if cell < target]
        tail = {cell for cell in range(target, fresh) if cells.word(cell) != FREE}
        while len(homes) < len(tail):
            given = self._evict_next(files, section, cells)
            if given is None:
                break
            if given < target:
                homes.append(given)
                self.reserve(files, section, cells, given)  # or its turn might come again
            else:
                tail.discard(given)
        self.writing.difference_update((size_class, cell) for cell in homes)
        for cell in tail:
            if homes:
                self._move(files, section, cells, cell, homes.pop())
            else:
                self.evictions += 1
                self._take_page(files, section, cells, cell)
        following = 0
        for cell in homes:
            cells.put_free(section, cell, following)
            following = cell + 1
        pages = files.control.record(size_class)[3]
        files.control.set_record(section, size_class, target, min(fresh, target), following, pages)
        files.control.resized(section)
        os.truncate(cells.path, target * cells.size)
        return target < number

    def _is_being_written(self, files: Files, cells: Cells, cell: int) -> bool:
        word = cells.word(cell)
        if word & Word.STATES != Word.PENDING:
            return False
        return Order.is_claimed(files, cells, cell, self.writing)

    @staticmethod
    def _free_cells(files: Files, cells: Cells) -> List[int]:
        """The list of free cells."""
        number, _, free, _ = files.control.record(cells.size_class)
        found: Dict[int, None] = {}
        while 0 < free <= number and free - 1 not in found and cells.is_described(free - 1):
            if cells.word(free - 1) != FREE:
                break
            found[free - 1] = None
            free = cells.next_free(free - 1)
        return list(found)

    def _move(self, files: Files, section: Section, cells: Cells, cell: int, home: int) -> None:
        """A page from one cell into another. For a moment it is in both."""
        found = cells.descriptor(cell)
        if found is None or not found.is_published or found.length > cells.size:
            self._take_page(files, section, cells, cell)
            return
        data = os.pread(cells.data.fd, found.length, cell * cells.size)
        cells.write(home, data)
        page_hash = layout.page_hash(found.key, found.index)
        files.hints.add(section, page_hash, cells.size_class, home, files.hash_of)
        moved = Descriptor(Word.moved(found.word), found.key, found.index, found.length, found.checksum, found.use)
        cells.put(section, home, moved)
        cells.put_free(section, cell, 0)
        files.hints.remove(section, page_hash, cells.size_class, cell)

    # --- everything ---------------------------------------------------------------------------------------------

    def clear(self, files: Files, section: Section) -> None:
        """No pages. Cells that are being written stay with their writers."""
        for size_class in range(layout.CLASSES):
            number, fresh = files.control.record(size_class)[:2]
            cells = files.cells(size_class)
            if cells is None:
                if number:
                    files.control.set_record(section, size_class, 0, 0, 0, 0)
                continue
            cells.is_described(number - 1)
            keep = [cell for cell in range(min(fresh, cells.described)) if self._is_being_written(files, cells, cell)]
            if keep:
                for cell in set(range(min(fresh, cells.described))).difference(keep):
                    cells.put_free(section, cell, 0)
                files.control.set_record(section, size_class, number, fresh, 0, 0)
                continue
            for offset in range(layout.DESCRIPTOR_BYTES, cells.index.size, len(_ZEROS)):
                section.put(cells.index, offset, _ZEROS[: cells.index.size - offset])
            files.control.set_record(section, size_class, 0, 0, 0, 0)
            os.truncate(cells.path, 0)
        files.hints.clear(section)
        files.hints.grow(section, sum(record[1] for record in files.control.records()), files.hash_of)
        files.control.resized(section)
        self._orders.clear()


def recount(files: Files, section: Section) -> None:
    """Count the pages of each size class, after somebody came to his end while he changed something."""
    for size_class, number, fresh, free, _ in files.control.records():
        cells = files.cells(size_class)
        if cells is None:
            continue
        cells.is_described(number - 1)
        number = min(number, cells.described, os.stat(cells.path).st_size // cells.size)
        first = cells.word_at(0)
        words = cells.index.words[first : first + 8 * number : 8].tolist()
        pages = sum(word & Word.PUBLISHED for word in words)
        files.control.set_record(section, size_class, number, min(fresh, number), free, pages)
