"""A worker policy for alluxiofs: always the first worker, then the next."""

from __future__ import annotations

from typing import List, Type

from alluxiofs import Worker, WorkerPolicy, hookimpl
from attrs import define

__all__ = ["FirstWorker", "alluxiofs_worker_policies"]


class FirstWorker(WorkerPolicy):
    """Always the first worker, then the next."""

    name = "first-worker"

    @define(frozen=True)
    class Settings:
        """Settings of the policy.

        Parameters
        ----------
        offset:
            Which of the workers is the first.
        """

        offset: int = 0

    def rank(self, key: str, count: int) -> List[Worker]:
        """The workers in the membership's order, whatever the key."""
        workers, start = self.workers, self.settings.offset
        return [workers[(start + i) % len(workers)] for i in range(min(count, len(workers)))]


@hookimpl
def alluxiofs_worker_policies() -> List[Type[WorkerPolicy]]:
    """What this package adds."""
    return [FirstWorker]
