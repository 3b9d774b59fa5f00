"""What a read of a page that is not kept fetches: parts at first, the rest with the next touch, and nothing twice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.gateway import OpenFile
from alluxiofs.gateway.keeping import PART
from alluxiofs.gateway.naming import decode_name
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled

PAGE = 8 * PART
LENGTH = 5 * PAGE + 3 * PART + 1000
DATA = os.urandom(LENGTH)


class Noting(MemoryPageStore):
    """Has a place for notes."""

    name = "noting"

    def __init__(self, capacity: int) -> None:
        super().__init__(MemoryPageStore.Settings(capacity=Size(capacity)), make_context(), PAGE)
        self.notes: List[Tuple[bytes, bytes]] = []

    def note(self, key: bytes) -> Any:
        return dict(self.notes).get(key)

    def put_note(self, key: bytes, note: bytes) -> None:
        self.notes.append((key, note))


@pytest.fixture
def parted(assemble: Callable[..., Assembled]) -> Callable[..., Assembled]:
    """A gateway over a file of several pages, each of several parts."""

    def make(capacity: int = 2**26, **arguments: Any) -> Assembled:
        assembled = assemble(page_store=Noting(capacity), page_size=PAGE, **arguments)
        assembled.store.put("f", DATA)
        return assembled

    return make


def opened_of(assembled: Assembled) -> OpenFile:
    return assembled.gateway.open(assembled.gateway.locate("f"))


def fetched(assembled: Assembled) -> List[Tuple[int, int]]:
    return [(offset, length) for _, _, offset, length in assembled.store.reads()]


def test_a_small_first_read_fetches_the_part_it_is_in_and_keeps_it(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    for opened in (opened_of(assembled), opened_of(assembled)):
        for _ in range(2):
            assert opened.read(PAGE + 5 * PART + 100, 4096) == DATA[PAGE + 5 * PART + 100 :][:4096]
    assert fetched(assembled) == [(PAGE + 5 * PART, PART)]


def test_the_second_touch_fetches_the_rest_of_the_page_and_keeps_it_whole(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    opened = opened_of(assembled)
    opened.read(PAGE + 5 * PART + 100, 4096)
    assert opened.read(PAGE + PART, 10) == DATA[PAGE + PART :][:10]
    assert sorted(fetched(assembled)[1:]) == [(PAGE, 5 * PART), (PAGE + 6 * PART, 2 * PART)]
    assembled.store.files.clear()
    assert opened.read(PAGE, PAGE) == DATA[PAGE : 2 * PAGE]


def test_a_large_read_fetches_its_parts_in_one_request(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    opened = opened_of(assembled)
    begin, end = PAGE - 2 * PART + 5, 2 * PAGE + 3 * PART - 5
    assert opened.read(begin, end - begin) == DATA[begin:end]
    assert fetched(assembled) == [(PAGE - 2 * PART, PAGE + 5 * PART)]
    # Another chunk of the last page has nothing to do with the first; what follows on it has.
    opened.read(2 * PAGE + 5 * PART, PART + 1)
    assert fetched(assembled)[1:] == [(2 * PAGE + 5 * PART, 2 * PART)]
    opened.read(end, 2 * PART)
    assert sorted(fetched(assembled)[2:]) == [(2 * PAGE + 3 * PART, 2 * PART), (2 * PAGE + 7 * PART, PART)]


def test_what_is_fetched_ahead_is_without_the_parts_that_are_kept(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    opened = opened_of(assembled)
    opened.read(PAGE + 5 * PART + 100, 4096)
    opened.prefetch(PAGE, 2 * PAGE)
    assert opened.read(PAGE, 2 * PAGE) == DATA[PAGE : 3 * PAGE]
    assert sum(length for _, length in fetched(assembled)) == 2 * PAGE


def test_neighbouring_parts_that_are_missing_are_one_request(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    opened = opened_of(assembled)
    kept = [PART, PAGE + 3 * PART, 2 * PAGE + 2 * PART]
    for begin in kept:
        opened.read(begin, 10)
    assert fetched(assembled) == [(begin, PART) for begin in kept]
    assert opened.read(0, 3 * PAGE) == DATA[: 3 * PAGE]
    edges = [-PART, *kept, 3 * PAGE]
    gaps = [(begin + PART, end - begin - PART) for begin, end in zip(edges, edges[1:])]
    assert sorted(fetched(assembled)[3:]) == gaps


def test_small_files_and_small_pages_are_fetched_whole(
    parted: Callable[..., Assembled], assemble: Callable[..., Assembled]
) -> None:
    assembled = parted()
    assembled.store.put("small", DATA[: 2 * PART])
    assembled.gateway.open(assembled.gateway.locate("small")).read(PART + 1, 10)
    assert fetched(assembled) == [(0, 2 * PART)]
    small = assemble(page_store=MemoryPageStore(MemoryPageStore.Settings(), make_context(), PART), page_size=PART)
    small.store.put("f", DATA)
    opened_of(small).read(PART + 1, 10)
    assert fetched(small) == [(PART, PART)]


def test_without_a_page_store_a_read_is_the_range(parted: Callable[..., Assembled]) -> None:
    assembled = parted(pages=False)
    assembled.gateway.keeper.store = None
    assert opened_of(assembled).read(77, 4096) == DATA[77:][:4096]
    assert fetched(assembled) == [(77, 4096)]


def test_the_first_page_that_is_kept_is_noted_by_name(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    store: Any = assembled.page_store
    opened_of(assembled).read(0, PAGE)
    opened_of(assembled).read(PAGE, PAGE)
    [name] = filter(None, (decode_name(note) for _, note in store.notes))  # stats are noted as well
    assert (name.url, name.length, name.page_size) == ("scripted://f", LENGTH, PAGE)


def test_parts_are_noted_by_name_too_for_they_may_be_all_there_is(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    store: Any = assembled.page_store
    opened = opened_of(assembled)
    opened.read(10, 10)
    opened.read(PAGE + 10, 10)
    [name] = filter(None, (decode_name(note) for _, note in store.notes))
    assert (name.url, name.length, name.page_size) == ("scripted://f", LENGTH, PART)


def test_forgetting_a_file_forgets_its_parts(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    opened_of(assembled).read(10, 10)
    assembled.gateway.drop(assembled.gateway.locate("f"))
    opened_of(assembled).read(10, 10)
    assert fetched(assembled) == [(0, PART)] * 2


@pytest.mark.parametrize("workers", [None, ["w1", "w2"]], ids=["direct", "workers"])
@pytest.mark.parametrize("capacity", [2**26, 3 * PAGE, PAGE + PART], ids=["all fits", "some fits", "little fits"])
def test_whatever_was_read_before_a_read_gives_the_bytes(
    parted: Callable[..., Assembled], capacity: int, workers: Any
) -> None:
    offsets = st.one_of(
        st.integers(0, LENGTH),
        st.builds(lambda part, by: max(0, part * PART + by), st.integers(0, LENGTH // PART), st.integers(-2, 2)),
    )
    sizes = st.one_of(st.integers(0, 5000), st.integers(0, 3 * PAGE), st.sampled_from([PART, PAGE, LENGTH]))
    step = st.tuples(st.sampled_from(["read", "into", "ahead", "anew"]), offsets, sizes)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(step, max_size=25))
    def holds(steps: List[Tuple[str, int, int]]) -> None:
        assembled = parted(capacity, workers=workers)
        opened = opened_of(assembled)
        for what, offset, size in steps:
            if what == "ahead":
                opened.prefetch(offset, size)
            elif what == "into":
                buffer = bytearray(size)
                assert buffer[: opened.read_into(offset, memoryview(buffer))] == DATA[offset : offset + size]
            else:
                opened = opened_of(assembled) if what == "anew" else opened
                assert opened.read(offset, size) == DATA[offset : offset + size]
        assert opened.read(0, LENGTH) == DATA  # and what is fetched ahead has come
        if capacity == 2**26 and workers is None:
            seen = bytearray(LENGTH // PART + 1)
            for offset, length in fetched(assembled):
                assert offset % PART == 0
                for part in range(offset // PART, -(-(offset + length) // PART)):
                    seen[part] += 1
            assert max(seen) <= 1, "a part was fetched twice"

    holds()


@pytest.mark.parametrize("size", [4096, PART, 3 * PART, PAGE + 1])
def test_many_threads_through_one_file_fetch_it_once(parted: Callable[..., Assembled], size: int) -> None:
    assembled = parted()
    opened = opened_of(assembled)

    def read(number: int) -> None:
        offset = number * size
        assert opened.read(offset, size) == DATA[offset : offset + size]

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(read, range(-(-LENGTH // size))))
    assert sum(length for _, length in fetched(assembled)) == LENGTH


def test_a_part_that_was_of_use_is_found_without_looking_for_its_page(parted: Callable[..., Assembled]) -> None:
    assembled = parted()
    opened, store = opened_of(assembled), assembled.page_store
    assert store is not None
    for _ in range(2):
        assert opened.read(PART + 5, 30_000) == DATA[PART + 5 : PART + 30_005]
    missed = store.counters()["misses"]
    buffer = bytearray(PART)
    assert opened.read(PART + 7, 1000) == DATA[PART + 7 : PART + 1007]
    assert opened.read_into(PART, memoryview(buffer)) == PART
    assert buffer == DATA[PART : 2 * PART]
    assert store.counters()["misses"] == missed
    opened.read(0, PAGE + PART)  # the whole page is kept by now
    assert opened.read(PART + 7, 1000) == DATA[PART + 7 : PART + 1007]
    assert opened.read(3 * PART, 1000) == DATA[3 * PART : 3 * PART + 1000]
    assert sorted(fetched(assembled)) == [(0, PART), (PART, PART), (2 * PART, 7 * PART)]
