"""Reading ahead: nothing for who reads here and there, more and more for who goes on, less for who does not."""

from __future__ import annotations

import gc
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.errors import UnavailableError
from alluxiofs.fileobjects import ahead
from alluxiofs.fileobjects.ahead import KeptAhead, MemoryAhead, Pace
from alluxiofs.fileobjects.source import Source
from alluxiofs.fileobjects.sources import source_for
from alluxiofs.gateway import threads
from alluxiofs.gateway.fetching import UNIT_AHEAD as UNIT
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled

PAGE = 2**16
MIB = 2**20
LENGTH = 12 * MIB + 100
DATA = os.urandom(MIB) * 12 + os.urandom(100)

Make = Callable[..., Tuple[Assembled, Source]]


@pytest.fixture
def reading(assemble: Callable[..., Assembled]) -> Make:
    def make(pages: bool, readahead: Any = "unasked", **limits: Any) -> Tuple[Assembled, Source]:
        store = MemoryPageStore(MemoryPageStore.Settings(capacity=Size(64 * MIB)), make_context(), PAGE)
        assembled = assemble(pages=pages, page_store=store if pages else None, page_size=PAGE, **limits)
        assembled.store.put("f", DATA)
        opened = assembled.gateway.open(assembled.gateway.locate("f"))
        opened.read(0, 1)
        options = None if readahead == "unasked" else {"readahead": readahead}
        return assembled, source_for(opened, 4 * MIB, False, None, options)

    return make


def counters(assembled: Assembled) -> Dict[str, int]:
    return assembled.gateway.counters()


def stream(source: Source, begin: int, end: int, size: int) -> bytes:
    pieces = []
    for offset in range(begin, end, size):
        read = source.sequential if offset > begin else source.random
        pieces.append(read(offset, min(size, end - offset)))
    return b"".join(pieces)


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
@pytest.mark.parametrize("size", [1000, 50_000, MIB, 5 * MIB])
def test_a_stream_is_fetched_once_and_mostly_ahead(reading: Make, pages: bool, size: int) -> None:
    assembled, source = reading(pages)
    assert stream(source, 0, LENGTH, size) == DATA
    source.close()
    counted = counters(assembled)
    assert counted["bytes_from_under_stores"] <= 1.01 * LENGTH
    assert counted["readahead_wasted"] == 0
    if size <= MIB:
        assert counted["readahead_used"] > LENGTH // 2


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_nothing_is_fetched_ahead_of_random_reads(reading: Make, pages: bool) -> None:
    assembled, source = reading(pages)
    chosen = random.Random(1)
    for _ in range(50):
        offset = chosen.randrange(LENGTH - 4096)
        assert source.random(offset, 4096) == DATA[offset : offset + 4096]
    counted = counters(assembled)
    assert counted["readahead_used"] == counted["readahead_wasted"] == 0
    if not pages:
        assert counted["bytes_from_under_stores"] == 1 + 50 * 4096


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_what_is_fetched_in_vain_makes_it_less(reading: Make, pages: bool) -> None:
    assembled, source = reading(pages)
    wasted = [0]
    for begin in range(0, 12 * MIB, 2 * MIB):
        assert stream(source, begin, begin + 8 * PAGE, PAGE) == DATA[begin : begin + 8 * PAGE]
        source.random(begin, 1)
        source.sequential(begin + 2 * MIB - 5, 5)
        wasted.append(counters(assembled)["readahead_wasted"])
    source.close()
    steps = [after - before for before, after in zip(wasted, wasted[1:])]
    assert steps[0] > 0
    assert sum(steps[3:]) / len(steps[3:]) < steps[0]


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_a_number_of_bytes_is_what_is_read_ahead(reading: Make, pages: bool) -> None:
    assembled, source = reading(pages, readahead=4 * PAGE)
    stream(source, PAGE, 2 * PAGE, 1000)
    source.close()
    counted = counters(assembled)
    assert 4 * PAGE <= counted["readahead_used"] + counted["readahead_wasted"] <= 8 * PAGE
    assembled, source = reading(pages, readahead=None)
    stream(source, PAGE, 2 * PAGE, 1000)
    assert counters(assembled)["bytes_from_under_stores"] <= (2 * PAGE if pages else PAGE + 1)


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_what_fails_ahead_is_read_by_who_wants_it(reading: Make, pages: bool) -> None:
    assembled, source = reading(pages, retries=0)
    opened_late = source.random(0, 1)
    assert opened_late == DATA[:1]

    def fail() -> None:
        raise UnavailableError("reset")

    got = source.sequential(1, 4 * PAGE)
    assembled.store.before_read = [fail]  # ahead of the reader
    for offset in range(1 + 4 * PAGE, LENGTH, 4 * PAGE):
        try:
            got += source.sequential(offset, 4 * PAGE)
        except ConnectionError:
            got += source.random(offset, 4 * PAGE)
    assert got == DATA[1:]


Step = st.tuples(
    st.sampled_from(["random", "sequential", "sequential", "into"]),
    st.integers(0, LENGTH + 5),
    st.one_of(st.integers(0, 5000), st.integers(0, MIB), st.sampled_from([PAGE, 5 * MIB])),
)


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
@pytest.mark.parametrize("readahead", ["unasked", 100, 300_000, 10 * MIB])
def test_any_way_of_reading_gives_the_bytes(reading: Make, pages: bool, readahead: Any) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(Step, max_size=12))
    def holds(steps: List[Tuple[str, int, int]]) -> None:
        _, source = reading(pages, readahead)
        position: Optional[int] = None
        for what, at, size in steps:
            offset = at if position is None or what == "random" else position
            if what == "into":
                buffer = bytearray(size)
                filled = source.sequential_into(offset, memoryview(buffer))
                data = bytes(buffer[:filled])
            else:
                data = (source.random if what == "random" else source.sequential)(offset, size)
            assert data == DATA[offset : offset + size]
            position = offset + len(data)
        source.close()

    holds()


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_threads_that_share_a_position_still_get_their_bytes(reading: Make, pages: bool) -> None:
    _, source = reading(pages)

    def read(seed: int) -> None:
        chosen = random.Random(seed)
        offset = chosen.randrange(LENGTH)
        for _ in range(30):
            if chosen.random() < 0.2:
                offset = chosen.randrange(LENGTH)
            assert source.sequential(offset, 30_000) == DATA[offset : offset + 30_000]
            offset += 30_000

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(read, range(8)))


@pytest.mark.parametrize("most", [0, MIB, 5 * MIB])
def test_all_files_together_hold_no_more_than_there_is_room_for(
    reading: Make, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()  # what other tests have left gives back its own room
    room = ahead._Room(most)
    monkeypatch.setattr(ahead, "room", room)
    sources = [reading(False)[1] for _ in range(4)]
    least = most
    for begin in range(0, LENGTH, MIB):
        end = min(begin + MIB, LENGTH)
        for source in sources:
            assert (source.sequential if begin else source.random)(begin, end - begin) == DATA[begin:end]
            least = min(least, room.left)
    assert 0 <= least < max(most, 1)
    for source in sources:
        source.close()
    assert room.left == most


class Sequence:
    """A file of which everything that is fetched ahead is there at once; what was asked for is noted."""

    page_size = PAGE

    def __init__(self, length: int) -> None:
        self.length = length
        self.ahead: List[Tuple[int, int]] = []
        self.counted = [0, 0]

    def read(self, offset: int, size: int) -> bytes:
        return bytes(max(0, min(size, self.length - offset)))

    def read_into(self, offset: int, view: memoryview) -> int:
        return min(len(view), self.length - offset)

    def prefetch(self, offset: int, size: int) -> Tuple[int, int]:
        end = min(offset + size, self.length)
        self.ahead.append((offset, end))
        return end, end - offset

    def count_ahead(self, used: int, wasted: int) -> None:
        self.counted[0] += used
        self.counted[1] += wasted


@pytest.mark.parametrize("size", [4096, PAGE, 300_000, MIB])
def test_from_front_to_back_the_window_is_four_times_what_was_read_up_to_a_bound(size: int) -> None:
    opened: Any = Sequence(1024 * MIB)
    source = KeptAhead(opened, Pace(None))
    most = 32 * MIB
    for offset in range(0, 128 * MIB, size):
        before = len(opened.ahead)
        source.sequential(offset, size)
        end = offset + size
        window = min(4 * end, most)
        for begin, stop in opened.ahead[before:]:
            assert begin >= end, "what is being read is not fetched ahead"
            rest = UNIT if stop - begin >= UNIT else 0  # several requests are whole units
            assert window - rest <= stop - end <= window + PAGE
    assert all(begin == end for (_, end), (begin, _) in zip(opened.ahead, opened.ahead[1:])), "nothing twice, no gap"
    assert len(opened.ahead) > 128 * MIB // UNIT
    source.close()
    assert opened.counted[1] <= most + PAGE


@pytest.mark.parametrize("page", [PAGE, MIB, 20 * MIB])
@pytest.mark.parametrize("size", [4096, 300_000, MIB, 5 * MIB])
def test_what_is_used_up_is_sent_for_again_in_whole_units(size: int, page: int) -> None:
    opened: Any = Sequence(256 * MIB)
    opened.page_size = page
    source = KeptAhead(opened, Pace(None))
    least, unit = 32 * MIB, max(UNIT, page)
    for offset in range(0, opened.length, size):
        source.sequential(offset, size)
        end = offset + size
        if 48 * MIB <= end < opened.length - 64 * MIB:
            least = min(least, opened.ahead[-1][1] - end)
    assert least >= 32 * MIB - UNIT - size
    settled = [end - begin for begin, end in opened.ahead if begin >= 48 * MIB and end < opened.length]
    assert all(sent % unit == 0 for sent in settled)
    requests = sum(-(-(end - begin) // unit) for begin, end in opened.ahead)
    assert requests <= opened.length // unit + 8


@pytest.mark.parametrize("page", [PAGE, MIB, 20 * MIB])
@pytest.mark.parametrize("fixed", [100_000, 512 * 2**10, 4 * MIB, 100 * MIB])
def test_a_distance_that_was_asked_for_is_kept_whatever_the_size_of_pages(fixed: int, page: int) -> None:
    opened: Any = Sequence(256 * MIB)
    opened.page_size = page
    source = KeptAhead(opened, Pace(fixed))
    size = 2**16
    source.sequential(0, size)
    for offset in range(size, 128 * MIB, size):
        ready = max((end for _, end in opened.ahead), default=0)
        next_page = -(-offset // page) * page
        assert ready - offset <= fixed + page
        assert max(ready, next_page) - offset >= fixed - min(UNIT, fixed // 2) - size, "too little is ahead"
        source.sequential(offset, size)


def test_what_was_refused_is_asked_for_again_soon() -> None:
    opened: Any = Sequence(256 * MIB)
    opened.page_size = 20 * MIB
    answer, refused = opened.prefetch, []

    def refuse(offset: int, size: int) -> Tuple[int, int]:
        refused.append(offset)
        return offset, 0

    opened.prefetch = refuse
    source = KeptAhead(opened, Pace(None))
    for offset in range(0, 10 * MIB, MIB):
        source.sequential(offset, MIB)
    opened.prefetch = answer
    for offset in range(10 * MIB, 10 * MIB + UNIT, MIB):
        source.sequential(offset, MIB)
    assert refused
    assert opened.ahead[0][0] == 20 * MIB


class Held(Sequence):
    """A file of which nothing is kept, and how much of it is held ahead at the most."""

    def patience(self) -> float:
        return 5.0


@pytest.mark.parametrize("fixed", [100_000, 4 * MIB, 16 * MIB, 100 * MIB])
def test_hardly_more_is_held_than_the_distance_that_was_asked_for(fixed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what other tests have left gives back its own room
    room = ahead._Room(256 * MIB)
    monkeypatch.setattr(ahead, "room", room)
    monkeypatch.setattr(threads, "try_submit", lambda task, _: task() is None)
    opened: Any = Held(256 * MIB)
    source = MemoryAhead(opened, Pace(fixed))
    most = 0
    for offset in range(0, 128 * MIB, 2**16):
        source.sequential(offset, 2**16)
        most = max(most, room.most - room.left)
    source.close()
    # A block is given back as a whole, once all of it was read.
    assert fixed - UNIT <= most <= fixed + min(fixed, UNIT) // 2 + min(fixed, UNIT) + 2**16


def test_what_is_closed_while_another_thread_reads_gives_all_back(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    room = ahead._Room(256 * MIB)
    monkeypatch.setattr(ahead, "room", room)
    monkeypatch.setattr(threads, "try_submit", lambda task, _: task() is None)
    opened: Any = Held(2**40)
    source = MemoryAhead(opened, Pace(80 * MIB))

    def read() -> None:
        for offset in range(0, 60 * MIB, MIB):
            source.sequential(offset, MIB)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(1) as other:
            reading = other.submit(read)
            while not reading.done():
                source.close()
            reading.result()
    finally:
        sys.setswitchinterval(before)
    source.close()
    assert room.left == room.most
