"""The page store of two tiers, beyond the contract of all page stores."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Iterator, List

import fsspec
import pytest

from alluxiofs.interfaces import PageStore
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.pagestores.ondisk.layout import LAYOUT
from alluxiofs.pagestores.tiered import TieredPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import MakeStore, PageStoreContract, content, keep, key_of, read_whole

PAGE = 4096
MakeTiered = Callable[..., TieredPageStore]


def build(point: str, choice: Any, page_size: int) -> PageStore:
    """What an assembly builds."""
    assert point == "page_store"
    settings = {name: value for name, value in choice.items() if name != "name"}
    if choice["name"] == "memory":
        return MemoryPageStore(MemoryPageStore.Settings(**settings), make_context(), page_size)
    return DiskPageStore(DiskPageStore.Settings(**settings), make_context(), page_size)


@pytest.fixture
def make_tiered(folder: Path) -> Iterator[MakeTiered]:
    made: List[TieredPageStore] = []

    def make(capacity: int = 2**24, page_size: int = PAGE, memory: int = 16 * 5000) -> TieredPageStore:
        settings = TieredPageStore.Settings(Size(memory), {"path": str(folder), "capacity": capacity})
        made.append(TieredPageStore(settings, make_context(build=build), page_size))
        return made[-1]

    yield make
    for store in made:
        store.close()


class TestTieredPageStore(PageStoreContract):
    @pytest.fixture
    def make_store(self, make_tiered: MakeTiered) -> MakeStore:
        # With so little memory that there is hardly more in it than is on disk: the contract compares what can be
        # read with the pages that are counted.
        return lambda capacity, page_size: make_tiered(capacity, page_size, memory=page_size + 5000)


def test_what_is_read_whole_is_read_from_memory_the_next_time(make_tiered: MakeTiered) -> None:
    store = make_tiered()
    kept = store.file(key_of(1), 3 * PAGE)
    keep(kept, 0, 1)
    assert store.counters()["memory_pages"] == 0
    assert kept.read(0, 0, PAGE) == content(kept, 0)
    assert kept.read(0, 5, 9) == content(kept, 0)[5:9]
    counters = store.counters()
    assert (counters["memory_pages"], counters["memory_hits"], counters["hits"]) == (1, 1, 2)


def test_what_is_read_in_part_comes_into_memory_the_second_time(make_tiered: MakeTiered) -> None:
    store = make_tiered()
    kept = store.file(key_of(1), 3 * PAGE)
    keep(kept, 0, 1)
    for turn in range(3):
        assert store.counters()["memory_pages"] == (turn == 2)
        assert kept.read(1, 5, 9) == content(kept, 1)[5:9]
    assert read_whole(kept, 1)


def test_memory_has_its_own_limit_and_the_disk_keeps_the_rest(make_tiered: MakeTiered) -> None:
    store = make_tiered()
    kept = store.file(key_of(1), 100 * PAGE)
    keep(kept, *range(100))
    for _ in range(2):
        assert all(read_whole(kept, index) for index in range(100))
    counters = store.counters()
    assert counters["memory_bytes"] <= counters["memory_capacity"] == 16 * 5000
    assert counters["memory_pages"] > 10
    assert counters["pages"] == 100
    store.forget(key_of(1))
    assert not any(kept.has(index) for index in range(100))


def test_another_process_finds_what_this_one_kept(make_tiered: MakeTiered) -> None:
    keep(make_tiered().file(key_of(1), PAGE), 0)
    assert read_whole(make_tiered().file(key_of(1), PAGE), 0)


def test_what_is_in_memory_outlives_the_disk(make_tiered: MakeTiered, folder: Path) -> None:
    kept = make_tiered().file(key_of(1), 2 * PAGE)
    keep(kept, 0)
    assert read_whole(kept, 0)
    shutil.rmtree(folder)
    assert read_whole(kept, 0)
    assert not read_whole(kept, 1)


def test_it_is_chosen_by_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"some bytes")
    store = {"name": "tiered", "memory": "2MB", "disk": {"path": str(folder), "capacity": "20MB"}}
    fs = fsspec.filesystem("alluxiofs", target_protocol="file", page_store=store, skip_instance_cache=True)
    for _ in range(2):
        assert fs.cat_file(str(tmp_path / "data"), start=2, end=6) == b"me b"
    assert fs.describe()["page_store"]["settings"]["memory"] == 2**21
    assert (folder / LAYOUT).is_dir()
