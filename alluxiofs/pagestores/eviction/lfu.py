"""Least frequently used."""

from __future__ import annotations

from operator import attrgetter
from typing import List, Tuple

from alluxiofs.pagestores.eviction.policy import Candidate, Eviction

__all__ = ["Lfu"]


class Lfu(Eviction):
    """The page used least often goes first; of several, the least recently used one. Nothing ages: for sets of data
    whose popularity lasts."""

    name = "lfu"

    def order(self, candidates: List[Candidate]) -> List[Candidate]:
        # Pages that come later have been used less than most: look again before the rest has its turn.
        return sorted(candidates, key=attrgetter("uses", "used"))[: len(candidates) // 8 + 1]

    def rank(self, candidate: Candidate) -> Tuple[int, int]:
        return candidate.uses, candidate.used
