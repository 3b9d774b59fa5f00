"""The page store in memory, beyond the contract of all page stores."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from alluxiofs.interfaces import PageStore
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import MakeStore, PageStoreContract, content, keep, key_of


def make(capacity: int, page_size: int) -> PageStore:
    return MemoryPageStore(MemoryPageStore.Settings(capacity=Size(capacity)), make_context(), page_size)


class TestMemoryPageStore(PageStoreContract):
    @pytest.fixture
    def make_store(self) -> MakeStore:
        return make


def test_the_default_capacity() -> None:
    assert MemoryPageStore.Settings().capacity == 256 * 2**20


def test_the_least_recently_used_page_goes_first() -> None:
    store = make(10 * 5000, 4096)
    kept = store.file(key_of(1), 100 * 4096)
    keep(kept, *range(10))
    assert store.counters()["evictions"] == 0
    for index in (0, 7, 3):
        kept.read(index, 0, 1)
    kept.has(1)  # no sign of use
    keep(kept, *range(10, 17))
    assert [index for index in range(17) if kept.has(index)] == [0, 3, 7, *range(10, 17)]
    kept.read_into(0, 0, memoryview(bytearray(1)))
    keep(kept, 20, 21)
    assert [index for index in range(30) if kept.has(index)] == [0, *range(10, 17), 20, 21]


def test_a_key_has_16_bytes() -> None:
    store = make(2**20, 4096)
    for key in (b"", b"short", b"x" * 17, "x" * 16):
        with pytest.raises(ValueError, match="16 bytes"):
            store.file(key, 1)  # type: ignore[arg-type]  # what must not be
        with pytest.raises(ValueError, match="16 bytes"):
            store.forget(key)  # type: ignore[arg-type]


@pytest.mark.parametrize("page_size", [64, 500, 4096, 100_000, 300_000])
@pytest.mark.parametrize("pages_per_file", [1, 7, 1000])
def test_the_capacity_bounds_all_the_memory_it_takes(page_size: int, pages_per_file: int) -> None:
    capacity = 2 * 2**20
    data = memoryview(bytes(page_size))
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        store = make(capacity, page_size)
        empty = tracemalloc.get_traced_memory()[0] - before
        for number in range(2 * capacity // (page_size + 400) // pages_per_file + 2):
            kept = store.file(key_of(number), page_size * pages_per_file)
            for index in range(pages_per_file):
                kept.keep(index, data)
            if number % 10 == 9:
                store.forget(key_of(number - 3))
        del kept
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before - empty
    finally:
        tracemalloc.stop()
    counters = store.counters()
    assert counters["evictions"] > 0
    assert taken <= counters["bytes"] <= capacity
    assert taken > 0.25 * capacity, "the estimate is not so high that the store stays empty"


def test_a_file_that_was_large_once_does_not_hold_on_to_its_table() -> None:
    store = make(2**20, 64)
    survivors = []
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(10):
            kept = store.file(key_of(number), 64 * 3_000)
            survivors.append(kept)
            for index in range(3_000):
                kept.keep(index, memoryview(content(kept, index)))
                if index % 500 == 0:  # the first page of each file stays in use
                    for old in survivors:
                        old.read(0, 0, 1)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before <= 2**20
    finally:
        tracemalloc.stop()
    assert all(kept.read(0, 0, 64) == content(kept, 0) for kept in survivors)
