"""The ring that Alluxio's own clients and masters use by default, to the byte.

Whoever places by another ring asks workers that do not have the data: everything here (the hash, its sign, the byte
order of numbers, the rule for equal points, the way to the second choice) is given by Alluxio and cannot be improved.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any, List, Optional

from attrs import Attribute, define, field
from mmh3 import hash as murmur3

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.interfaces import Context, Worker, WorkerIdentity, WorkerPolicy, Workers

__all__ = ["ConsistentHash", "build_ring"]

_ATTEMPTS = tuple(attempt.to_bytes(4, "little") for attempt in range(1, 101))  # Alluxio gives up after as many

# A point of the ring is kept as one float, `point * 2^20 + who`. That is exact (32 + 20 bits; a float has 53), and
# floats are what Python sorts fastest (in two thirds of the time of integers of this size).
_WHO = 1 << 20
_POINT = float(_WHO)


def identity_bytes(identity: WorkerIdentity) -> bytes:
    """What stands for a worker on the ring: its identifier, then the version as 4 bytes, little endian."""
    return identity.identifier + identity.version.to_bytes(4, "little")


def build_ring(workers: Workers, virtual_nodes: int) -> array[float]:
    """The points of all workers in ascending order, each with its worker in the lowest 20 bits.

    A worker is counted from the last one, so that of two on one point the later comes first: it is the one that a
    look-up finds, as in Alluxio, where it replaces the earlier. What it hides stays in the ring for those who walk it.
    """
    # The `+` of two short byte strings for each point is cheaper than anything that avoids it.
    suffixes = [i.to_bytes(4, "little") for i in range(virtual_nodes)]
    points: List[float] = []
    for who, worker in enumerate(reversed(workers)):
        prefix = identity_bytes(worker.identity)
        points += [murmur3(prefix + suffix) * _POINT + who for suffix in suffixes]
    points.sort()
    return array("d", points)


def _at_least_one(_: Any, attribute: Attribute[int], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingTypeError(f"{attribute.name}={value!r} of policy 'consistent-hash': a whole number is needed")
    if value < 1:
        raise ConfigurationError(f"{attribute.name}={value!r} of policy 'consistent-hash': must be at least 1")


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

        virtual_nodes: int = field(default=2000, validator=_at_least_one)

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        if len(workers) > _WHO:
            raise ConfigurationError(f"policy 'consistent-hash' takes at most {_WHO} workers, not {len(workers)}")
        self._ring = build_ring(workers, self.settings.virtual_nodes)

    def rank(self, key: str, count: int) -> List[Worker]:
        """The workers for ``key``: those that Alluxio's attempts 1, 2, 3 … come to, each once.

        Alluxio fails where 100 attempts do not give ``count`` workers. Here the ring is walked on from the point of
        the first attempt, so that only the number of workers limits the answer.
        """
        workers, ring = self.workers, self._ring
        last = len(workers) - 1
        wanted = min(count, len(workers))
        ranked: List[Worker] = []
        if wanted < 1:
            return ranked
        # Alluxio's encoder, too, writes a question mark for what is not Unicode text (undecodable bytes of a name).
        data = key.encode("utf-8", "replace")
        seen = set()
        for attempt in _ATTEMPTS:
            at = bisect_left(ring, murmur3(data + attempt) * _POINT)
            who = last - int(ring[at if at < len(ring) else 0]) % _WHO
            if who not in seen:
                ranked.append(workers[who])
                if len(ranked) == wanted:
                    return ranked
                seen.add(who)
        # Every worker has a point, so one round finds them all.
        start = bisect_left(ring, murmur3(data + _ATTEMPTS[0]) * _POINT)
        for step in range(start, start + len(ring)):
            who = last - int(ring[step % len(ring)]) % _WHO
            if who not in seen:
                ranked.append(workers[who])
                if len(ranked) == wanted:
                    break
                seen.add(who)
        return ranked
