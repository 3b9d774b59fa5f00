"""A plugin module that travels by its name."""

from __future__ import annotations

from typing import Any, List, Sequence

from alluxiofs import hookimpl
from alluxiofs.interfaces import Worker, WorkerPolicy


class LastWorker(WorkerPolicy):
    """The workers, from the last to the first."""

    name = "last-worker"

    def rank(self, key: str, count: int) -> Sequence[Worker]:
        return self.workers[::-1][:count]


@hookimpl
def alluxiofs_worker_policies() -> List[Any]:
    return [LastWorker]
