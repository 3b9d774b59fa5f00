"""What was recorded, in integers: calls are added a hundred or so at once, and everything else is done by who looks."""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections import defaultdict
from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from attrs import define

from alluxiofs import forks
from alluxiofs.interfaces import Call, Event
from alluxiofs.interfaces.telemetry import LEVELS, Final
from alluxiofs.plugins._telemetry.catalogue import BOUNDS

__all__ = ["CallKey", "Calls", "Taken", "Tally"]

_MOST = 1000  # series of calls, and of events: plugins make up methods and states, and a page must stay readable
_OTHER = "other"
_OF_CLUSTERS = frozenset({"workers_alive", "breakers_open"})

CallKey = Tuple[str, str, str, str]
EventKey = Tuple[str, str]


@define(frozen=True)
class Calls:
    """The calls of one target, component, method and state.

    Parameters
    ----------
    buckets:
        How many lasted up to each of the bounds, and longer than the last; each call is in one.
    seconds, bytes:
        Of all of them together.
    """

    target: str
    component: str
    method: str
    state: str
    buckets: Tuple[int, ...]
    seconds: float
    bytes: int


@define(frozen=True)
class Taken:
    """The calls of one target, component, method and state since they were last taken.

    Parameters
    ----------
    buckets, seconds:
        How many lasted up to each of the bounds, and longer than the last, and how long those did together.
    least, most:
        The shortest and the longest, in seconds.
    """

    target: str
    component: str
    method: str
    state: str
    buckets: Tuple[int, ...]
    seconds: Tuple[float, ...]
    least: float
    most: float


class _Sum:
    __slots__ = ("buckets", "bytes", "least", "most", "seconds", "taken")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = [0.0] * (len(BOUNDS) + 1)
        self.bytes = 0
        self.taken: Tuple[Tuple[int, ...], Tuple[float, ...]] = (tuple(self.buckets), tuple(self.seconds))
        self.least, self.most = math.inf, 0.0

    def add(self, seconds: Sequence[float], moved: int) -> None:
        """Count calls that lasted so long, the shortest first, and moved so many bytes together."""
        self.bytes += moved
        self.least, self.most = min(self.least, seconds[0]), max(self.most, seconds[-1])
        begin = 0
        for bucket, bound in enumerate((*BOUNDS, math.inf)):
            end = bisect_right(seconds, bound, begin)
            if end > begin:
                together = sum(seconds[begin:end])
                self.buckets[bucket] += end - begin
                self.seconds[bucket] += together
                begin = end


class Tally:
    """Counts calls and events, and asks those who are watched. In a forked child it begins anew, at nothing."""

    def __init__(self) -> None:
        self.begin_anew()
        forks.in_child(self.begin_anew)

    def begin_anew(self) -> None:
        """Count from nothing, with a lock of its own: the old one may be held by a thread that is not there."""
        # Re-entrant: the collector of garbage comes anywhere, and gives up what nobody closed: that is told here.
        self._lock = threading.RLock()
        self._sources: List[Callable[[], bool]] = []
        self._calls: Dict[CallKey, _Sum] = {}
        self._events: Dict[EventKey, int] = defaultdict(int)
        self._watched: Dict[str, List[_Watched]] = defaultdict(list)
        self._gone: Dict[str, Dict[str, int]] = defaultdict(dict)  # what those said who are not asked any more

    def gather(self, hand_over: Callable[[], bool]) -> Callable[[Sequence[Call]], None]:
        """Have calls handed over before anybody looks at what was counted. Returns what takes them."""
        self._look()  # who has gone is forgotten, though nobody may ever look
        with self._lock:
            self._sources.append(hand_over)
        return self.add_calls

    def _look(self) -> None:
        for hand_over in list(self._sources):
            if not hand_over():
                with self._lock:
                    self._sources = [source for source in self._sources if source is not hand_over]

    def add_call(self, call: Call) -> CallKey:
        """Count a call. Returns what it was counted as: its target, component, method and state, or others for those
        that come when there are too many."""
        with self._lock:
            return self._add(call[:4], (call.seconds,), call.bytes)

    def add_calls(self, calls: Sequence[Call]) -> None:
        """Count many calls, at least one, which takes a quarter of what it takes to count each."""
        *kind, seconds, moved = zip(*calls)
        if all(column.count(column[0]) == len(calls) for column in kind):  # as mostly: one read after the other
            with self._lock:
                self._add(calls[0][:4], sorted(seconds), sum(moved))
            return
        groups: Dict[CallKey, List[Call]] = defaultdict(list)
        for call in calls:
            groups[call[:4]].append(call)
        with self._lock:
            for key, group in groups.items():
                *_, seconds, moved = zip(*group)
                self._add(key, sorted(seconds), sum(moved))

    def _add(self, key: CallKey, seconds: Sequence[float], moved: int) -> CallKey:
        total = self._calls.get(key)
        if total is None:
            key = self._bounded(key)
            total = self._calls.setdefault(key, _Sum())
        total.add(seconds, moved)
        return key

    def _bounded(self, key: CallKey) -> CallKey:
        if len(self._calls) < _MOST:
            return key
        target, _, _, state = key
        return (target, _OTHER, _OTHER, "ok" if state == "ok" else _OTHER)

    def add_event(self, event: Event) -> None:
        """Count an event."""
        key = (event.kind, event.reason)
        with self._lock:
            if key not in self._events and len(self._events) >= _MOST:
                key = (_OTHER, _OTHER)
            self._events[key] += 1

    def watch(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Have :meth:`counters` ask ``read``, once however often it is named."""
        with self._lock:
            watched = self._watched[name]
            if all(one.read != read for one in watched):
                watched.append(_Watched(read))

    def calls(self) -> List[Calls]:
        """What was counted of calls."""
        self._look()
        with self._lock:
            return [
                Calls(*key, tuple(total.buckets), sum(total.seconds), total.bytes)
                for key, total in self._calls.copy().items()  # garbage may be told of meanwhile
            ]

    def take(self) -> List[Taken]:
        """The calls since the last time, for one who adds them up himself; :meth:`calls` has them all the same."""
        self._look()
        taken = []
        with self._lock:
            for key, total in self._calls.copy().items():
                now = (tuple(total.buckets), tuple(total.seconds))
                buckets = tuple(count - before for count, before in zip(now[0], total.taken[0]))
                if any(buckets):
                    seconds = tuple(after - before for after, before in zip(now[1], total.taken[1]))
                    taken.append(Taken(*key, buckets, seconds, total.least, total.most))
                    total.taken = now
                    total.least, total.most = math.inf, 0.0
        return taken

    def events(self) -> Dict[EventKey, int]:
        """What was counted of events, by kind and reason."""
        with self._lock:
            return dict(self._events)

    def counters(self, name: str) -> Dict[str, int]:
        """What those who are watched under a name say now, added up; of workers the most."""
        with self._lock:
            watched, together = list(self._watched[name]), dict(self._gone[name])
        for one in watched:
            said = one.now()
            if isinstance(said, Final):
                self._forget(name, one, said)
            for counter, value in said.items():
                before = together.get(counter, 0)
                # Several filesystems of one process mostly have one cluster, whose workers are not to be added up.
                together[counter] = max(before, value) if counter in _OF_CLUSTERS else before + value
        return together

    def _forget(self, name: str, one: _Watched, said: Final) -> None:
        """Ask somebody no more, who has said the last of his numbers; others may look at the same time."""
        with self._lock:
            if one in self._watched[name]:
                self._watched[name].remove(one)
                for counter, value in said.items():
                    self._gone[name][counter] = self._gone[name].get(counter, 0) + value


class _Watched:
    """A reader, and what it said last: while it fails, that stays, for a counter that falls looks like a restart."""

    def __init__(self, read: Callable[[], Mapping[str, int]]) -> None:
        self.read = read
        self._last: Mapping[str, int] = {}

    def now(self) -> Mapping[str, int]:
        try:
            said = self.read()
            self._last = said if isinstance(said, Final) else dict(said)
        except Exception:  # it is anybody's
            self._last = {name: value for name, value in self._last.items() if name not in LEVELS}
        return self._last
