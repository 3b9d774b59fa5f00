"""Where what is kept of a file version is, and where everything is, without the lock: a place is a cell and the word
that it had. Whoever changes something looks at the word again, under the lock."""

from __future__ import annotations

import time
from typing import Iterator, List, Optional, Tuple

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.layout import Word

__all__ = ["Place", "Shape", "everywhere", "places_by_hints", "places_by_search"]

Place = Tuple[Cells, int, int]
"""A cell, and its word."""

Shape = Tuple[int, int]
"""The length and the page size of a file version."""

_SEARCHED = 8 * 2**20  # bytes of an index, before other threads get their turn
_PER_LOOK = 256  # descriptors that are searched in the time of one look
_WINDOW = 4096


def places_by_hints(files: Files, key: bytes, length: int, page_size: int) -> Optional[List[Place]]:
    """Look for each page of a file version; ``None`` if a search takes less."""
    pages = -(-length // page_size)
    if pages * _PER_LOOK > sum(record.fresh for _, record in files.control.records()):
        return None
    places = [(cells, cell, found.word) for cells, cell, found in files.notes(key)]
    for index in range(pages):
        found = files.find(key, index, min(page_size, length - index * page_size))
        if found is not None:
            places.append((found.cells, found.cell, found.word))
    return places


def places_by_search(files: Files, key: bytes) -> List[Place]:
    """Search all descriptors for those of a file version."""
    return [(cells, cell, cells.word(cell)) for cells in _described(files) for cell in _cells_of(cells, key)]


def everywhere(files: Files) -> Iterator[Place]:
    """All that is kept, pages and notes."""
    for cells in _described(files):
        for begin in range(0, cells.described, _WINDOW):
            words = cells.columns(begin, min(begin + _WINDOW, cells.described))[0]
            for cell, word in enumerate(words, begin):
                if word & Word.STATES & Word.PUBLISHED:
                    yield cells, cell, word


def _described(files: Files) -> Iterator[Cells]:
    for size_class, record in files.control.records():
        cells = files.cells(size_class)
        if cells is not None:
            cells.is_described(record.cells - 1)
            yield cells


def _cells_of(cells: Cells, key: bytes) -> List[int]:
    """The cells whose descriptors have a key."""
    found: List[int] = []
    raw = cells.index.raw
    for begin in range(0, len(raw), _SEARCHED):
        if begin:
            time.sleep(0)
        at = raw.find(key, begin, begin + _SEARCHED + len(key))
        while at >= 0:
            if at % layout.DESCRIPTOR_BYTES == 8 and at > layout.DESCRIPTOR_BYTES:
                found.append(at // layout.DESCRIPTOR_BYTES - 1)
            at = raw.find(key, at + 1, begin + _SEARCHED + len(key))
    return found
