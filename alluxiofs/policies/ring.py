"""A ring of points, each of them a worker's, as Alluxio's clients walk it: signed, ascending, and round again."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Iterable, Iterator, List

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import WorkerIdentity, Workers

__all__ = ["HALF", "PART_BITS", "POINT", "WHO", "build_ring", "identity_bytes", "parts_of", "walk"]

# A point of the ring is kept as one float, `point * 2^20 + who`. That is exact (32 + 20 bits; a float has 53), and
# floats are what Python sorts fastest (in two thirds of the time of integers of this size).
WHO = 1 << 20
POINT = float(WHO)
HALF = 1 << 31
PART_BITS = 32 - 12
_AROUND = float(1 << 32) * POINT


def identity_bytes(identity: WorkerIdentity) -> bytes:
    """What stands for a worker in Alluxio's hashes: its identifier, then the version as 4 bytes, little endian."""
    return identity.identifier + identity.version.to_bytes(4, "little")


def build_ring(workers: Workers, points_of: Iterable[Iterable[float]]) -> array[float]:
    """The points of all workers in ascending order, each with its worker in the lowest 20 bits.

    A worker is counted from the last one, so that of two on one point the later comes first: it is the one that a
    look-up finds, as in Alluxio, where it replaces the earlier. What it hides stays in the ring for those who walk it.
    The first point stands again at the end, a turn further on: so every look-up ends at a point.

    Parameters
    ----------
    workers:
        At most 2^20.
    points_of:
        For each worker, from the last one (0) to the first, its points: ``point * POINT + who`` of signed integers of
        32 bits. They are packed where they are made, for each pass over all of them takes a fifth of the whole time.
    """
    if len(workers) > WHO:
        raise ConfigurationError(f"this policy takes at most {WHO} workers, not {len(workers)}")
    points: List[float] = []
    for own in points_of:
        points += own
    points.sort()
    if points:
        points.append(points[0] + _AROUND)
    return array("d", points)


def parts_of(ring: array[float]) -> List[int]:
    """Where the points of each of 4096 equal parts of the integers begin: who looks from ``parts[hash >> PART_BITS]``
    to the next one only compares a third as often.

    The parts of the negative integers, which come first on the ring, stand at the end: so a negative index finds them.
    """
    begins = [bisect_left(ring, (part << PART_BITS) * POINT) for part in range(-(1 << 11), (1 << 11) + 1)]
    return begins[1 << 11 :] + begins[: 1 << 11]


def walk(ring: array[float], point: int) -> Iterator[int]:
    """The workers of the ring, counted from the last one, from a point on and once round; many times each."""
    start = bisect_left(ring, point * POINT)
    for step in range(start, start + len(ring)):
        yield int(ring[step % len(ring)]) % WHO
