"""What is written under the folder's lock."""

from __future__ import annotations

import errno
import os
import struct
from typing import Dict

from alluxiofs.pagestores.ondisk.mapped import Handle, Mapped, open_regular

__all__ = ["Section", "write_fully"]

_ZEROS = memoryview(bytes(2**20))
_WORD = struct.Struct("<Q")


def write_fully(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """``pwrite`` until all is written: it may stop early, at a limit or a disk that is just full."""
    done = os.pwrite(fd, data, offset)
    while done < len(data):
        with memoryview(data) as view:
            more = os.pwrite(fd, view[done:], offset + done)
        if not more:
            raise OSError(errno.EIO, "nothing more can be written")
        done += more


class Section:
    """Writes to the files of a store while the lock is held. Files are open for writing only here: a store that only
    reads must not keep a disk from being made read-only."""

    def __init__(self) -> None:
        self._open: Dict[str, Handle] = {}

    def put(self, file: Mapped | Handle, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes."""
        write_fully(self._writable(file), data, offset)

    def put_word(self, file: Mapped, offset: int, number: int) -> None:
        """Write a number of 64 bits."""
        os.pwrite(self._writable(file), _WORD.pack(number), offset)

    def zero(self, file: Mapped, offset: int) -> None:
        """Write zeros from a place on to the end of what is mapped."""
        self._put_zeros(file, offset, file.size)

    def enlarge(self, file: Mapped, size: int) -> None:
        """Have a file be ``size`` bytes at least, the new ones zeros, and map them.

        Zeros are written, for there must be no hole in what is mapped: tmpfs takes memory for a hole as soon as it is
        read, and where there is none the process is killed. What was written before the disk was full stays: another
        process may have mapped it.
        """
        self._put_zeros(file, os.fstat(self._writable(file)).st_size, size)
        file.grown()

    def _put_zeros(self, file: Mapped, begin: int, end: int) -> None:
        for at in range(begin, end, len(_ZEROS)):
            self.put(file, at, _ZEROS[: end - at])

    def close(self) -> None:
        """Nothing is written after this."""
        self._open.clear()

    def _writable(self, file: Mapped | Handle) -> int:
        handle = self._open.get(file.path)
        if handle is None:
            handle = open_regular(file.path, os.O_RDWR)
            if handle.identity != file.identity:
                raise OSError(errno.ESTALE, "the file was replaced", file.path)
            self._open[file.path] = handle
        return handle.fd
