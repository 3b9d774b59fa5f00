"""How much a folder may take is one number for all processes, whoever names it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import pytest

from alluxiofs.pagestores import shares
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk.layout import LAYOUT
from alluxiofs.testing.page_stores import keep, key_of, read_whole

PAGE = 4096
MB = 2**20
MakeDiskStore = Callable[..., DiskPageStore]

# Another program: keeps pages of a file of its own, and says which capacity it sees, and which pages it still has.
_PROGRAM = """
import sys
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of
folder, capacity, number, pages = sys.argv[1], *map(int, sys.argv[2:])
settings = DiskPageStore.Settings(path=folder, **({"capacity": capacity} if capacity else {}))
store = DiskPageStore(settings, make_context(), 4096)
kept = store.file(key_of(number), 10_000 * 4096)
keep(kept, *range(pages))
print(store.counters()["capacity"], sum(kept.has(index) for index in range(pages)), store.counters()["evictions"])
"""


def another_program(folder: Path, capacity: int, number: int, pages: int) -> List[int]:
    command = [sys.executable, "-c", _PROGRAM, *map(str, (folder, capacity, number, pages))]
    return [int(word) for word in subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()]


def size_on_disk(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in [folder, *folder.rglob("*")])


def test_a_program_that_names_none_takes_the_one_that_is_there(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store(4 * MB)
    kept = store.file(key_of(1), 10_000 * PAGE)
    keep(kept, *range(600))
    assert another_program(folder, 0, 2, 200) == [4 * MB, 200, 0]
    assert all(read_whole(kept, index) for index in range(600))
    capacity, has, evictions = another_program(folder, 0, 3, 900)
    assert (capacity, has) == (4 * MB, 900)
    assert evictions > 500, "what is full is full for all"
    assert size_on_disk(folder) <= 4 * MB


def test_programs_that_name_none_share_one_default(make_disk_store: MakeDiskStore, folder: Path) -> None:
    first, *_ = another_program(folder, 0, 1, 300)
    second, has, evictions = another_program(folder, 0, 2, 300)
    assert second >= first, "a default may grow, when there is more room on the disk"
    assert (has, evictions) == (300, 0)
    store = make_disk_store(())
    assert store.counters()["capacity"] == second
    assert store.counters()["pages"] == 600


def test_a_default_grows_and_never_shrinks(make_disk_store: MakeDiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, capacity in ((80 * MB, 8 * MB), (20 * MB, 8 * MB), (200 * MB, 20 * MB), (0, 20 * MB)):
        monkeypatch.setattr(shares, "free_bytes", lambda _, free=free: free)
        monkeypatch.setattr(shares, "taken_bytes", lambda _: 0)
        store = make_disk_store(())
        keep(store.file(key_of(free + 1), PAGE), 0)
        assert store.counters()["capacity"] == capacity
    assert store.counters()["pages"] == 4


def test_what_the_store_has_counts_as_free_for_its_default(
    make_disk_store: MakeDiskStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "free_bytes", lambda _: 0)
    keep(make_disk_store(4 * MB).file(key_of(1), 10_000 * PAGE), *range(500))
    (folder / LAYOUT).rename(folder / "v0")  # of another layout: it will make room for this one
    assert make_disk_store(()).counters()["capacity"] >= 500 * PAGE // 10


def test_the_last_one_to_name_a_capacity_sets_it_for_all(
    make_disk_store: MakeDiskStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = make_disk_store(8 * MB)
    kept = store.file(key_of(1), 10_000 * PAGE)
    keep(kept, *range(1500))
    assert another_program(folder, 4 * MB, 2, 100)[:2] == [4 * MB, 100]
    assert size_on_disk(folder) <= 4 * MB
    assert store.counters()["capacity"] == 4 * MB, "the program that runs on sees it"
    keep(kept, *range(2000, 2500))
    assert size_on_disk(folder) <= 4 * MB, "and does not set its own again"
    with caplog.at_level(logging.WARNING):
        keep(make_disk_store(4 * MB).file(key_of(3), PAGE), 0)
        assert not caplog.text, "nothing has changed"
        keep(make_disk_store(6 * MB).file(key_of(4), PAGE), 0)
    assert f"page store in {folder}: its capacity, 4MB till now, is 6MB from now on" in caplog.text


def test_who_only_reads_sets_nothing(make_disk_store: MakeDiskStore) -> None:
    kept = make_disk_store(8 * MB).file(key_of(1), PAGE)
    keep(kept, 0)
    reader = make_disk_store(2 * MB)
    assert read_whole(reader.file(key_of(1), PAGE), 0)
    assert make_disk_store(()).counters()["capacity"] == 8 * MB


def test_pages_are_found_in_several_folders_by_who_names_no_capacity(
    make_disk_store: MakeDiskStore, tmp_path: Path
) -> None:
    paths = tuple(str(tmp_path / name) for name in ("small", "large"))
    keep(make_disk_store((2 * MB, 8 * MB), path=paths).file(key_of(1), 500 * PAGE), *range(500))
    kept = make_disk_store((), path=paths).file(key_of(1), 500 * PAGE)
    assert all(read_whole(kept, index) for index in range(500))


_SPREADING = """
import json, sys
from alluxiofs.pagestores import shares
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of
paths, free, pages = sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4])
shares.free_bytes = lambda _: free
store = DiskPageStore(DiskPageStore.Settings(paths), make_context(), 4096)
kept = store.file(key_of(1), 500 * 4096)
print(len(kept.held(range(500))), flush=True)
keep(kept, *range(pages))
store.close()
"""


def test_which_folder_a_page_is_in_does_not_depend_on_what_a_process_finds_free(tmp_path: Path) -> None:
    def program(free: int, pages: int) -> int:
        command = [sys.executable, "-c", _SPREADING, str(tmp_path / "a"), str(tmp_path / "b"), str(free), str(pages)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert program(100 * MB, 1) == 0  # one folder has a default from now on, and the other one has none
    assert program(800 * MB, 500) == 1
    assert program(400 * MB, 0) == 500


def test_space_that_was_taken_ahead_goes_before_any_page(make_disk_store: MakeDiskStore, folder: Path) -> None:
    large = make_disk_store(8192 * MB, MB).file(key_of(1), 24 * MB)
    keep(large, *range(24))
    cells = max(folder.rglob("*.pages"), key=lambda path: path.stat().st_size)
    assert cells.stat().st_size > 25 * MB, "it is there for the pages to come"
    store = make_disk_store(25 * MB)
    keep(store.file(key_of(2), PAGE * 100), *range(100))
    assert cells.stat().st_size < 25 * MB
    assert store.counters()["evictions"] == 0
    assert all(read_whole(large, index) for index in range(24))
    assert size_on_disk(folder) <= 25 * MB


def test_a_store_grows_up_to_its_capacity_before_anything_goes(make_disk_store: MakeDiskStore, folder: Path) -> None:
    stores = [make_disk_store(1024 * MB, MB) for _ in range(2)]  # as two processes
    files = [store.file(key_of(number), 64 * MB) for number, store in enumerate(stores)]
    for index in range(24):
        for kept in files:
            keep(kept, index)
    make_disk_store(52 * MB).file(key_of(3), PAGE).keep(0, memoryview(bytes(PAGE)))
    for index in range(24, 40):
        for kept in files:
            keep(kept, index)
            assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 52 * MB
    counters = stores[0].counters()
    assert counters["pages"] >= 49
    assert all(read_whole(kept, 39) for kept in files)
