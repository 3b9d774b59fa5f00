"""Highest random weight: every worker draws a number for the key, and the highest ones win.

It needs no table, no settings and no order of the workers, balances evenly with any number of them, and a worker that
goes takes only its own keys along. The price is one hash a worker for each key.

Thaler and Ravishankar, "A name-based mapping scheme for rendezvous", University of Michigan, CSE-TR-316-96.
"""

from __future__ import annotations

from heapq import nlargest
from typing import Any, List, Optional

from xxhash import xxh3_64_intdigest

from alluxiofs.interfaces import Context, Worker, WorkerPolicy, Workers

__all__ = ["Rendezvous"]


class Rendezvous(WorkerPolicy):
    """Highest random weight: even shares without a table; for caches that are not placed by Alluxio's ring."""

    name = "rendezvous"

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        # In order of identity, because what selects the highest keeps the order of equals: this breaks ties the same
        # way whatever order the membership gave.
        self._by_identity = sorted(workers, key=lambda worker: (worker.identity.version, worker.identity.identifier))
        self._prefixes = [
            worker.identity.version.to_bytes(4, "little") + worker.identity.identifier for worker in self._by_identity
        ]

    def rank(self, key: str, count: int) -> List[Worker]:
        """The workers by descending XXH3 (64 bits) of version, identifier and key."""
        data = key.encode("utf-8", "surrogatepass")
        weights = [xxh3_64_intdigest(prefix + data) for prefix in self._prefixes]
        best = nlargest(count, range(len(weights)), key=weights.__getitem__)
        return [self._by_identity[who] for who in best]
