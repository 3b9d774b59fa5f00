"""A page that a process has found, and reading from it."""

from __future__ import annotations

import os
from typing import List, Optional, Tuple

import xxhash

from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.layout import NOTE, USE_SHIFT, Descriptor, Word
from alluxiofs.pagestores.ondisk.mapped import Handle

__all__ = ["SECOND", "Found", "notes_behind", "read_fully", "whole_bytes", "whole_into", "whole_of_any_size"]

SECOND = 1_000_000_000
_CHUNK = 256 * 1024
_AT_ONCE = 4 * 2**20


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


# --- the bytes of a whole page, if they are those that were kept ------------------------------------------------------


def whole_bytes(found: Found) -> Optional[bytes]:
    """Its bytes, none of a page of more than 4 MiB, which would take much memory; ``None`` if they are others.

    ``pread`` makes them: an array that is filled, then copied to be ``bytes``, takes ten times as long.
    """
    if found.length > _AT_ONCE:
        return b"" if whole_of_any_size(found) else None
    data = os.pread(found.fd, found.length, found.base)
    return data if len(data) == found.length and xxhash.xxh3_64_intdigest(data) == found.checksum else None


def whole_into(found: Found, view: memoryview) -> Optional[memoryview]:
    """The view, as long as the page, filled; ``None`` if its bytes are others."""
    right = read_fully(found.fd, found.base, view) and xxhash.xxh3_64_intdigest(view) == found.checksum
    return view if right else None


def notes_behind(found: Found, number: int) -> List[Tuple[bytes, bytes]]:
    """The notes in so many cells behind one, whole ones alone, with their keys: in one read."""
    cells, first = found.cells, found.cell + 1
    end = min(first + number, cells.described)
    if end <= first:
        return []
    size, kept = cells.size, [cells.descriptor(cell) for cell in range(first, end)]
    data = os.pread(found.fd, (end - first) * size, cells.base(first))
    notes = []
    for cell, there in enumerate(kept):
        if there is None or not there.is_published or there.index != NOTE or there.length > size:
            continue
        note = data[cell * size : cell * size + there.length]
        # The word comes last, as at every read without the lock: what is in the cell was it all the while.
        right = len(note) == there.length and xxhash.xxh3_64_intdigest(note) == there.checksum
        if right and cells.word(first + cell) == there.word:
            notes.append((there.key, note))
    return notes


def whole_of_any_size(found: Found) -> bool:
    """Whether its bytes are those that were kept; in little memory."""
    digest = xxhash.xxh3_64()
    left, chunk = found.length, memoryview(bytearray(min(found.length, _CHUNK)))
    while left:
        part = chunk[: min(left, _CHUNK)]
        if not read_fully(found.fd, found.base + found.length - left, part):
            return False
        digest.update(part)
        left -= len(part)
    return bool(digest.intdigest() == found.checksum)
