"""The contract of telemetry."""

from __future__ import annotations

import time
from typing import Callable, List, Mapping, Sequence, Type

import pytest

from alluxiofs.interfaces import Call, Component, Event, Telemetry
from alluxiofs.testing.components import ComponentContract
from alluxiofs.testing.context import make_context
from alluxiofs.testing.guards import at_once, no_io

__all__ = ["CountingTelemetryContract", "TelemetryContract", "WatchingTelemetryContract"]

_STATES = (
    "ok",
    "not_found",
    "exists",
    "denied",
    "timeout",
    "unavailable",
    "bad_answer",
    "changed",
    "failed",
)
_EVENTS = ("retry", "failover", "fallback", "breaker_opened", "breaker_closed", "page_store_off")


def call(method: str = "read", state: str = "ok", size: int = 4096) -> Call:
    """A call to a worker that took ten milliseconds."""
    return Call("worker", "alluxio", method, state, 0.01, size)


def _record_together(telemetry: Telemetry, times: int) -> None:
    """Record a call so many times in each of eight threads."""

    def record() -> None:
        for _ in range(times):
            telemetry.record_call(call())

    at_once(*[record] * 8)


class TelemetryContract(ComponentContract):
    """What everybody who records relies on: it returns at once and raises nothing.

    Set ``telemetry_class``, or override the fixture ``make``. One that counts keeps
    :class:`CountingTelemetryContract`.
    """

    telemetry_class: Type[Telemetry]

    @pytest.fixture
    def make(self) -> Callable[[], Telemetry]:
        """Makes a telemetry; called once a test or more."""
        return lambda: self.telemetry_class(self.telemetry_class.Settings(), make_context())

    @pytest.fixture
    def component(self, make: Callable[[], Telemetry]) -> Component:
        return make()

    def test_nothing_happens_before_it_is_used(self, make: Callable[[], Telemetry]) -> None:
        with no_io():
            make().close()

    def test_it_takes_every_call(self, make: Callable[[], Telemetry]) -> None:
        telemetry = make()
        for state in _STATES:
            telemetry.record_call(call(state=state))
        telemetry.record_call(Call("under_store", "s3", "a-method-of-a-plugin", "a-state-of-a-plugin", 0.0, 0))
        telemetry.record_call(Call("under_store", "s3", "read", "ok", 86400.0, 1 << 50))
        telemetry.close()

    def test_it_takes_every_event(self, make: Callable[[], Telemetry]) -> None:
        telemetry = make()
        for kind in _EVENTS:
            telemetry.record_event(Event(kind, "timeout", "worker-1"))
            telemetry.record_event(Event(kind, "timeout"))
        telemetry.close()

    def test_what_it_watches_may_fail_and_may_repeat(self, make: Callable[[], Telemetry]) -> None:
        def broken() -> Mapping[str, int]:
            raise RuntimeError("the page store is closed")

        telemetry = make()
        telemetry.watch("page_store", broken)
        telemetry.watch("page_store", lambda: {"hits": 1})
        telemetry.watch("page_store", lambda: {"hits": 2, "misses": 0})
        telemetry.record_call(call())
        telemetry.close()

    def test_threads_may_record_together(self, make: Callable[[], Telemetry]) -> None:
        telemetry = make()
        _record_together(telemetry, 200)
        telemetry.close()

    def test_recording_does_not_hold_up_the_caller(self, make: Callable[[], Telemetry]) -> None:
        telemetry = make()
        telemetry.record_call(call())  # the first one may set things up
        took = []
        for _ in range(101):
            began = time.perf_counter()
            telemetry.record_call(call())
            took.append(time.perf_counter() - began)
        telemetry.close()
        assert sorted(took)[50] < 0.001, "half of the calls take more than a millisecond to record"


class CountingTelemetryContract(TelemetryContract):
    """What is expected, besides, of one that counts calls: that it loses none and takes none for another.

    Override the fixture ``count`` too.
    """

    @pytest.fixture
    def count(self) -> Callable[[Telemetry, str, str], int]:
        """How many calls to workers, of a method and with a state, a telemetry has counted."""
        raise NotImplementedError("override the fixture `count`: `count(telemetry, method, state)`")

    def test_calls_are_counted_by_method_and_state(
        self, make: Callable[[], Telemetry], count: Callable[[Telemetry, str, str], int]
    ) -> None:
        telemetry = make()
        for method, state, times in (("read", "ok", 3), ("read", "timeout", 2), ("info", "ok", 1)):
            for _ in range(times):
                telemetry.record_call(call(method, state))
        assert count(telemetry, "read", "ok") == 3
        assert count(telemetry, "read", "timeout") == 2
        assert count(telemetry, "info", "ok") == 1
        assert count(telemetry, "info", "timeout") == 0
        telemetry.close()

    def test_none_is_lost_among_threads(
        self, make: Callable[[], Telemetry], count: Callable[[Telemetry, str, str], int]
    ) -> None:
        telemetry = make()
        _record_together(telemetry, 500)
        assert count(telemetry, "read", "ok") == 4000
        telemetry.close()

    def test_calls_that_come_together_are_counted_before_they_are_shown(
        self, make: Callable[[], Telemetry], count: Callable[[Telemetry, str, str], int]
    ) -> None:
        telemetry, source = make(), _Source()
        take = telemetry.gather(source.hand_over)
        if take is not None:  # else it is told of each as it ends
            source.take = take
            take([call(), call("info"), call()])
            assert count(telemetry, "read", "ok") == 2
            source.ended = [call(), call(state="timeout")]
            assert count(telemetry, "read", "ok") == 3
            assert count(telemetry, "read", "timeout") == 1
            assert count(telemetry, "info", "ok") == 1
        telemetry.close()


class _Source:
    """Calls of a filesystem that have ended, as far as telemetry sees them."""

    def __init__(self) -> None:
        self.ended: List[Call] = []
        self.take: Callable[[Sequence[Call]], object] = len

    def hand_over(self) -> bool:
        calls, self.ended = self.ended, []
        if calls:
            self.take(calls)
        return True


class _Shared:
    """A page store, as far as telemetry sees it."""

    def __init__(self) -> None:
        self.hits = 0

    def counters(self) -> Mapping[str, int]:
        return {"hits": self.hits, "capacity": 1000}


class WatchingTelemetryContract(TelemetryContract):
    """What is expected, besides, of one that shows what it watches: each reader is asked when somebody looks, and once.

    Override the fixture ``counter`` too.
    """

    @pytest.fixture
    def counter(self) -> Callable[[Telemetry, str, str], int]:
        """What those who are watched under a name say of a counter, now, together."""
        raise NotImplementedError("override the fixture `counter`: `counter(telemetry, name, counter)`")

    def test_what_is_watched_is_asked_when_somebody_looks(
        self, make: Callable[[], Telemetry], counter: Callable[[Telemetry, str, str], int]
    ) -> None:
        telemetry, watched = make(), _Shared()
        telemetry.watch("page_store", watched.counters)
        watched.hits = 7
        assert counter(telemetry, "page_store", "hits") == 7
        telemetry.close()

    def test_several_are_added_up(
        self, make: Callable[[], Telemetry], counter: Callable[[Telemetry, str, str], int]
    ) -> None:
        telemetry, one, other = make(), _Shared(), _Shared()
        telemetry.watch("page_store", one.counters)
        telemetry.watch("page_store", other.counters)
        one.hits, other.hits = 3, 4
        assert counter(telemetry, "page_store", "hits") == 7
        telemetry.close()

    def test_the_same_reader_counts_once(
        self, make: Callable[[], Telemetry], counter: Callable[[Telemetry, str, str], int]
    ) -> None:
        telemetry, shared = make(), _Shared()
        telemetry.watch("page_store", shared.counters)
        telemetry.watch("page_store", shared.counters)  # another bound method of the same object
        shared.hits = 3
        assert counter(telemetry, "page_store", "hits") == 3
        assert counter(telemetry, "page_store", "capacity") == 1000
        telemetry.close()
