"""Giving space back: cells are cut off the end of a size class."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Dict, List, Set

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.layout import FREE, Word
from alluxiofs.pagestores.ondisk.section import Section

if TYPE_CHECKING:
    from alluxiofs.pagestores.ondisk.space import Space

__all__ = ["cut"]


def cut(space: Space, files: Files, section: Section, cells: Cells, wanted: int) -> bool:
    """Cut cells off the end: pages go by the policy, and those that stay move from the end into their cells.

    Parameters
    ----------
    space, files, section:
        Of the folder.
    cells:
        Of the size class.
    wanted:
        Bytes to give back. They may become fewer, where what is at the end can go nowhere.

    Returns
    -------
    bool
        Whether any were given back.
    """
    record = files.control.record(cells.size_class)
    there = min(record.cells, cells.cells_in_file())
    cells.is_described(there - 1)
    there = min(there, cells.described)
    fresh = min(record.fresh, there)
    target = _target(space, files, cells, fresh, max(0, there - -(-wanted // cells.size)))
    homes = [cell for cell in _free_cells(files, cells) if cell < target]
    tail = {cell for cell in range(target, fresh) if cells.word(cell) & Word.PUBLISHED}
    _find_homes(space, files, section, cells, target, tail, homes)
    end = _empty(space, files, section, cells, target, tail, homes)
    homes += [cell for cell in range(target, min(end, fresh)) if cells.word(cell) == FREE]
    following = 0
    for cell in homes:
        cells.put_free(section, cell, following)
        following = cell + 1
    left = files.control.record(cells.size_class)._replace(cells=end, fresh=min(fresh, end), free=following)
    files.control.set_record(cells.size_class, left)
    files.control.resized(section)
    cells.cut(end)
    return end < record.cells


def _target(space: Space, files: Files, cells: Cells, fresh: int, target: int) -> int:
    """The number of cells to be left: what is being written cannot move."""
    for cell in range(fresh - 1, target - 1, -1):
        if space.is_being_written(files, cells, cell):
            return cell + 1
    return target


def _find_homes(
    space: Space, files: Files, section: Section, cells: Cells, target: int, tail: Set[int], homes: List[int]
) -> None:
    """Evict pages until each that is in the tail has a cell to move to, or is one of those that went."""
    given: Dict[int, int] = {}
    emptied: List[int] = []
    try:
        while len(homes) < len(tail):
            cell = space.evict_next(files, section, cells)
            if cell is None:
                break
            space.reserve(files, section, cells, cell, given)  # or its turn might come again
            if cell < target:
                homes.append(cell)
            else:
                tail.discard(cell)
                emptied.append(cell)
    finally:
        space.written(cells.size_class, given)
    for cell in emptied:
        cells.put_free(section, cell, 0)


def _empty(
    space: Space, files: Files, section: Section, cells: Cells, target: int, tail: Set[int], homes: List[int]
) -> int:
    """Move or evict what is in the tail; how many cells are to be left, for pinned pages that have no other place
    stay where they are."""
    pinned = sorted(cell for cell in tail if cells.is_pinned(cell))
    staying = pinned[: max(0, len(pinned) - len(homes))]
    end = staying[-1] + 1 if staying else target
    for cell in sorted(tail, key=lambda cell: (not cells.is_pinned(cell), -cell)):
        if cell >= end and not (homes and _move(files, section, cells, cell, homes)):
            space.evict(files, section, cells, cell)
    return end


def _free_cells(files: Files, cells: Cells) -> List[int]:
    """The list of free cells."""
    record = files.control.record(cells.size_class)
    free = record.free
    found: Dict[int, None] = {}
    while 0 < free <= record.cells and free - 1 not in found and cells.is_described(free - 1):
        if cells.word(free - 1) != FREE:
            break
        found[free - 1] = None
        free = cells.next_free(free - 1)
    return list(found)


def _move(files: Files, section: Section, cells: Cells, cell: int, homes: List[int]) -> bool:
    """A page from one cell into another, for a moment it is in both; ``False`` if it cannot be read."""
    found = cells.descriptor(cell)
    if found is None or not found.is_published or found.length > cells.size:
        return False
    try:
        data = os.pread(cells.data.fd, found.length, cells.base(cell))
    except OSError:
        return False
    home = homes.pop()
    cells.put_bytes(section, home, data)
    page_hash = layout.page_hash(found.key, found.index)
    files.hints.add(section, page_hash, cells.size_class, home, files.hash_of)
    cells.put(section, home, found._replace(word=Word.moved(found.word)))
    cells.put_free(section, cell, 0)
    files.hints.remove(section, page_hash, cells.size_class, cell)
    return True
