"""The control file: what all processes that share a folder agree on."""

from __future__ import annotations

import os
import struct
import time
import uuid
from typing import Dict, List, NamedTuple, Optional, Tuple

import xxhash

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.mapped import Mapped, not_ours
from alluxiofs.pagestores.ondisk.section import Section, write_fully

__all__ = ["Capacity", "Control", "Record", "boot_id", "is_control"]

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_MOST_CELLS = 1 << 32
_FAR_AHEAD = 86_400_000_000  # a clock that is set back loses at most so much, in microseconds
_AT_ONCE = 16  # numbers that are written off together; few enough that the last one is not ahead of the clock
_WORD = struct.Struct("<Q")
_TWICE = struct.Struct("<QQQ")


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


class Capacity(NamedTuple):
    """What everything in a folder may take.

    Parameters
    ----------
    size:
        In bytes.
    named:
        Whether a program named it; else it is a default.
    """

    size: int
    named: bool


def boot_id() -> bytes:
    """16 bytes that stand for this start of the machine; zeros where it cannot be told."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return uuid.UUID(file.read().strip()).bytes
    except (OSError, ValueError):
        return bytes(16)


def _check(data: bytes | bytearray) -> bytes:
    return _WORD.pack(xxhash.xxh3_64_intdigest(data))


def _twice(number: int) -> bytes:
    """A number so that a flipped bit is seen, and what it was."""
    return _WORD.pack(number) * 2 + _check(_WORD.pack(number))


def is_control(path: str) -> bool:
    """Whether a file is a control file of this layout, broken as it may be. ``FileNotFoundError`` if there is none."""
    with open(path, "rb") as file:
        data = file.read(layout.CONTROL_BYTES + 1)
    if len(data) != layout.CONTROL_BYTES:
        return False
    machine_end = layout.MACHINE_AT + layout.MACHINE.size
    machine = data[layout.MACHINE_AT : machine_end]
    starts_as_one = data[: layout.START.size] == layout.START.pack(layout.MAGIC, layout.VERSION)
    return starts_as_one or data[machine_end : machine_end + 8] == _check(machine)


class Control:
    """The words of the control file. Whoever changes one holds the lock.

    Records that change are written together at the end: should it not come to that, they are counted anew. So they are
    when their checksum, which is that of all, says that they are not what was written.

    Parameters
    ----------
    path:
        The file.
    """

    def __init__(self, path: str) -> None:
        self.file = Mapped(path)
        self.words = self.file.words
        cut = self.file.size < layout.CONTROL_BYTES
        if cut or self.file.raw[: layout.START.size] != layout.START.pack(layout.MAGIC, layout.VERSION):
            raise not_ours(path)
        self._boot = boot_id()
        self._changed: Dict[int, Record] = {}
        self._next = self._reserved = self._latest = 0

    @staticmethod
    def initial(buckets: int) -> bytes:
        """The content of a new control file."""
        now = time.time_ns() // 1000
        data = bytearray(layout.CONTROL_BYTES)
        layout.START.pack_into(data, 0, layout.MAGIC, layout.VERSION)
        machine = layout.MACHINE.pack(boot_id(), now)
        data[layout.MACHINE_AT : layout.SIZES_AT] = machine + _check(machine)
        data[layout.BUCKETS_AT : layout.CAPACITY_AT] = _twice(buckets)
        data[layout.CAPACITY_AT : layout.CAPACITY_AT + _TWICE.size] = _twice(0)
        state = layout.STATE.pack(now, 0)
        end = layout.STATE_AT + layout.STATE.size
        data[layout.STATE_AT : end + 8] = state + _check(data[layout.RECORDS_AT : layout.STATE_AT] + state)
        return bytes(data)

    # --- words --------------------------------------------------------------------------------------------------

    @property
    def buckets(self) -> int:
        """Buckets of the table of hints. ``OSError`` if that cannot be said."""
        number = self._read_twice(layout.BUCKETS_AT)
        if number is None:
            raise not_ours(self.file.path)
        return number

    def set_buckets(self, section: Section, number: int) -> None:
        """See :attr:`buckets`."""
        section.put(self.file, layout.BUCKETS_AT, _twice(number))

    @property
    def capacity(self) -> Optional[Capacity]:
        """What everything in the folder may take; ``None`` if nobody has said that yet, or it is broken."""
        number = self._read_twice(layout.CAPACITY_AT)
        return Capacity(number >> 1, bool(number & 1)) if number else None

    def set_capacity(self, section: Section, capacity: Capacity) -> None:
        """See :attr:`capacity`."""
        section.put(self.file, layout.CAPACITY_AT, _twice(capacity.size << 1 | capacity.named))

    @property
    def sizes(self) -> int:
        """Another number whenever files became larger or smaller."""
        return self.words[layout.SIZES_AT // 8]

    def resized(self, section: Section) -> None:
        """See :attr:`sizes`."""
        section.put_word(self.file, layout.SIZES_AT, (self.sizes + 1) % 2**63)

    def _read_twice(self, at: int) -> Optional[int]:
        first, second = self.words[at // 8], self.words[at // 8 + 1]
        if first == second:
            return first
        for number in (first, second):  # it is being written, or one of them is broken
            if self.file.raw[at + 16 : at + 24] == _check(_WORD.pack(number)):
                return number
        first, second = self.words[at // 8], self.words[at // 8 + 1]
        return first if first == second else None

    # --- the machine's start ------------------------------------------------------------------------------------

    def is_other_boot(self) -> bool:
        """Whether nobody has written here since the machine started, as far as that can be told."""
        return any(self._boot) and self._boot_sequence() is None

    def is_written_since_boot(self, word: int) -> bool:
        """Whether a page came since the machine started: then the system has all of it, on disk or not yet."""
        sequence = self._boot_sequence()
        return sequence is not None and word >> layout.Word.SHIFT > sequence

    def _boot_sequence(self) -> Optional[int]:
        end = layout.MACHINE_AT + layout.MACHINE.size
        data = self.file.raw[layout.MACHINE_AT : end + 8]
        start, sequence = layout.MACHINE.unpack(data[:-8])
        is_this = any(start) and start == self._boot and data[-8:] == _check(data[:-8])
        return int(sequence) if is_this else None

    def begin_boot(self, section: Section) -> None:
        """From now on pages come that were written since the machine started. Where some are from a time that the clock
        was ahead, none is taken for one of these until it is there again."""
        machine = layout.MACHINE.pack(self._boot, max(self.next_sequence(section), self._latest))
        section.put(self.file, layout.MACHINE_AT, machine + _check(machine))

    # --- the sequence, and whether somebody changes something -------------------------------------------------------

    def next_sequence(self, section: Section) -> int:
        """A number above all before, and microseconds since the epoch unless the clock was set back."""
        if self._next == self._reserved:
            self._put_state(section, self._reserve(), self.words[layout.STATE_AT // 8 + 1])
        self._next += 1
        return self._next - 1

    def skip_to(self, sequence: int) -> None:
        """No number up to this one, which is the last that is found, is given again, unless it is far ahead of the
        clock."""
        self._latest = sequence
        if self._next <= sequence < time.time_ns() // 1000 + _FAR_AHEAD:
            self._next = self._reserved = sequence + 1

    def _reserve(self) -> int:
        """Have some numbers; the one to write off, after them."""
        now = time.time_ns() // 1000
        last = max(self.words[layout.STATE_AT // 8], self._next - 1)
        self._next = max(now, last + 1) if last < now + _FAR_AHEAD else now
        self._reserved = self._next + _AT_ONCE
        return self._reserved

    def is_whole(self) -> bool:
        """Whether records and state are what was written together. Somebody may have come to his end since he began to
        change something: then nothing is said of the records."""
        end = layout.STATE_AT + layout.STATE.size
        data = self.file.raw[layout.RECORDS_AT : end + 8]
        return data[-8:] == _check(data[layout.STATE_AT - layout.RECORDS_AT : -8] if self.is_busy else data[:-8])

    @property
    def is_busy(self) -> bool:
        """Whether somebody is changing something, or was when he came to his end."""
        return self.words[layout.STATE_AT // 8 + 1] != 0

    def settled(self) -> int:
        """A number that is another one after each change; 0 while somebody changes something. What was found between
        two looks that give the same one is so until a third one gives another."""
        at = layout.STATE_AT // 8
        number = self.words[at]  # first: whoever begins afterwards is seen by the next word
        return 0 if self.words[at + 1] else number

    def begin(self, section: Section) -> None:
        """Somebody changes something."""
        self._put_state(section, self._reserve(), 1)

    def finish(self, section: Section) -> None:
        """It was changed. What is not written to the end, in this order, leaves the state as it was."""
        data = bytearray(self.file.raw[layout.RECORDS_AT : layout.STATE_AT + layout.STATE.size])
        for size_class, record in self._changed.items():
            layout.RECORD.pack_into(data, size_class * layout.RECORD.size, *record)
        # Not the number that it began with: see ``settled``.
        layout.STATE.pack_into(data, layout.STATE_AT - layout.RECORDS_AT, max(self._reserved, self._next) + 1, 0)
        data += _check(data)
        first = min(self._changed, default=layout.CLASSES) * layout.RECORD.size
        with memoryview(data) as view:
            section.put(self.file, layout.RECORDS_AT + first, view[first:])

    def let_go(self) -> None:
        """The lock is let go of: what is known here is what is written."""
        self._changed.clear()
        self._reserved = self._next

    def _put_state(self, section: Section, sequence: int, busy: int) -> None:
        state = layout.STATE.pack(sequence, busy)
        records = b"" if busy else self.file.raw[layout.RECORDS_AT : layout.STATE_AT]
        section.put(self.file, layout.STATE_AT, state + _check(records + state))

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

    def is_empty(self, size_class: int) -> bool:
        """Whether nothing is kept in a size class, as far as that can be told without the lock: whoever keeps something
        says so before he lets go of it."""
        at = (layout.RECORDS_AT + size_class * layout.RECORD.size) // 8 + Record._fields.index("kept")
        return self.words[at] == 0 and not self.is_busy

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
