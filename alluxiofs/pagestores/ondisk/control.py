"""The control file: what all processes that share a folder agree on."""

from __future__ import annotations

import errno
import os
import time
import uuid
from typing import List, Tuple

from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.mapped import Mapped
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["Control", "boot_id"]

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_MOST_CELLS = 1 << 32
_FAR_AHEAD = 86_400_000_000  # a clock that is set back loses at most so much, in microseconds


def boot_id() -> bytes:
    """16 bytes that stand for this start of the machine; zeros where it cannot be told."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return uuid.UUID(file.read().strip()).bytes
    except (OSError, ValueError):
        return bytes(16)


class Control:
    """The words of the control file. Whoever changes one holds the lock.

    Parameters
    ----------
    path:
        The file.
    """

    def __init__(self, path: str) -> None:
        self.file = Mapped(path)
        self.words = self.file.words
        magic, version = layout.HEADER.unpack_from(self.file.raw[: layout.HEADER.size])[:2]
        if magic != layout.MAGIC or version != layout.VERSION or self.file.size < layout.CONTROL_BYTES:
            raise OSError(
                errno.EINVAL, "this is not a page store of this version, or it is broken; move it out of the way", path
            )
        self._boot = boot_id()

    @staticmethod
    def initial(buckets: int) -> bytes:
        """The content of a new control file."""
        now = time.time_ns() // 1000
        header = layout.HEADER.pack(layout.MAGIC, layout.VERSION, boot_id(), now, now, buckets, 0, 0)
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
        now = time.time_ns() // 1000
        last = self.words[layout.SEQUENCE_AT // 8]
        sequence = max(now, last + 1) if last < now + _FAR_AHEAD else now
        section.put_word(self.file, layout.SEQUENCE_AT, sequence)
        return sequence

    @property
    def is_busy(self) -> bool:
        """Whether somebody began to change something and did not come to the end, if the lock is free."""
        return self.words[layout.BUSY_AT // 8] != 0

    def set_busy(self, section: Section, busy: bool) -> None:
        """See :attr:`is_busy`."""
        section.put_word(self.file, layout.BUSY_AT, int(busy))

    def set_buckets(self, section: Section, number: int) -> None:
        """See :attr:`buckets`."""
        section.put_word(self.file, layout.BUCKETS_AT, number)

    def resized(self, section: Section) -> None:
        """See :attr:`sizes`."""
        section.put_word(self.file, layout.SIZES_AT, (self.sizes + 1) % 2**63)

    # --- the records of size classes: cells, cells ever used, first free cell + 1, pages --------------------------

    def record(self, size_class: int) -> Tuple[int, int, int, int]:
        """Cells; how many of them were ever used; the first free one, plus one; pages."""
        at = (layout.RECORDS_AT + size_class * layout.RECORD_BYTES) // 8
        cells, fresh, free, pages = self.words[at : at + 4].tolist()
        return cells, fresh, free, pages

    def records(self) -> List[Tuple[int, int, int, int, int]]:
        """The size classes that have cells, each with its record."""
        at = layout.RECORDS_AT // 8
        words = self.words[at : at + 4 * layout.CLASSES].tolist()
        columns = zip(range(layout.CLASSES), words[::4], words[1::4], words[2::4], words[3::4])
        # A number of cells that no disk can have is a broken one.
        return [record for record in columns if 0 < record[1] <= _MOST_CELLS]

    def set_record(self, section: Section, size_class: int, *record: int) -> None:
        """Write the whole record."""
        data = b"".join(max(0, number).to_bytes(8, "little") for number in record)
        section.put(self.file, layout.RECORDS_AT + size_class * layout.RECORD_BYTES, data)

    def pages_and_bytes(self) -> Tuple[int, int]:
        """What is kept, and the bytes of its cells and their descriptors."""
        pages = size = 0
        for size_class, cells, _, _, number in self.records():
            number = min(number, cells)
            pages += number
            size += number * (layout.cell_bytes(size_class) + layout.DESCRIPTOR_BYTES)
        return pages, size


def write_new(path: str, data: bytes) -> None:
    """A file that was not there, on disk when this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
