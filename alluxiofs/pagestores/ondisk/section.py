"""What is written under the folder's lock."""

from __future__ import annotations

import errno
import os
import struct
from typing import Dict

from alluxiofs.pagestores.ondisk.mapped import Handle, Mapped, open_regular

__all__ = ["Section", "write_fully"]

_WORD = struct.Struct("<Q")


def write_fully(fd: int, data: memoryview | bytes, offset: int) -> None:
    """``pwrite`` until all is written: it may stop early, at a limit or a disk that is just full."""
    done = os.pwrite(fd, data, offset)
    while done < len(data):
        with memoryview(data) as view:
            more = os.pwrite(fd, view[done:], offset + done)
        if not more:
            raise OSError(errno.EIO, "nothing more can be written")
        done += more


class Section:
    """Writes to mapped files while the lock is held. Files are open for writing only here: a store that only reads
    must not keep a disk from being made read-only."""

    def __init__(self) -> None:
        self._open: Dict[str, Handle] = {}

    def put(self, file: Mapped, offset: int, data: bytes) -> None:
        """Write bytes."""
        write_fully(self._handle(file).fd, data, offset)

    def put_word(self, file: Mapped, offset: int, number: int) -> None:
        """Write a number of 64 bits."""
        os.pwrite(self._handle(file).fd, _WORD.pack(number), offset)

    def enlarge(self, file: Mapped, size: int) -> None:
        """Have a file be ``size`` bytes at least, the new ones zeros, and map them."""
        fd = self._handle(file).fd
        if os.fstat(fd).st_size < size:
            os.ftruncate(fd, size)
        file.grown()

    def close(self) -> None:
        """Nothing is written after this."""
        self._open.clear()

    def _handle(self, file: Mapped) -> Handle:
        handle = self._open.get(file.path)
        if handle is None:
            handle = open_regular(file.path, os.O_RDWR)
            if handle.identity != file.identity:
                raise OSError(errno.ESTALE, "the file was replaced", file.path)
            self._open[file.path] = handle
        return handle
