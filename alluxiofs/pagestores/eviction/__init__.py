"""Which page goes when room is needed."""

from __future__ import annotations

from typing import Dict, Type

from alluxiofs.pagestores.eviction.lfu import Lfu
from alluxiofs.pagestores.eviction.lru import Lru
from alluxiofs.pagestores.eviction.policy import Candidate, Eviction
from alluxiofs.pagestores.eviction.sieve import Sieve

__all__ = ["POLICIES", "Candidate", "Eviction"]

POLICIES: Dict[str, Type[Eviction]] = {policy.name: policy for policy in (Lru, Sieve, Lfu)}
