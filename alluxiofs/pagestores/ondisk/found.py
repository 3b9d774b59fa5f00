"""A page that a process has found, and reading from it."""

from __future__ import annotations

import os

from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.layout import USE_SHIFT, Descriptor, Word
from alluxiofs.pagestores.ondisk.mapped import Handle

__all__ = ["SECOND", "Found", "read_fully"]

SECOND = 1_000_000_000


class Found:
    """A page as this process has found it. It is still there as long as ``words[at] == word``.

    Attributes
    ----------
    fd, base:
        Where its bytes are; ``handle`` keeps the file open.
    used:
        Nanoseconds since the epoch of its last use by this process.
    due:
        When more is to be done than that: the other processes are told of the use, or the page is too old.
    """

    __slots__ = ("at", "base", "cell", "cells", "checksum", "due", "fd", "handle", "length", "used", "word", "words")

    def __init__(self, cells: Cells, cell: int, descriptor: Descriptor) -> None:
        self.handle: Handle = cells.data
        self.fd = self.handle.fd
        self.base = cells.base(cell)
        self.words = cells.index.words
        self.at = cells.word_at(cell)
        self.word = descriptor.word
        self.length = descriptor.length
        self.checksum = descriptor.checksum
        self.cells = cells
        self.cell = cell
        self.used = 0
        self.due = (descriptor.use >> USE_SHIFT) * 1000 + SECOND

    @property
    def born(self) -> int:
        """Nanoseconds since the epoch when it was kept."""
        return (self.word >> Word.SHIFT) * 1000


if hasattr(os, "preadv"):

    def read_fully(fd: int, offset: int, view: memoryview) -> bool:
        """Fill ``view`` from a file; ``False`` if it ends before."""
        return os.preadv(fd, (view,), offset) == len(view)

else:  # macOS before 11

    def read_fully(fd: int, offset: int, view: memoryview) -> bool:
        """Fill ``view`` from a file; ``False`` if it ends before."""
        data = os.pread(fd, len(view), offset)
        if len(data) != len(view):
            return False
        view[:] = data
        return True
