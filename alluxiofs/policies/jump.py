"""Alluxio's policy JUMP: no table at all; the order of the workers is what decides.

Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", arXiv:1406.2294.
"""

from __future__ import annotations

from mmh3 import hash as murmur3

from alluxiofs.policies.attempts import ByAttempts

__all__ = ["Jump"]

_FACTOR = 2862933555777941757
_MASK = (1 << 64) - 1
_HALF = float(1 << 31)


class Jump(ByAttempts):
    """Jump hash, as Alluxio has it: even shares without a table.

    A worker that goes moves the keys of others too, unless it is the last in the membership's order.
    """

    name = "jump"

    def _choose(self, text: bytes) -> int:
        state = murmur3(text) & _MASK
        size = len(self.workers)
        bucket, jump = -1, 0
        while jump < size:
            bucket = jump
            state = (state * _FACTOR + 1) & _MASK
            jump = int((bucket + 1) * (_HALF / ((state >> 33) + 1)))
        return bucket
