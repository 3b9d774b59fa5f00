"""A membership whose snapshots a test pushes."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Optional

from attrs import define, field

from alluxiofs.errors import UnavailableError
from alluxiofs.interfaces import Context, Deadline, Membership, Snapshot, Workers
from alluxiofs.plugins.worker_hosts import parse_workers
from alluxiofs.testing.context import make_context

__all__ = ["ScriptedMembership"]


def _parse_or_none(value: Any) -> Optional[Workers]:
    return None if value is None else parse_workers(value)


class ScriptedMembership(Membership):
    """A stand-in for tests: its snapshots are pushed, and its subscribers told at once.

    Both arguments may be left out: ``ScriptedMembership()`` knows no workers yet, and says so until the first
    :meth:`push`. It is given to a filesystem as the object it is: ``membership=scripted``.
    """

    name = "scripted"

    @define(frozen=True)
    class Settings:
        """Settings of the scripted membership.

        Parameters
        ----------
        workers:
            The first snapshot, as in ``worker_hosts``; ``None`` for none yet.
        """

        workers: Optional[Workers] = field(default=None, converter=_parse_or_none)

    def __init__(self, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(self.Settings() if settings is None else settings, context or make_context())
        self._lock = threading.Lock()
        self._subscribers: Dict[object, Callable[[Snapshot], None]] = {}
        self._snapshot: Optional[Snapshot] = None
        if self.settings.workers is not None:
            self._snapshot = Snapshot(self.settings.workers)

    def push(self, workers: Any) -> Snapshot:
        """Have other workers from now on, and tell the subscribers before this returns.

        Parameters
        ----------
        workers:
            As in ``worker_hosts``, ready :class:`~alluxiofs.interfaces.Worker` values among them; an empty list or
            tuple when all are gone.
        """
        parsed = parse_workers(workers) if workers else ()
        with self._lock:
            generation = 0 if self._snapshot is None else self._snapshot.generation + 1
            snapshot = self._snapshot = Snapshot(parsed, generation)
            subscribers = list(self._subscribers.values())
        for changed in subscribers:
            changed(snapshot)
        return snapshot

    def snapshot(self, deadline: Deadline) -> Snapshot:
        """The last snapshot that was pushed; ``UnavailableError`` before the first."""
        if self._snapshot is None:
            raise UnavailableError("the script of the membership has not begun: nothing was pushed")
        return self._snapshot

    def known(self) -> Snapshot:
        """The last snapshot that was pushed; before the first, no workers."""
        return self._snapshot or Snapshot(())

    def subscribe(self, changed: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have ``changed`` called with each snapshot that is pushed."""
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
