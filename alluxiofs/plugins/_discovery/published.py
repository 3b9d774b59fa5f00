"""The snapshot of a membership that changes, and those who are told."""

from __future__ import annotations

import threading
from typing import Callable, Dict, Optional

from alluxiofs.interfaces import Snapshot, Workers

__all__ = ["Published"]


class Published:
    """Holds the last snapshot. Each new one replaces it as a whole; the same workers again are no new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: Dict[object, Callable[[Snapshot], None]] = {}
        self.latest: Optional[Snapshot] = None
        """``None`` until workers were found for the first time, or none were."""

    def publish(self, workers: Workers) -> Snapshot:
        """Have these workers from now on, and tell the subscribers before this returns."""
        with self._lock:
            latest = self.latest
            if latest is not None and latest.workers == workers:
                return latest
            latest = self.latest = Snapshot(workers, 0 if latest is None else latest.generation + 1)
            subscribers = list(self._subscribers.values())
        for changed in subscribers:
            changed(latest)
        return latest

    def subscribe(self, changed: Callable[[Snapshot], None]) -> Callable[[], None]:
        """See :meth:`alluxiofs.interfaces.Membership.subscribe`."""
        token = object()
        with self._lock:
            self._subscribers[token] = changed

        def end() -> None:
            with self._lock:
                self._subscribers.pop(token, None)

        return end

    def close(self) -> None:
        """Tell nobody any more."""
        with self._lock:
            self._subscribers.clear()
