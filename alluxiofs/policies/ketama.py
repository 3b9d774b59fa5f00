"""Alluxio's policy KETAMA: a ring on which the points of one worker lie side by side.

So, unlike with the clients of memcached that gave it its name, more points do not make the shares more even: it is here
for clusters that are configured with it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Iterable, Iterator, Optional

from attrs import define, field
from mmh3 import hash as murmur3

from alluxiofs.interfaces import Context, Workers
from alluxiofs.policies.attempts import ByAttempts
from alluxiofs.policies.checks import at_least_one
from alluxiofs.policies.ring import HALF, POINT, WHO, build_ring, identity_bytes, walk

__all__ = ["Ketama"]


class Ketama(ByAttempts):
    """Alluxio's ketama ring; its shares are uneven, so take it only where the cluster has it."""

    name = "ketama"

    @define(frozen=True)
    class Settings:
        """Settings of the ring.

        Parameters
        ----------
        replicas:
            Points of each worker, side by side. It must be what the cluster has.
        """

        replicas: int = field(default=200, validator=at_least_one("ketama"))

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        self._last = len(workers) - 1
        self.ring = build_ring(workers, self._points())
        """All points, as :func:`alluxiofs.policies.ring.build_ring` has them."""

    def _points(self) -> Iterator[Iterable[float]]:
        replicas = self.settings.replicas
        for who, worker in enumerate(reversed(self.workers)):
            first = murmur3(identity_bytes(worker.identity))
            # Sums of 32-bit integers go round.
            yield [((first + i + HALF) % (2 * HALF) - HALF) * POINT + who for i in range(replicas)]

    def _choose(self, text: bytes) -> int:
        ring = self.ring
        return self._last - int(ring[bisect_left(ring, murmur3(text) * POINT)]) % WHO

    def _others(self, text: bytes) -> Iterator[int]:
        return (self._last - who for who in walk(self.ring, murmur3(text)))
