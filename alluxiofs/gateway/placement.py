"""Which workers are asked for a path: the membership's snapshot, and the policy made of it."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.interfaces import Deadline, Membership, Snapshot, Worker, WorkerPolicy, Workers

__all__ = ["Placement"]


class Placement:
    """Ranks the live workers.

    Parameters
    ----------
    membership:
        ``None``: there are no workers.
    policy:
        Makes a policy for a snapshot of workers; called once a snapshot.
    """

    def __init__(self, membership: Optional[Membership], policy: Callable[[Workers], WorkerPolicy]) -> None:
        self._membership = membership
        self._make = policy
        self._lock = threading.Lock()
        self._made: Optional[Tuple[Snapshot, WorkerPolicy]] = None

    def rank(self, url: str, count: Optional[int], deadline: Deadline) -> Sequence[Worker]:
        """The workers for a URL, best first; ``count`` of them, or all that are alive."""
        if self._membership is None:
            return ()
        snapshot = self._membership.snapshot(deadline)
        if not snapshot.workers:
            return ()
        made = self._made
        policy = made[1] if made is not None and made[0] is snapshot else self._policy(snapshot)
        return policy.rank(url, len(snapshot.workers) if count is None else count)

    def _policy(self, snapshot: Snapshot) -> WorkerPolicy:
        with self._lock:
            made = self._made
            if made is None or made[0] != snapshot:
                made = (snapshot, self._make(snapshot.workers))
                self._made = made
            return made[1]

    def describe(self, component: str) -> List[Dict[str, Any]]:
        """The workers as the membership knows them now, as the transport of this name reaches them; JSON-able. Of one
        that does not tell, those that were used last."""
        if self._membership is None:
            return []
        workers = self._membership.known().workers
        if self._made is not None and type(self._membership).known is Membership.known:
            workers = self._made[0].workers
        return [
            {
                "identity": str(worker.identity),
                "host": worker.host,
                "http_port": worker.http_port,
                "data_port": worker.data_port,
                "labels": dict(worker.labels),
                "breaker": process_breakers.state(component, worker),
            }
            for worker in workers
        ]
