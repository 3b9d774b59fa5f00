"""Alluxio's policy MULTI_PROBE: one point a worker, and several looks for a path, of which the nearest point wins.

Appleton and O'Reilly, "Multi-Probe Consistent Hashing", arXiv:1505.00062; Alluxio's takes a distance round the end of
the integers the short way, which may lead backwards.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Iterator, Optional

from attrs import define, field
from mmh3 import hash as murmur3

from alluxiofs.interfaces import Context, Workers
from alluxiofs.policies.attempts import ByAttempts
from alluxiofs.policies.checks import at_least_one
from alluxiofs.policies.ring import identity_bytes

__all__ = ["MultiProbe"]

_HALF = 1 << 31
_SEED = b"-559038737"  # 0xDEADBEEF as a signed integer


class MultiProbe(ByAttempts):
    """Multi-probe consistent hashing, as Alluxio has it: a small table, and a hash a probe for each path."""

    name = "multi-probe"

    @define(frozen=True)
    class Settings:
        """Settings of the probes.

        Parameters
        ----------
        probes:
            Looks for each path: more make the shares more even, and each costs a hash. It must be what the cluster has.
        """

        probes: int = field(default=21, validator=at_least_one("multi-probe"))

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        points = [
            (murmur3(str(murmur3(identity_bytes(worker.identity))).encode() + _SEED), who)
            for who, worker in enumerate(workers)
        ]
        points.sort()
        self.points = [point for point, _ in points]
        """Ascending."""
        self.owners = [who for _, who in points]
        """Whose each point is, by the worker's number."""
        self._probes = tuple(str(probe).encode() for probe in range(self.settings.probes))

    def _choose(self, text: bytes) -> int:
        return self.owners[self._nearest(text)]

    def _nearest(self, text: bytes) -> int:
        points = self.points
        best, index = _HALF - 1, 0
        for probe in self._probes:
            hashed = murmur3(text + probe)
            above = bisect_right(points, hashed)
            if above == len(points):
                above = 0
            # In 32 bits, where the absolute value of the smallest integer is itself.
            apart = abs((points[above] - hashed + _HALF) % (2 * _HALF) - _HALF)
            if apart == _HALF:
                apart = -_HALF
            if apart < best:
                best, index = apart, above
        return index

    def _others(self, text: bytes) -> Iterator[int]:
        first, size = self._nearest(text), len(self.owners)
        return (self.owners[(first + step) % size] for step in range(size))
