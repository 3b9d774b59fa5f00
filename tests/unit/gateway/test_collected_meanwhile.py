"""The collector of garbage runs anywhere, and what it has run may send for more: who looks at what is there is not in
its way."""

from __future__ import annotations

import contextlib
import gc
import threading
from typing import Any, Callable, Iterator, List, Mapping

import pytest

from alluxiofs.fileobjects.ahead import MemoryAhead, Pace, _Room
from alluxiofs.gateway import breaker as module
from alluxiofs.gateway import threads
from alluxiofs.gateway.breaker import Breakers
from alluxiofs.interfaces import Call, Event, Worker, WorkerIdentity
from alluxiofs.plugins._telemetry.tally import Tally

MIB = 2**20
MANY = 21  # for fewer Python has memory at hand, and the collector does not come


@contextlib.contextmanager
def at_each_collection(act: Callable[[], object]) -> Iterator[None]:
    """Have the collector come at each object it knows of, and ``act()`` called then."""

    def begins(phase: str, _info: Mapping[str, int]) -> None:
        if phase == "start":
            act()

    before = gc.get_threshold()
    gc.callbacks.append(begins)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(begins)


def test_more_is_sent_for_while_somebody_looks_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_process", threads._Process())
    go_on = threading.Event()
    try:
        for _ in range(MANY):
            assert threads.try_submit(go_on.wait, 1)  # type: ignore[arg-type]  # what it gives is nobody's
        with at_each_collection(lambda: threads.try_submit(go_on.wait, 1)):  # type: ignore[arg-type]
            # One object more at a time, for the collector comes with every second one.
            there = [(threads.has_room(1), [each]) for each in range(10)]
    finally:
        go_on.set()
    assert there[0][0]


def ends(work: Callable[[], object]) -> bool:
    """Whether it comes to its end, and does not wait for itself."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    return not thread.is_alive()


def test_a_file_that_was_read_ahead_of_is_collected_while_another_is_counted(assemble: Any) -> None:
    """A reader that is part of a cycle counts what was not read of it when the cycle is collected."""
    assembled = assemble()
    assembled.store.put("f", b"0123456789")
    opened = assembled.gateway.open(assembled.gateway.locate("f"))

    def work() -> None:
        with at_each_collection(lambda: opened.count_ahead(0, 1)):
            for _ in range(10):
                opened.count_ahead(1, 0)

    assert ends(work)
    assert assembled.gateway.counters()["readahead_used"] == 10
    assert assembled.gateway.counters()["readahead_wasted"] > 0


def test_memory_is_given_back_as_garbage_is_collected_while_another_takes_some() -> None:
    given: List[int] = [0]
    held: List[object] = []
    room = _Room(2**40)

    def give() -> None:
        room.give(1)
        given[0] += 1

    def work() -> None:
        with at_each_collection(give):
            for each in range(1000):
                assert room.take(2)
                # Of such tuples Python has none at hand then: up to 3.8 one is made to leave a lock.
                held.append((each, each, held))

    assert ends(work)
    assert room.left == 2**40 - 2000 + given[0]


def test_what_is_told_as_garbage_is_collected_does_not_wait_for_who_counts() -> None:
    tally = Tally()
    told = [0]

    def tell() -> None:
        tally.add_event(Event("retry", "timeout"))
        tally.add_calls([Call("worker", "rest", f"m{told[0] % 50}", "ok", 0.001, 1)])
        told[0] += 1

    def work() -> None:
        with at_each_collection(tell):
            for number in range(20):
                tally.add_calls([Call("worker", "rest", "read", "ok", 0.001 * each, 1) for each in range(1, 9)])
                tally.calls()
                tally.take()
                tally.add_event(Event("failover", str(number)))

    assert ends(work)
    counts = {calls.method: sum(calls.buckets) for calls in tally.calls()}
    assert counts.pop("read") == 160
    assert sum(counts.values()) == told[0]
    assert tally.events()["retry", "timeout"] == told[0]


class Far:
    """A file of which a reader that goes on is far ahead."""

    length, page_size = 2**40, MIB

    def read(self, _offset: int, _size: int) -> bytes:
        return b""

    def read_into(self, _offset: int, _view: memoryview) -> int:
        return 0

    def patience(self) -> float:
        return 5.0

    def count_ahead(self, used: int, wasted: int) -> None:
        pass


def test_a_reader_goes_on_while_another_looks_for_bytes_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "try_submit", lambda task, _: task() is None)
    opened: Any = Far()
    source = MemoryAhead(opened, Pace(MANY * 4 * MIB))
    at = [0]

    def go_on() -> None:
        source.sequential(at[0], 3 * MIB)
        at[0] += 3 * MIB

    go_on()
    with at_each_collection(go_on):
        for _ in range(10):
            assert source.random(2**39, 1) == b""
            assert source.random_into(2**39, memoryview(bytearray(1))) == 0
    source.close()


def test_workers_are_asked_as_garbage_is_collected_while_those_that_left_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a program has in its finalizers may read a file."""
    breakers, numbers, anyone = Breakers(), iter(range(10**6)), WorkerIdentity.from_host("anyone")

    def ask() -> None:
        breakers.of("in-process", Worker(anyone, f"of-garbage-{next(numbers)}"))

    def work() -> None:
        for number in range(200):
            breakers.of("in-process", Worker(anyone, f"left-{number}")).failed(waited=True)
        monkeypatch.setattr(module, "_FORGOTTEN", -1.0)
        with at_each_collection(ask):
            breakers.forget_absent()

    assert ends(work)
    assert next(numbers) > 1
    assert not breakers.failing
    assert breakers.state("in-process", Worker(anyone, "left-0")) == "closed"
