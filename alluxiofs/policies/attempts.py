"""How Alluxio's clients come to several workers for one path: by attempts, each a key of its own.

The n-th attempt hashes the path with the decimal text of n behind it. Alluxio gives up after 100 attempts; here the
policy says who comes then, so that only the number of workers limits the answer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Iterable, Iterator, List

from alluxiofs.interfaces import Worker, WorkerPolicy, Workers

__all__ = ["ByAttempts", "distinct", "encoded"]

_ATTEMPTS = tuple(str(attempt).encode() for attempt in range(1, 101))


def encoded(key: str) -> bytes:
    """The bytes of a key that are hashed. Alluxio's encoder, too, writes a question mark for what is not Unicode text
    (undecodable bytes of a name)."""
    return key.encode("utf-8", "replace")


def distinct(workers: Workers, chosen: Iterable[int], count: int) -> List[Worker]:
    """The first ``count`` distinct ones of the workers that are chosen, by their numbers."""
    wanted = min(count, len(workers))
    seen = set()
    ranked: List[Worker] = []
    if wanted < 1:
        return ranked
    for who in chosen:
        if who not in seen:
            seen.add(who)
            ranked.append(workers[who])
            if len(ranked) == wanted:
                break
    return ranked


class ByAttempts(WorkerPolicy):
    """A policy that chooses one worker for a text, and several by trying texts."""

    def rank(self, key: str, count: int) -> List[Worker]:
        """The workers for ``key``: those that Alluxio's attempts 1, 2, 3 … come to, each once."""
        workers, data = self.workers, encoded(key)
        if count == 1 and workers:
            return [workers[self._choose(data + _ATTEMPTS[0])]]
        return distinct(workers, self._attempted(data), count)

    @abstractmethod
    def _choose(self, text: bytes) -> int:
        """The number of the worker for a text; there is at least one worker."""

    def _others(self, text: bytes) -> Iterator[int]:
        """Who comes when a hundred attempts were not enough; ``text`` is the first one's. Those after its choice, in
        their order, unless the policy knows better."""
        first, size = self._choose(text), len(self.workers)
        return ((first + step) % size for step in range(size))

    def _attempted(self, data: bytes) -> Iterator[int]:
        for attempt in _ATTEMPTS:
            yield self._choose(data + attempt)
        yield from self._others(data + _ATTEMPTS[0])
