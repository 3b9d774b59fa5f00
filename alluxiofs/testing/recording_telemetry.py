"""A telemetry that keeps what it is told, for tests to look at."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Mapping, Optional

from alluxiofs.interfaces import Call, Context, Event, Telemetry
from alluxiofs.testing.context import make_context

__all__ = ["RecordingTelemetry"]


class RecordingTelemetry(Telemetry):
    """A stand-in for tests: every call and event, in the order they were told.

    Both arguments may be left out. It is given to a filesystem as the object it is: ``telemetry=recording``.

    Attributes
    ----------
    calls, events:
        What was told since the beginning or the last :meth:`forget`.
    """

    name = "recording"

    def __init__(self, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(self.Settings() if settings is None else settings, context or make_context())
        self._lock = threading.Lock()
        self._watched: Dict[str, List[Callable[[], Mapping[str, int]]]] = {}
        self.calls: List[Call] = []
        self.events: List[Event] = []

    def record_call(self, call: Call) -> None:
        """Keep the call."""
        self.calls.append(call)

    def record_event(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def watch(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Have :meth:`counters` ask ``read``, once however often it is named."""
        with self._lock:
            watched = self._watched.setdefault(name, [])
            if read not in watched:
                watched.append(read)

    def counters(self, name: str) -> Dict[str, int]:
        """What those who watch under ``name`` say now, added up; empty if there are none."""
        with self._lock:
            readers = list(self._watched.get(name, ()))
        total: Dict[str, int] = {}
        for read in readers:
            for counter, value in read().items():
                total[counter] = total.get(counter, 0) + value
        return total

    def count(self, method: str, state: str = "ok", target: str = "worker") -> int:
        """How many calls of a method ended this way."""
        return sum(1 for call in list(self.calls) if (call.method, call.state, call.target) == (method, state, target))

    def forget(self) -> None:
        """Drop the calls and events told so far; who is watched stays."""
        self.calls.clear()
        self.events.clear()
