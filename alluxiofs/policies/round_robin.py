"""Round robin: each question goes to the next worker, whatever it is about."""

from __future__ import annotations

from itertools import count as counting
from typing import Any, List, Optional

from alluxiofs.interfaces import Context, Worker, WorkerPolicy, Workers

__all__ = ["RoundRobin"]


class RoundRobin(WorkerPolicy):
    """The next worker at each question, whatever it is about: for data that every worker holds.

    It does not place by path, so what is cached on one worker is asked of another the next time.
    """

    name = "round-robin"

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        self._turns = counting()

    def rank(self, key: str, count: int) -> List[Worker]:
        """The next worker, then those after it; threads take turns."""
        workers, size = self.workers, len(self.workers)
        first = next(self._turns)
        return [workers[(first + step) % size] for step in range(min(count, size))]
