"""The open files of one folder of the page store."""

from __future__ import annotations

import os
import re
from typing import Dict, Iterator, List, Optional, Tuple

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.control import Control, Record
from alluxiofs.pagestores.ondisk.found import Found
from alluxiofs.pagestores.ondisk.hints import Hints
from alluxiofs.pagestores.ondisk.layout import NOTE, Descriptor
from alluxiofs.pagestores.ondisk.lock import FolderLock
from alluxiofs.pagestores.ondisk.owners import Owners
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["OWNERS", "Files"]

OWNERS = "owners"
_LOOKS = 3  # at what may just be replaced
_MOST_ABSENT = 4096
_INDEX = re.compile(r"(\d{1,2})\.index")


class Files:
    """The open files of a folder.

    Parameters
    ----------
    path:
        The folder of the layout.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.control = Control(f"{path}/control")
        self.hints = Hints(f"{path}/hints", self.control)
        self.lock = FolderLock(f"{path}/lock")
        self.owners = Owners(f"{path}/{OWNERS}")
        self._cells: Dict[int, Cells] = {}
        self._absent: Dict[bytes, int] = {}  # notes that there are not, and when nothing had changed since

    def cells(self, size_class: int) -> Optional[Cells]:
        """The cells of a size class; ``None`` if there are none."""
        found = self._cells.get(size_class)
        if found is None and size_class < layout.CLASSES:
            try:
                found = self._cells[size_class] = Cells(self.path, size_class)
            except FileNotFoundError:
                return None
            except OSError:
                # An index of which not even the beginning could be written, on a full disk, is none.
                if self.control.record(size_class).cells or os.path.getsize(f"{self.path}/{size_class}.index"):
                    raise
                return None
        return found

    def cells_to_fill(self, section: Section, size_class: int) -> Cells:
        """The cells of a size class, its files made if there are none."""
        found = self.cells(size_class)
        if found is None:
            if any(self.control.record(size_class)):  # somebody has removed the files
                self.control.set_record(size_class, Record())
            self.control.resized(section)
            found = self._cells[size_class] = Cells.create(self.path, size_class)
        return found

    def all_cells(self) -> Iterator[Cells]:
        """The cells of all size classes of which there are files, whatever is said of them."""
        numbers = (_INDEX.fullmatch(name) for name in os.listdir(self.path))
        for size_class in sorted(int(number[1]) for number in numbers if number is not None):
            cells = self.cells(size_class)
            if cells is not None:
                yield cells

    def hash_of(self, size_class: int, cell: int) -> Optional[int]:
        """The hash of the page that is in a cell; ``None`` if there is none."""
        cells = self.cells(size_class)
        found = None if cells is None else cells.descriptor(cell)
        return None if found is None or not found.is_published else layout.page_hash(found.key, found.index)

    def find(self, key: bytes, index: int, length: int) -> Optional[Found]:
        """A page, not verified; ``None`` if it is not kept."""
        size_class = layout.class_of(length)
        for cell in self.hints.find(layout.page_hash(key, index), size_class):
            cells = self._cells.get(size_class) or self.cells(size_class)
            found = None if cells is None else cells.descriptor(cell)
            if (
                cells is not None
                and found is not None
                and found.is_published
                and (found.key, found.index, found.length) == (key, index, length)
            ):
                return Found(cells, cell, found)
        return None

    def find_note(self, key: bytes) -> Optional[Found]:
        """A note, not verified; ``None`` if there is none."""
        settled = self.control.settled()
        page_hash = layout.page_hash(key, NOTE)
        for _ in range(_LOOKS):
            places = self.hints.find_any(page_hash)
            notes = self.notes_at(key, places) if places else ()
            if notes:
                return Found(*notes[0])
            if not places:
                break  # else it may have been replaced just now
        if settled and settled == self.control.settled():
            if len(self._absent) >= _MOST_ABSENT:
                self._absent.clear()
            self._absent[key] = settled
        return None

    def lacks_note(self, key: bytes) -> bool:
        """Whether there was no such note, and nothing has changed since, whoever may have changed it: what is noted of
        changes is looked for with each stat that is, and is seldom there."""
        settled = self.control.settled()
        return bool(settled) and self._absent.get(key) == settled

    def notes(self, key: bytes) -> List[Tuple[Cells, int, Descriptor]]:
        """The cells with what is noted under a key, the last one first. There is more than one only while another
        takes its place, or when somebody came to his end then."""
        return self.notes_at(key, self.hints.find_any(layout.page_hash(key, NOTE)))

    def notes_at(self, key: bytes, places: List[Tuple[int, int]]) -> List[Tuple[Cells, int, Descriptor]]:
        """The same, where the hints say that they may be."""
        found = []
        for size_class, cell in dict.fromkeys(places):  # a hint may be there twice
            cells = self._cells.get(size_class) or self.cells(size_class)
            descriptor = None if cells is None else cells.descriptor(cell)
            if (
                cells is not None
                and descriptor is not None
                and descriptor.is_published
                and (descriptor.key, descriptor.index) == (key, NOTE)
                and descriptor.length <= cells.size
            ):
                found.append((cells, cell, descriptor))
        return found if len(found) < 2 else sorted(found, key=lambda note: note[2].word, reverse=True)

    def owner(self, section: Section) -> int:
        """This process's number among the owners, which are told apart from the dead."""
        if not self.owners.is_registered():
            self.owners.register(self.control.next_sequence(section))
        return self.owners.mine

    def leave(self) -> None:
        """This process writes here no more."""
        self.owners.leave()

    def abandon(self) -> None:
        """In the child of a fork: lock and owner are the parent's."""
        self.lock.abandon()
        self.owners.abandon()
