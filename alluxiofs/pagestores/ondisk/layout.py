"""What is in the files of the page store, to the byte. All numbers are little endian."""

from __future__ import annotations

import struct
from typing import NamedTuple, Tuple

import xxhash

__all__ = [
    "CLAIM",
    "CLAIMS",
    "CLASSES",
    "DESCRIPTOR_BYTES",
    "FREE",
    "LAYOUT",
    "NOTE",
    "PINNED",
    "Descriptor",
    "Word",
    "cell_bytes",
    "class_of",
    "first_cell_at",
    "page_hash",
]

LAYOUT = "v5"

# --- the control file -------------------------------------------------------------------------------------------

MAGIC = b"\x93ALXSTOR"
VERSION = 5
CLASSES = 97
START = struct.Struct("<8sQ")  # magic, version
MACHINE_AT = 16
MACHINE = struct.Struct("<16sQ")  # the machine's start, the sequence then; a checksum of both behind them
SIZES_AT = 48
BUCKETS_AT, CAPACITY_AT = 56, 80  # each twice, and a checksum behind
RECORDS_AT = 128
RECORD = struct.Struct("<6Q")
STATE_AT = RECORDS_AT + CLASSES * RECORD.size
STATE = struct.Struct("<QQ")  # the last sequence, whether somebody is changing something; a checksum behind them
CLAIMS_AT, CLAIMS = 8192, 1024
CLAIM = struct.Struct("<16sQQ")  # key, first page and number of pages, owner
CONTROL_BYTES = CLAIMS_AT + CLAIMS * CLAIM.size

# --- size classes: four to each doubling, so that a cell is at most a quarter larger than what is in it ------------

_SMALLEST = 256


def class_of(length: int) -> int:
    """The size class of a page of ``length`` bytes, below 4 GiB."""
    if length <= _SMALLEST:
        return 0
    shift = (length - 1).bit_length() - 3
    return (shift - 6) * 4 + ((length - 1) >> shift) - 3


def cell_bytes(size_class: int) -> int:
    """Bytes of a cell of a size class."""
    if not size_class:
        return _SMALLEST
    doublings, step = divmod(size_class - 1, 4)
    return (step + 5) << (doublings + 6)


_SHIFTED_FROM = 16384
_SHIFT_BYTES = 64


def first_cell_at(size_class: int) -> int:
    """Where the first cell is in its file. Copying into a buffer that begins just behind a multiple of 4096, as all
    large ones of malloc do, takes twice as long from a place that is one: each load waits for a store that seems to be
    to the same address. Small cells gain nothing, and would be in two blocks."""
    return _SHIFT_BYTES if cell_bytes(size_class) >= _SHIFTED_FROM else 0


# --- descriptors: what is in a cell -----------------------------------------------------------------------------

DESCRIPTOR_BYTES = 64
INDEX_MAGIC = b"\x93ALXCELL"
INDEX_HEADER = struct.Struct("<8sQQ")
USE_WORD = 6
NEXT_AT = 24
LENGTH_AT = 32  # and what is said of the page, in the upper half of that word
USE_AT = 48
_FIELDS = struct.Struct("<Q16sQIIQ")
_TAIL = struct.Struct("<QQ")
_WHOLE = struct.Struct("<Q16sQIIQQQ")

FREE = 0
NOTE = (1 << 64) - 1  # in the place of a page's index
PINNED = 1  # what is said of a page
FLAGS_SHIFT = 32


class Word:
    """The first word of a descriptor: when the page came (microseconds, never twice the same), and a state.

    It changes whenever the cell gets another page or none. A reader that sees the same word before and after it has
    read the cell has read that page.
    """

    PUBLISHED = 1
    PENDING = 2
    STATES = 0x07
    MOVES = 0xF8
    ONE_MOVE = 0x08
    SHIFT = 8

    @staticmethod
    def make(sequence: int, state: int) -> int:
        """A word."""
        return sequence << Word.SHIFT | state

    @staticmethod
    def moved(word: int) -> int:
        """The word of a page that has moved to another cell: never one it had in that cell, if it was there before
        and a reader still looks at it."""
        return word & ~Word.MOVES | (word + Word.ONE_MOVE) & Word.MOVES


class Descriptor(NamedTuple):
    """What a cell holds, in the order of the file. ``flags`` is 0 or ``PINNED``; ``checksum`` is the page's, or the
    owner of a cell that is being written."""

    word: int
    key: bytes
    index: int  # type: ignore[assignment]  # the field's own name; nobody searches a descriptor as a tuple
    length: int
    flags: int
    checksum: int
    use: int

    def pack(self) -> bytes:
        """As it is in the file."""
        fields = _FIELDS.pack(self.word, self.key, self.index, self.length, self.flags, self.checksum)
        return fields + _TAIL.pack(self.use, xxhash.xxh3_64_intdigest(fields))

    @classmethod
    def unpack(cls, data: bytes) -> Tuple[Descriptor, bool]:
        """What is in the file, and whether it is what was once written there."""
        *fields, check = _WHOLE.unpack(data)
        return cls._make(fields), check == xxhash.xxh3_64_intdigest(data[: _FIELDS.size])

    @property
    def is_published(self) -> bool:
        """Whether it is a page that may be read."""
        return self.word & Word.STATES == Word.PUBLISHED

    @property
    def is_pinned(self) -> bool:
        """Whether it stays when there is no room."""
        return bool(self.flags & PINNED)


# --- uses: when a page was last used (microseconds), and how often, at most once a second --------------------------

USE_SHIFT = 12
USE_COUNT = (1 << USE_SHIFT) - 1

_PLACE = struct.Struct("<16sQ")


def page_hash(key: bytes, index: int) -> int:
    """64 bits that spread pages over folders, buckets and claims."""
    return xxhash.xxh3_64_intdigest(_PLACE.pack(key, index))
