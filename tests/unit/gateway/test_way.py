"""Whether a file is read ahead of its reader, or straight: by what was quicker."""

from __future__ import annotations

import os
from typing import Any, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.fileobjects import ahead
from alluxiofs.fileobjects.ahead import MemoryAhead, Pace
from alluxiofs.fileobjects.way import LARGE, Way
from alluxiofs.gateway import threads

MIB = 2**20
PATTERN = os.urandom(MIB + 7)  # no two MiB of a file of it are alike


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Far:
    """A file at a distance: each read takes a while, and each MiB of it. What was read by whom is noted."""

    page_size = 2**16

    def __init__(self, clock: Clock, length: int, latency: float, of_a_mib: float) -> None:
        self.length, self.latency, self.of_a_mib = length, latency, of_a_mib
        self._clock = clock
        self.by_reader: List[Tuple[int, int]] = []
        self.ahead = False
        self.held_ahead = 0

    def read(self, offset: int, size: int) -> bytes:
        size = max(0, min(size, self.length - offset))
        if self.ahead:
            self.held_ahead += size
        else:
            self.by_reader.append((offset, size))
        self._clock.now += self.latency + self.of_a_mib * size / MIB
        begin = offset % len(PATTERN)
        return (PATTERN * (size // len(PATTERN) + 2))[begin : begin + size]

    def read_into(self, offset: int, view: memoryview) -> int:
        data = self.read(offset, len(view))
        view[: len(data)] = data
        return len(data)

    def patience(self) -> float:
        return 5.0

    def count_ahead(self, used: int, wasted: int) -> None:
        assert wasted == 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(ahead, "time", found)
    monkeypatch.setattr(ahead, "room", ahead._Room(256 * MIB))
    return found


def opened(clock: Clock, monkeypatch: pytest.MonkeyPatch, latency: float, of_a_mib: float) -> Any:
    """A file whose reader waits 0.6 ms for a MiB that was read ahead."""
    file = Far(clock, 512 * MIB, latency, of_a_mib)

    def submit(task: Any, _: int) -> bool:
        file.ahead, before = True, clock.now
        task()
        file.ahead, clock.now = False, before  # others have spent that time
        return True

    def wait(source: MemoryAhead, block: Any) -> Any:
        clock.now += 0.6e-3
        return block.data

    monkeypatch.setattr(threads, "try_submit", submit)
    monkeypatch.setattr(MemoryAhead, "_data_of", wait)
    return file


def stream(file: Far, size: int, fixed: Any = None) -> None:
    source = MemoryAhead(file, Pace(fixed))  # type: ignore[arg-type]  # as much of an open file as it uses
    buffer = bytearray(size)
    for number, offset in enumerate(range(0, file.length, size)):
        if number % 2:
            data = source.sequential(offset, size)
        else:
            data = bytes(memoryview(buffer)[: source.sequential_into(offset, memoryview(buffer))])
        begin = offset % len(PATTERN)
        wanted = min(size, file.length - offset)
        assert data == (PATTERN * (wanted // len(PATTERN) + 2))[begin : begin + wanted]
    source.close()


def straight(file: Far) -> int:
    return sum(size for _, size in file.by_reader)


def test_what_is_near_is_read_straight(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(clock, monkeypatch, latency=50e-6, of_a_mib=0.3e-3)
    stream(file, MIB)
    assert straight(file) >= file.length - 64 * MIB
    assert straight(file) + file.held_ahead == file.length


@pytest.mark.parametrize(("latency", "of_a_mib"), [(20e-3, 1e-3), (2e-3, 0.3e-3), (50e-6, 1.2e-3), (0.1e-3, 10e-3)])
def test_what_is_far_is_read_ahead(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, latency: float, of_a_mib: float
) -> None:
    file = opened(clock, monkeypatch, latency, of_a_mib)
    stream(file, MIB)
    assert file.held_ahead >= 0.9 * file.length
    assert straight(file) + file.held_ahead == file.length


@pytest.mark.parametrize("size", [4096, LARGE // 2, LARGE - 1])
def test_small_reads_are_served_from_what_is_read_ahead(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    file = opened(clock, monkeypatch, latency=50e-6, of_a_mib=0.3e-3)
    file.length = 64 * MIB
    stream(file, size)
    assert straight(file) <= LARGE


def test_a_distance_that_was_asked_for_is_read_ahead(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(clock, monkeypatch, latency=50e-6, of_a_mib=0.3e-3)
    stream(file, MIB, fixed=8 * MIB)
    assert file.held_ahead >= 0.9 * file.length


def test_a_way_that_becomes_longer_is_read_ahead_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(clock, monkeypatch, latency=50e-6, of_a_mib=0.3e-3)
    stream(file, MIB)
    before, file.by_reader = straight(file), []
    source = MemoryAhead(file, Pace(None))
    for offset in range(0, 128 * MIB, MIB):
        source.sequential(offset, MIB)
    assert before
    file.by_reader, file.latency = [], 20e-3
    for offset in range(128 * MIB, file.length, MIB):
        source.sequential(offset, MIB)
    source.close()
    assert straight(file) <= 8 * MIB


Reads = st.lists(st.tuples(st.booleans(), st.integers(1, 8 * MIB), st.floats(0, 1)), max_size=200)


@settings(deadline=None)
@given(Reads)
def test_little_is_lost_by_trying(reads: List[Tuple[bool, int, float]]) -> None:
    """However long reads take: nothing goes straight until enough was read ahead, and whatever takes much longer is
    the last that does."""
    way, passed = Way(), 0
    for is_ahead, size, share in reads:
        assert not way.is_for(LARGE - 1)
        if passed < 16 * MIB:
            assert not way.is_for(LARGE)
        if is_ahead:
            way.fetched(size, share * 3e-3 * size / MIB)
            way.was_ahead(size, share * 1e-3 * size / MIB)  # up to 1 ms a MiB
            passed += size
        else:
            way.was_straight(size, 17e-3 * share)
            if 17e-3 * share > 1e-3 * size / MIB + 8e-3:
                assert not way.is_for(LARGE)


def tried(way: Way) -> int:
    """MiB that are read ahead, with 0.6 ms of waiting for each, until it is tried without."""
    for number in range(2000):
        if way.is_for(LARGE):
            return number
        way.fetched(4 * MIB, 1e-3)
        way.was_ahead(MIB, 0.6e-3)
    raise AssertionError("it never was")


def test_a_trial_that_failed_makes_the_next_one_later_and_one_slow_read_after_much_that_was_won_does_not() -> None:
    way = Way()
    found = []
    for _ in range(5):
        found.append(tried(way))
        for _ in range(25):
            way.was_straight(MIB, 1e-3)
    assert found == [16, 64, 256, 1024, 1024]
    tried(way)
    for _ in range(200):
        way.was_straight(MIB, 0.3e-3)
    way.was_straight(MIB, 20e-3)
    assert tried(way) == 16


def test_a_reader_that_does_not_wait_is_read_ahead_of() -> None:
    way = Way()
    for _ in range(2000):
        way.fetched(4 * MIB, 1e-3)
        way.was_ahead(MIB, 0.1e-3)
        assert not way.is_for(LARGE)


def test_a_reader_is_not_disturbed_by_another_thread_that_decides_meanwhile() -> None:
    way = Way()

    class Seconds(float):
        """A time, between whose comparison and what follows of it another thread has its turn."""

        def __radd__(self, other: float) -> float:
            return Seconds(other + float(self))

        def __gt__(self, other: float) -> bool:
            way._waited = float(self)
            way.was_ahead(MIB, 1.0)
            return True

    way.fetched(MIB, 0.0)
    for _ in range(30):
        way.was_ahead(MIB, 0.0)
    way.was_ahead(MIB, Seconds(1.0))
    assert way.is_for(LARGE)
