"""Reading from stores that are near, with nothing kept: no thread, no byte twice, no copy of what is large."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List, Optional, Tuple

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.fileobjects import ahead
from alluxiofs.fileobjects.source import Source
from alluxiofs.fileobjects.sources import source_for
from tests.unit.gateway.conftest import Assembled

MIB = 2**20
LENGTH = 3 * MIB + 100
DATA = os.urandom(LENGTH)

Near = Callable[..., Tuple[Assembled, Source]]


@pytest.fixture
def near(assemble: Callable[..., Assembled]) -> Near:
    def make(readahead: Any = "unasked") -> Tuple[Assembled, Source]:
        assembled = assemble(pages=False)
        assembled.store.capabilities = evolve(assembled.store.capabilities, remote=False)
        assembled.store.put("f", DATA)
        opened = assembled.gateway.open(assembled.gateway.locate("f"))
        opened.read(0, 1)
        assembled.store.calls.clear()
        options = None if readahead == "unasked" else {"readahead": readahead}
        return assembled, source_for(opened, 4 * MIB, False, None, options)

    return make


def stream(source: Source, size: int) -> bytes:
    return b"".join(source.sequential(offset, min(size, LENGTH - offset)) for offset in range(0, LENGTH, size))


@pytest.mark.parametrize(("size", "most"), [(1000, 8), (2**16, 8), (MIB, 4), (LENGTH, 1)])
def test_every_byte_is_fetched_once_in_few_requests_and_by_the_reader_itself(near: Near, size: int, most: int) -> None:
    assembled, source = near()
    threads: List[Any] = []
    assembled.store.before_read = [lambda: threads.append(threading.current_thread())] * 10
    assert stream(source, size) == DATA
    assert len(assembled.store.reads()) <= most
    assert set(threads) == {threading.current_thread()}
    assert assembled.gateway.counters()["bytes_from_under_stores"] == LENGTH + 1


def test_a_large_read_goes_straight_into_the_buffer(near: Near) -> None:
    assembled, source = near()
    buffer = bytearray(MIB)
    assert source.sequential_into(0, memoryview(buffer)) == MIB
    assert bytes(buffer) == DATA[:MIB]
    assert [call[2:] for call in assembled.store.reads()] == [(0, MIB)]


def test_what_the_user_has_said_is_what_is_fetched(near: Near) -> None:
    assembled, source = near(readahead=10_000)
    for offset in range(0, 50_000, 1000):
        assert source.sequential(offset, 1000) == DATA[offset : offset + 1000]
    assert [call[2:] for call in assembled.store.reads()] == [(offset, 10_000) for offset in range(0, 50_000, 10_000)]


Step = st.tuples(
    st.sampled_from(["random", "random into", "sequential", "sequential into"]),
    st.integers(0, LENGTH + 5),
    st.one_of(st.integers(0, 5000), st.integers(0, MIB), st.just(5 * MIB)),
)


@pytest.mark.parametrize("readahead", ["unasked", 100, 300_000, 10 * MIB])
def test_any_way_of_reading_gives_the_bytes(near: Near, readahead: Any) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(Step, max_size=12))
    def holds(steps: List[Tuple[str, int, int]]) -> None:
        _, source = near(readahead)
        position: Optional[int] = None
        for what, at, size in steps:
            way, _, into = what.partition(" ")
            offset = at if position is None or way == "random" else position
            if into:
                buffer = bytearray(size)
                filled = (source.random_into if way == "random" else source.sequential_into)(offset, memoryview(buffer))
                data = bytes(buffer[:filled])
            else:
                data = (source.random if way == "random" else source.sequential)(offset, size)
            assert data == DATA[offset : offset + size]
            position = offset + len(data)
        source.close()

    holds()


def test_threads_that_share_it_get_their_bytes(near: Near) -> None:
    _, source = near()

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


@pytest.mark.parametrize("most", [0, MIB])
def test_all_files_together_hold_no_more_than_there_is_room_for(
    near: Near, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = ahead._Room(most)
    monkeypatch.setattr(ahead, "room", room)
    sources = [near()[1] for _ in range(4)]
    for offset in range(0, MIB, 50_000):
        for source in sources:
            assert source.sequential(offset, 50_000) == DATA[offset : offset + 50_000]
            assert room.left >= 0
    assert room.left < max(most, 1)
    for source in sources:
        source.close()
        source.close()
    assert room.left == most
