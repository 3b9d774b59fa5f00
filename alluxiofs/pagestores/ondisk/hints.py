"""Where a page may be: a hash table of hints, in which nothing has to be true.

A hint names a size class and a cell; the cell's descriptor says whether the page is there. So a hint that is stale,
lost, broken or seen half-written costs a look or a page, never a wrong byte, and readers need no lock.

Linear hashing (Litwin, 1980): the table grows by one bucket at a time, so that growing never stops anybody.
"""

from __future__ import annotations

import struct
from typing import Callable, List, Optional, Tuple

from alluxiofs.pagestores.ondisk.control import Control
from alluxiofs.pagestores.ondisk.mapped import Mapped
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["BUCKET_BYTES", "FIRST_BUCKETS", "Hints"]

_WAYS = 32
_FILL = 8  # on the average; in the buckets that are split last it is twice as many, and 32 hardly ever
BUCKET_BYTES = _WAYS * 8
FIRST_BUCKETS = 16
_STEP = 1 << 16
_CELL_BITS, _CLASS_BITS = 32, 8
_CELLS = (1 << _CELL_BITS) - 1
_CLASSES = (1 << _CLASS_BITS) - 1
_BUCKET = struct.Struct(f"<{_WAYS}Q")

_from_bytes = int.from_bytes

HashOf = Callable[[int, int], Optional[int]]
"""``hash_of(size_class, cell)``: of the page that is there, ``None`` if there is none."""


def _hint(page_hash: int, size_class: int, cell: int) -> int:
    return page_hash >> 40 << 40 | size_class << _CELL_BITS | (cell + 1)


def _hinted(bucket: bytes, high: bytes) -> List[Tuple[int, int]]:
    """The size classes and cells of the hints in a bucket whose upper bytes are these. Those are looked for as bytes,
    for most looks find one hint or none, and numbers of all 32 take three times as long."""
    found: List[Tuple[int, int]] = []
    end = bucket.find(high) + len(high)
    while end >= len(high):
        if not end & 7:  # where a hint ends; elsewhere these bytes are parts of others
            cell = _from_bytes(bucket[end - 8 : end - 4], "little") - 1
            if cell >= 0:
                found.append((bucket[end - 4], cell))
        end = bucket.find(high, end - len(high) + 1) + len(high)
    return found


class Hints:
    """The table.

    Parameters
    ----------
    path:
        Its file.
    control:
        Knows the number of buckets.
    """

    def __init__(self, path: str, control: Control) -> None:
        self.file = Mapped(path)
        self._control = control

    def find(self, page_hash: int, size_class: int) -> List[int]:
        """The cells where the page may be."""
        high = (page_hash >> 40 << _CLASS_BITS | size_class).to_bytes(4, "little")
        return [cell for _, cell in _hinted(self._bucket_of(page_hash), high)]

    def find_any(self, page_hash: int) -> List[Tuple[int, int]]:
        """The size classes and cells where something of that hash may be."""
        return _hinted(self._bucket_of(page_hash), (page_hash >> 40).to_bytes(3, "little"))

    def add(self, section: Section, page_hash: int, size_class: int, cell: int, hash_of: HashOf) -> None:
        """A page comes. In a bucket that is full, after all, another one loses its hint."""
        place = self._place(page_hash)
        bucket = self._bucket(place)
        hint = _hint(page_hash, size_class, cell)
        if hint in bucket:
            return
        if 0 not in bucket:
            for way, other in enumerate(bucket):
                found = hash_of(other >> _CELL_BITS & _CLASSES, (other & _CELLS) - 1)
                if found is None or self._place(found) != place:
                    bucket[way] = 0
        way = bucket.index(0) if 0 in bucket else cell % _WAYS
        section.put_word(self.file, place * BUCKET_BYTES + way * 8, hint)

    def remove(self, section: Section, page_hash: int, size_class: int, cell: int) -> None:
        """A page goes."""
        place = self._place(page_hash)
        bucket = self._bucket(place)
        hint = _hint(page_hash, size_class, cell)
        if hint in bucket:
            section.put_word(self.file, place * BUCKET_BYTES + bucket.index(hint) * 8, 0)

    def clear(self, section: Section) -> None:
        """No hints."""
        self.file.grown()
        section.zero(self.file, 0)
        self._control.set_buckets(section, FIRST_BUCKETS)

    def size_for(self, cells: int) -> int:
        """Bytes of the file for so many cells."""
        buckets = max(FIRST_BUCKETS, self._number(), cells // _FILL + 1)
        return -(-buckets * BUCKET_BYTES // _STEP) * _STEP

    def grow(self, section: Section, cells: int, hash_of: HashOf) -> None:
        """Have room for so many cells."""
        size = self.size_for(cells)
        if size > self.file.size:
            section.enlarge(self.file, size)
        while self._number() * _FILL < cells:
            self._split(section, hash_of)

    def _split(self, section: Section, hash_of: HashOf) -> None:
        """One bucket becomes two. Their number changes before a hint leaves the old one: see ``_bucket_of``."""
        number = self._number()
        old = number - (1 << (number.bit_length() - 1))
        stay: List[int] = []
        move: List[int] = []
        for hint in self._bucket(old):
            found = hash_of(hint >> _CELL_BITS & _CLASSES, (hint & _CELLS) - 1) if hint & _CELLS else None
            if found is not None:
                (move if self._place(found, number + 1) == number else stay).append(hint)
        section.put(self.file, number * BUCKET_BYTES, _BUCKET.pack(*move, *[0] * (_WAYS - len(move))))
        self._control.set_buckets(section, number + 1)
        section.put(self.file, old * BUCKET_BYTES, _BUCKET.pack(*stay, *[0] * (_WAYS - len(stay))))

    def _number(self) -> int:
        """How many buckets there are."""
        number = self._control.buckets
        if number * BUCKET_BYTES > self.file.size:
            self.file.grown()  # another process made it larger
        return number if 0 < number * BUCKET_BYTES <= self.file.size else FIRST_BUCKETS  # or the number is broken

    def _place(self, page_hash: int, number: int = 0) -> int:
        """The bucket of a page in a table of so many, or as many as there are."""
        number = number or self._number()
        mask = (1 << (number - 1).bit_length()) - 1
        place = page_hash & mask
        return place if place < number else place & mask >> 1

    def _bucket_of(self, page_hash: int) -> bytes:
        """The bucket of a page, read without the lock: if there are more buckets afterwards, the hint may have moved
        to a new one before this one was read."""
        before, number = 0, self._number()
        while number != before:
            begin = self._place(page_hash, number) * BUCKET_BYTES
            bucket: bytes = self.file.raw[begin : begin + BUCKET_BYTES]
            before, number = number, self._number()
        return bucket

    def _bucket(self, place: int) -> List[int]:
        return self.file.words[place * _WAYS : (place + 1) * _WAYS].tolist()
