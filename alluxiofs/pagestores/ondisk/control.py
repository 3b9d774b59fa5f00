"""The control file: what all processes that share a folder agree on."""

from __future__ import annotations

import os
import struct
import time
import uuid
from typing import Dict, List, NamedTuple, Tuple

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.mapped import Mapped, not_ours
from alluxiofs.pagestores.ondisk.section import Section, write_fully

__all__ = ["Control", "Record", "boot_id"]

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_MOST_CELLS = 1 << 32
_FAR_AHEAD = 86_400_000_000  # a clock that is set back loses at most so much, in microseconds
_AT_ONCE = 16  # numbers that are written off together; few enough that the last one is not ahead of the clock
_SEQUENCE_AND_BUSY = struct.Struct("<QQ")


class Record(NamedTuple):
    """What there is of a size class.

    Parameters
    ----------
    cells:
        How many.
    fresh:
        How many of them were ever used.
    free:
        The first of those that were freed, plus one.
    kept:
        How many hold a page or a note.
    pinned, notes:
        How many of those are pinned, and how many are notes.
    """

    cells: int = 0
    fresh: int = 0
    free: int = 0
    kept: int = 0
    pinned: int = 0
    notes: int = 0


def boot_id() -> bytes:
    """16 bytes that stand for this start of the machine; zeros where it cannot be told."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return uuid.UUID(file.read().strip()).bytes
    except (OSError, ValueError):
        return bytes(16)


class Control:
    """The words of the control file. Whoever changes one holds the lock.

    Records that change are written together at the end: should it not come to that, they are counted anew.

    Parameters
    ----------
    path:
        The file.
    """

    def __init__(self, path: str) -> None:
        self.file = Mapped(path)
        self.words = self.file.words
        cut = self.file.size < layout.CONTROL_BYTES
        if cut or layout.HEADER.unpack_from(self.file.raw[: layout.HEADER.size])[:2] != (layout.MAGIC, layout.VERSION):
            raise not_ours(path)
        self._boot = boot_id()
        self._changed: Dict[int, Record] = {}
        self._next = self._reserved = 0

    @staticmethod
    def initial(buckets: int) -> bytes:
        """The content of a new control file."""
        now = time.time_ns() // 1000
        header = layout.HEADER.pack(layout.MAGIC, layout.VERSION, boot_id(), now, buckets, 0, now, 0)
        return header + bytes(layout.CONTROL_BYTES - len(header))

    # --- the header ---------------------------------------------------------------------------------------------

    @property
    def buckets(self) -> int:
        """Buckets of the table of hints."""
        return self.words[layout.BUCKETS_AT // 8]

    @property
    def sizes(self) -> int:
        """Another number whenever files became larger or smaller."""
        return self.words[layout.SIZES_AT // 8]

    def is_this_boot(self) -> bool:
        """Whether somebody has written here since the machine started."""
        start = self.file.raw[layout.MACHINE_AT : layout.MACHINE_AT + 16]
        return any(self._boot) and start == self._boot

    def is_written_since_boot(self, word: int) -> bool:
        """Whether a page came since the machine started: then the system has all of it, on disk or not yet."""
        return self.is_this_boot() and word >> layout.Word.SHIFT > self.words[layout.BOOT_AT // 8]

    def begin_boot(self, section: Section) -> None:
        """From now on pages come that were written since the machine started."""
        section.put_word(self.file, layout.BOOT_AT, self.next_sequence(section))
        section.put(self.file, layout.MACHINE_AT, self._boot)

    def next_sequence(self, section: Section) -> int:
        """A number above all before, and microseconds since the epoch unless the clock was set back."""
        if self._next == self._reserved:
            section.put_word(self.file, layout.SEQUENCE_AT, self._reserve())
        self._next += 1
        return self._next - 1

    def _reserve(self) -> int:
        """Have some numbers; the one to write off, after them."""
        now = time.time_ns() // 1000
        last = self.words[layout.SEQUENCE_AT // 8]
        self._next = max(now, last + 1) if last < now + _FAR_AHEAD else now
        self._reserved = self._next + _AT_ONCE
        return self._reserved

    def begin(self, section: Section) -> bool:
        """Somebody changes something. Whether somebody else began to and did not come to the end."""
        was_busy = self.words[layout.BUSY_AT // 8] != 0
        section.put(self.file, layout.SEQUENCE_AT, _SEQUENCE_AND_BUSY.pack(self._reserve(), 1))
        return was_busy

    def finish(self, section: Section) -> None:
        """It was changed."""
        end = layout.BUSY_AT + 8
        if self._changed:
            end = layout.RECORDS_AT + (max(self._changed) + 1) * layout.RECORD.size
        data = bytearray(self.file.raw[layout.BUSY_AT : end])
        data[:8] = bytes(8)
        for size_class, record in self._changed.items():
            at = layout.RECORDS_AT + size_class * layout.RECORD.size - layout.BUSY_AT
            layout.RECORD.pack_into(data, at, *record)
        section.put(self.file, layout.BUSY_AT, data)

    def let_go(self) -> None:
        """The lock is let go of: what is known here is what is written."""
        self._changed.clear()
        self._reserved = self._next

    def set_buckets(self, section: Section, number: int) -> None:
        """See :attr:`buckets`."""
        section.put_word(self.file, layout.BUCKETS_AT, number)

    def resized(self, section: Section) -> None:
        """See :attr:`sizes`."""
        section.put_word(self.file, layout.SIZES_AT, (self.sizes + 1) % 2**63)

    # --- the records of size classes ----------------------------------------------------------------------------

    def record(self, size_class: int) -> Record:
        """What there is of a size class."""
        changed = self._changed.get(size_class)
        if changed is not None:
            return changed
        at = (layout.RECORDS_AT + size_class * layout.RECORD.size) // 8
        return Record._make(self.words[at : at + len(Record._fields)].tolist())

    def records(self) -> List[Tuple[int, Record]]:
        """The size classes that have cells, each with its record."""
        at, width = layout.RECORDS_AT // 8, len(Record._fields)
        words = self.words[at : at + width * layout.CLASSES].tolist()
        for size_class, record in self._changed.copy().items():
            words[width * size_class : width * (size_class + 1)] = record
        # A number of cells that no disk can have is a broken one.
        return [
            (size_class, Record._make(words[width * size_class : width * (size_class + 1)]))
            for size_class, cells in enumerate(words[::width])
            if 0 < cells <= _MOST_CELLS
        ]

    def set_record(self, size_class: int, record: Record) -> None:
        """Say what there is from now on."""
        self._changed[size_class] = record

    def put_record(self, section: Section, size_class: int, record: Record) -> None:
        """The same, and others see it before the end: where there are no cells yet they look for nothing."""
        section.put(self.file, layout.RECORDS_AT + size_class * layout.RECORD.size, layout.RECORD.pack(*record))
        self.set_record(size_class, record)

    def count(self, size_class: int, kept: int, pinned: int = 0, notes: int = 0) -> None:
        """So many more are kept, or fewer."""
        record = self.record(size_class)
        counts = record.kept + kept, record.pinned + pinned, record.notes + notes
        self._changed[size_class] = Record(*record[:3], *(max(0, number) for number in counts))

    def pages_and_bytes(self) -> Tuple[int, int]:
        """Pages that are kept; the bytes of all cells that hold something and their descriptors."""
        pages = size = 0
        for size_class, record in self.records():
            kept = min(record.kept, record.cells)
            pages += kept - min(record.notes, kept)
            size += kept * (layout.cell_bytes(size_class) + layout.DESCRIPTOR_BYTES)
        return pages, size


def write_new(path: str, data: bytes) -> None:
    """A file that was not there, on disk when this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        write_fully(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
