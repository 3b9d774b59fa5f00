"""How often pages were hit, and how many bytes were read out of them."""

from __future__ import annotations

import functools
import threading
from itertools import compress, count
from typing import Callable, Dict, Tuple

from alluxiofs.pagestores.recency import Tally

__all__ = ["Hits"]

_SIZES = 1024  # counted without a lock: readers mostly use few, and those who use any are not to fill the memory


class Hits(Dict[int, Callable[[], int]]):
    """Counts reads and their bytes, from many threads, without a lock and without losing any.

    There is no step that adds a number to another one for all threads, but :class:`Tally` has one that adds one: so the
    reads of each size are counted for themselves, and their bytes are the count times the size. ``hits[size]()`` counts
    a read of so many bytes, and gives a number above all that were given before, of whatever size.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._stamps = count(1)
        self._tallies: Dict[int, Tally] = {}
        self._others = 0
        self._bytes_of_others = 0

    def stamp(self) -> int:
        """A number above all that were given before, which counts no read."""
        return next(self._stamps)

    def __missing__(self, size: int) -> Callable[[], int]:
        with self._lock:
            tally = self._tallies.get(size)
            if tally is None:
                if len(self._tallies) >= _SIZES:
                    return functools.partial(self._add, size)
                tally = self._tallies[size] = Tally()
            # Takes one of both, and gives the former, for no number of the latter is 0: in less time than two calls.
            self[size] = compress(self._stamps, tally.numbers).__next__
            return self[size]

    def _add(self, size: int) -> int:
        with self._lock:
            self._others += 1
            self._bytes_of_others += size
        return self.stamp()

    def totals(self) -> Tuple[int, int]:
        """How many reads were counted, and how many bytes these were."""
        with self._lock:
            number, volume = self._others, self._bytes_of_others
            for size, tally in self._tallies.items():
                reads = tally.value()
                number += reads
                volume += reads * size
        return number, volume
