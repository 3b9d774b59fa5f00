"""Least recently used."""

from __future__ import annotations

from operator import attrgetter
from typing import List

from alluxiofs.pagestores.eviction.policy import Candidate, Eviction

__all__ = ["Lru"]


class Lru(Eviction):
    """The least recently used page goes first."""

    name = "lru"

    def order(self, candidates: List[Candidate]) -> List[Candidate]:
        return sorted(candidates, key=attrgetter("used"))

    def rank(self, candidate: Candidate) -> int:
        return candidate.used
