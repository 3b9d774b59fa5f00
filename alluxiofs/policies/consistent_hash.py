"""The ring that Alluxio's own clients and masters use by default, to the byte.

Whoever places by another ring asks workers that do not have the data: everything here (the hash, its sign, the byte
order of numbers, the rule for equal points, the way to the second choice) is given by Alluxio and cannot be improved.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain
from typing import Any, Iterable, Iterator, List, Optional

from attrs import define, field
from mmh3 import hash as murmur3

from alluxiofs.interfaces import Context, Worker, WorkerPolicy, Workers
from alluxiofs.policies.attempts import distinct, encoded
from alluxiofs.policies.checks import at_least_one
from alluxiofs.policies.ring import PART_BITS, POINT, WHO, build_ring, identity_bytes, parts_of, walk

__all__ = ["ConsistentHash"]

_ATTEMPTS = tuple(attempt.to_bytes(4, "little") for attempt in range(1, 101))  # Alluxio gives up after as many
_FIRST, _SECOND = _ATTEMPTS[:2]


class ConsistentHash(WorkerPolicy):
    """Alluxio's consistent hash ring: the default, and what a cluster places its data by."""

    name = "consistent-hash"

    @define(frozen=True)
    class Settings:
        """Settings of the ring.

        Parameters
        ----------
        virtual_nodes:
            Points of each worker on the ring. It must be what the cluster has, or other workers are asked than those
            that hold the data.
        """

        virtual_nodes: int = field(default=2000, validator=at_least_one("consistent-hash"))

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        self.ring = build_ring(workers, self._points())
        """All points, as :func:`alluxiofs.policies.ring.build_ring` has them."""
        self._parts = parts_of(self.ring)
        self._from_last = workers[::-1]  # as they are counted on the ring
        self._owners = [self._from_last[int(point) % WHO] for point in self.ring]

    def _points(self) -> Iterator[Iterable[float]]:
        # The `+` of two short byte strings for each point is cheaper than anything that avoids it.
        suffixes = [i.to_bytes(4, "little") for i in range(self.settings.virtual_nodes)]
        for who, worker in enumerate(reversed(self.workers)):
            prefix = identity_bytes(worker.identity)
            yield [murmur3(prefix + suffix) * POINT + who for suffix in suffixes]

    def rank(self, key: str, count: int) -> List[Worker]:
        """The workers for ``key``: those that Alluxio's attempts 1, 2, 3 … come to, each once.

        Alluxio fails where 100 attempts do not give ``count`` workers. Here the ring is walked on from the point of
        the first attempt, so that only the number of workers limits the answer.
        """
        try:
            data = key.encode()  # bytes: of text that has none mmh3 makes a crash
        except UnicodeEncodeError:  # to say what becomes of such characters each time takes half as long as the hash
            data = encoded(key)
        owners = self._owners
        if count == 1 and owners:  # in the path of every read, as is the next one: no more steps than it takes
            ring, parts = self.ring, self._parts
            hashed = murmur3(data + _FIRST)
            part = hashed >> PART_BITS
            return [owners[bisect_left(ring, hashed * POINT, parts[part], parts[part + 1])]]
        if count == 2 and owners:  # most often two attempts come to two workers
            first, second = self._attempt(data + _FIRST), self._attempt(data + _SECOND)
            if second is not first:
                return [first, second]
        return self._ranked(data, count)

    def _attempt(self, data: bytes) -> Worker:
        ring, parts = self.ring, self._parts
        hashed = murmur3(data)
        part = hashed >> PART_BITS
        return self._owners[bisect_left(ring, hashed * POINT, parts[part], parts[part + 1])]

    def _ranked(self, data: bytes, count: int) -> List[Worker]:
        ring = self.ring
        attempts = (int(ring[bisect_left(ring, murmur3(data + attempt) * POINT)]) % WHO for attempt in _ATTEMPTS)
        # Every worker has a point, so one round finds them all.
        return distinct(self._from_last, chain(attempts, walk(ring, murmur3(data + _FIRST))), count)
