"""Counting anew what a store holds, where what the control file says of it may be wrong."""

from __future__ import annotations

from typing import List

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.control import Record
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.layout import NOTE, Word
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["recount"]


def recount(files: Files, section: Section, whole: bool) -> None:
    """Count what each size class holds, after somebody came to his end while he changed something.

    What counts is the files: cells that were added, and filled, before anybody wrote down how many there are now are
    cells all the same.

    Parameters
    ----------
    files, section:
        Of the folder.
    whole:
        Whether what was written down is what somebody wrote; else nothing of it is used.
    """
    latest = 0
    found = set()
    for cells in files.all_cells():
        cells.index.grown()
        found.add(cells.size_class)
        before = files.control.record(cells.size_class) if whole else Record()
        number = min(cells.described, cells.cells_in_file())
        words = cells.columns(0, number)[0]
        latest = max(latest, max(words, default=0))
        if _free_copies(section, cells, words):
            words = cells.columns(0, number)[0]
        files.control.set_record(cells.size_class, _counted(cells, words, before))
    for size_class in range(layout.CLASSES):
        if size_class not in found and any(files.control.record(size_class)):
            files.control.set_record(size_class, Record())
    files.control.skip_to(latest >> Word.SHIFT)


def _counted(cells: Cells, words: List[int], before: Record) -> Record:
    number = len(words)
    _, indices, lengths = cells.columns(0, number)
    kept = [word & Word.PUBLISHED for word in words]
    pinned = sum(length >> layout.FLAGS_SHIFT & layout.PINNED & is_kept for length, is_kept in zip(lengths, kept))
    notes = sum(is_kept for index, is_kept in zip(indices, kept) if index == NOTE)
    fresh = next((number - back for back, word in enumerate(reversed(words)) if word), 0)
    return Record(number, min(max(before.fresh, fresh), number), before.free, sum(kept), pinned, notes)


def _free_copies(section: Section, cells: Cells, words: List[int]) -> bool:
    """Whoever came to his end while he moved a page left it in two cells, which have a number that is never given
    twice. One of them is freed."""
    numbers = [word >> Word.SHIFT for word in words if word & Word.PUBLISHED]
    if len(set(numbers)) == len(numbers):
        return False
    seen = set()
    for cell, word in enumerate(words):
        if word & Word.PUBLISHED:
            if word >> Word.SHIFT in seen:
                cells.put_free(section, cell, 0)
            seen.add(word >> Word.SHIFT)
    return True
