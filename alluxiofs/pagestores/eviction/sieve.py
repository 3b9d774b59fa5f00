"""SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024)."""

from __future__ import annotations

from operator import attrgetter
from typing import List

from alluxiofs.pagestores.eviction.policy import Candidate, Eviction

__all__ = ["Sieve"]


class Sieve(Eviction):
    """A hand goes from the oldest page to the newest, and round: it takes the first that was not used since it last
    came by. A scan passes through and takes little with it."""

    name = "sieve"

    def __init__(self) -> None:
        self._hand = 0

    def order(self, candidates: List[Candidate]) -> List[Candidate]:
        # Before it goes round the hand comes by all that have come since it was last looked for.
        ahead = [candidate for candidate in candidates if candidate.born > self._hand]
        return sorted(ahead or candidates, key=attrgetter("born"))

    def spares(self, candidate: Candidate) -> bool:
        return candidate.uses > 0

    def passed(self, candidate: Candidate) -> None:
        self._hand = candidate.born

    def rank(self, candidate: Candidate) -> int:
        return candidate.born
