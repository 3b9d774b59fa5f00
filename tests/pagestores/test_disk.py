"""The page store on disk, beyond the contract of all page stores."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Callable, List

import pytest

from alluxiofs.errors import ConfigurationError, PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk.layout import LAYOUT
from alluxiofs.pagestores.whereabouts import default_folder
from alluxiofs.settings.types import Seconds
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import MakeStore, PageStoreContract, content, keep, key_of, read_whole

PAGE = 4096
MakeDiskStore = Callable[..., DiskPageStore]


class TestDiskPageStore(PageStoreContract):
    @pytest.fixture
    def make_store(self, make_disk_store: MakeDiskStore) -> MakeStore:
        return make_disk_store


class TestDiskPageStoreOnSeveralDisks(PageStoreContract):
    @pytest.fixture
    def make_store(self, make_disk_store: MakeDiskStore, tmp_path: Path) -> MakeStore:
        paths = tuple(str(tmp_path / name) for name in ("one", "two", "three"))
        return lambda capacity, page_size: make_disk_store(capacity, page_size, path=paths)


def disk_use(folder: Path) -> int:
    """What ``du`` says of all that is in the folder."""
    return sum(path.lstat().st_blocks * 512 for path in [folder, *folder.rglob("*")] if path.exists())


def test_nothing_is_made_before_the_first_page_is_kept(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    kept = store.file(key_of(1), 10 * PAGE)
    assert not kept.has(0)
    assert not read_whole(kept, 0)
    store.forget(key_of(1))
    store.clear()
    store.counters()
    store.describe()
    assert not folder.exists()


def test_a_store_that_another_thread_makes_between_two_looks_is_there(
    make_disk_store: MakeDiskStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_disk_store()
    look = os.path.lexists
    looks: List[str] = []

    def seldom_fast(path: str) -> bool:
        found = look(path)
        if not found and not looks:
            looks.append(path)
            other = threading.Thread(target=keep, args=(store.file(key_of(1), PAGE), 0))
            other.start()
            other.join()
        return found

    monkeypatch.setattr(os.path, "lexists", seldom_fast)
    keep(store.file(key_of(0), PAGE), 0)
    assert looks == [str(folder / LAYOUT)]
    assert all(read_whole(store.file(key_of(number), PAGE), 0) for number in range(2))


def test_files_and_folders_are_for_their_owner_only(make_disk_store: MakeDiskStore, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = make_disk_store(path=(str(tmp_path / "new" / "pages"),))
        keep(store.file(key_of(1), 3000 * PAGE), 0, 2000)
    finally:
        os.umask(old)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_what_one_process_kept_the_next_one_finds(make_disk_store: MakeDiskStore) -> None:
    first = make_disk_store()
    keep(first.file(key_of(1), 3 * PAGE), 0, 2)
    first.close()
    second = make_disk_store()
    kept = second.file(key_of(1), 3 * PAGE)
    assert [read_whole(kept, index) for index in range(3)] == [True, False, True]


def test_what_it_takes_on_disk_stays_within_the_capacity(make_disk_store: MakeDiskStore, folder: Path) -> None:
    capacity = 2 * 2**20
    store = make_disk_store(capacity, 5000)
    for number in range(300):
        kept = store.file(key_of(number), 10_000 + 7 * number)
        keep(kept, 0, 1)
        if number % 20 == 0:
            assert disk_use(folder) <= capacity
    assert store.counters()["evictions"] > 0
    assert disk_use(folder) > capacity // 2


def test_few_files_are_held_open(make_disk_store: MakeDiskStore) -> None:
    before = len(os.listdir("/dev/fd"))
    store = make_disk_store(64 * 2**20)
    kept = store.file(key_of(1), 1000 * PAGE)
    keep(kept, *range(1000))
    for _ in range(2):
        assert all(read_whole(kept, index) for index in range(1000))
    assert len(os.listdir("/dev/fd")) - before <= 20
    store.close()
    assert len(os.listdir("/dev/fd")) <= before


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    caches = tmp_path / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    assert default_folder() == str(caches / "alluxiofs" / "pages")
    if sys.platform != "darwin":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert default_folder() == str(tmp_path / "xdg" / "alluxiofs" / "pages")
    store = DiskPageStore(DiskPageStore.Settings(), make_context(), PAGE)
    assert store.describe()["path"] == [default_folder()]
    assert list(tmp_path.iterdir()) == []


def test_the_home_folder_can_be_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = DiskPageStore(DiskPageStore.Settings(path=("~/kept",)), make_context(), PAGE)
    assert store.describe()["path"] == [str(tmp_path / "kept")]


def test_one_folder_may_be_given_as_it_is_and_each_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert DiskPageStore.Settings(path="/cache").path == ("/cache",)
    assert DiskPageStore.Settings(path=tmp_path).path == (str(tmp_path),)
    settings = DiskPageStore.Settings(path=["here", str(tmp_path / "here"), "./here/"])
    assert DiskPageStore(settings, make_context(), PAGE).describe()["path"] == [str(tmp_path / "here")]


def test_the_default_capacity_is_a_tenth_of_what_is_free_at_the_most(
    make_disk_store: MakeDiskStore, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="0B holds no page"):
        make_disk_store(capacity=0)  # none is another thing than zero
    settings = DiskPageStore.Settings(path=(str(tmp_path / "a"), str(tmp_path / "b")))
    described = DiskPageStore(settings, make_context(), PAGE).describe()
    status = os.statvfs(tmp_path)
    free = status.f_bavail * status.f_frsize
    assert 0 < described["capacity"] <= 10 * 2**30
    assert described["capacity"] <= 0.11 * free
    assert DiskPageStore.Settings(capacity="20MB").capacity == (20 * 2**20,)


def test_a_key_has_16_bytes(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store()
    for key in (b"", b"../../etc/passwd"[:15], b"x" * 17, "../../etc/passwd"):
        with pytest.raises(ValueError, match="16 bytes"):
            store.file(key, 1)  # type: ignore[arg-type]  # what must not be
        with pytest.raises(ValueError, match="16 bytes"):
            store.forget(key)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(make_disk_store: MakeDiskStore, folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PageStoreError, match="others may write") as caught:
        make_disk_store().file(key_of(1), PAGE)
    assert str(folder) in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_refused(make_disk_store: MakeDiskStore, folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(PageStoreError, match="belongs to user 65534"):
        make_disk_store().file(key_of(1), PAGE)


def test_a_link_in_place_of_the_layout_is_refused(make_disk_store: MakeDiskStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir(mode=0o700)
    (folder / LAYOUT).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PageStoreError, match="not a folder"):
        make_disk_store().file(key_of(1), PAGE)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_to_a_folder_of_ones_own_is_fine(make_disk_store: MakeDiskStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "large-disk")
    kept = make_disk_store().file(key_of(1), PAGE)
    keep(kept, 0)
    assert read_whole(kept, 0)
    assert (tmp_path / "large-disk" / LAYOUT / "control").is_file()


# --- eviction -----------------------------------------------------------------------------------------------------

TIGHT = 2**20


def fill(store: DiskPageStore) -> int:
    """Keep pages of one file until the first eviction is near; how many."""
    kept = store.file(key_of(1), 10_000 * PAGE)
    index = 0
    while not store.counters()["evictions"]:
        keep(kept, index)
        index += 1
    store.clear()
    keep(kept, *range(index - 1))
    assert store.counters()["pages"] == index - 1
    return index - 1


def test_the_least_recently_used_page_goes_first(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(TIGHT)
    number = fill(store)
    kept = store.file(key_of(1), 10_000 * PAGE)
    for index in (0, 7, 3):
        kept.read(index, 0, 1)
    kept.has(1)  # no sign of use
    keep(kept, *range(1000, 1000 + number - 3))
    assert [index for index in range(number) if kept.has(index)] == [0, 3, 7]
    kept.read_into(0, 0, memoryview(bytearray(1)))
    keep(kept, 5000, 5001)
    assert [index for index in range(number) if kept.has(index)] == [0]


def test_a_scan_does_not_flush_what_sieve_has_seen_used(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(TIGHT, eviction="sieve")
    number = fill(store)
    kept = store.file(key_of(1), 10_000 * PAGE)
    for index in range(20):
        kept.read(index, 0, 1)
    keep(kept, *range(1000, 1000 + 2 * number))
    assert all(kept.has(index) for index in range(20))


def test_the_least_frequently_used_page_goes_first(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(TIGHT, eviction="lfu")
    number = fill(store)
    kept = store.file(key_of(1), 10_000 * PAGE)
    for index in range(20):
        kept.read(index, 0, 1)
    for start in range(1000, 4000, 100):  # each of them used by nobody
        keep(kept, *range(start, start + 100))
    assert all(kept.has(index) for index in range(20))
    assert store.counters()["pages"] >= number - 1


def test_another_policy_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="'random' is none of lru, sieve, lfu"):
        DiskPageStore(DiskPageStore.Settings(eviction="random"), make_context(), PAGE)


def test_small_pages_make_room_for_large_ones_and_large_ones_for_small_ones(
    make_disk_store: MakeDiskStore, folder: Path
) -> None:
    store = make_disk_store(4 * TIGHT, 2**18)
    for size in (1000, 2**18, 3000, 2**18, 1000):
        files = [store.file(key_of(size * 10_000 + number), size) for number in range(6 * TIGHT // size)]
        for kept in files:
            keep(kept, 0)
        held = [kept for kept in files if kept.has(0)]
        assert all(read_whole(kept, 0) for kept in held)
        assert len(held) * size > 3 * TIGHT, "nearly all of the room is for what is used now"
        assert disk_use(folder) <= 4 * TIGHT
    assert store.counters()["corrupt"] == 0


def test_a_store_that_is_opened_with_less_capacity_shrinks(make_disk_store: MakeDiskStore, folder: Path) -> None:
    kept = make_disk_store(8 * TIGHT).file(key_of(1), 10_000 * PAGE)
    keep(kept, *range(1500))
    smaller = make_disk_store(2 * TIGHT).file(key_of(1), 10_000 * PAGE)
    keep(smaller, 5000)
    assert disk_use(folder) <= 2 * TIGHT
    assert smaller.has(5000)
    assert [index for index in range(1500) if read_whole(kept, index)][-1] == 1499, "the newest stay"


def test_ten_thousand_small_files_are_few_files(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    files = [store.file(key_of(number), 1 + number % 100) for number in range(3000)]
    for kept in files:
        keep(kept, 0)
    assert all(read_whole(kept, 0) for kept in files)
    assert len(list(folder.rglob("*"))) < 12
    assert disk_use(folder) < 3000 * 450


# --- age, verification, disks -------------------------------------------------------------------------------------


def test_a_page_that_is_too_old_is_not_served(make_disk_store: MakeDiskStore) -> None:
    patient, hasty = make_disk_store(max_age=Seconds("1h")), make_disk_store(max_age=Seconds("200ms"))
    kept, early = patient.file(key_of(1), 3 * PAGE), hasty.file(key_of(1), 3 * PAGE)
    keep(kept, 0, 1)
    while early.read(0, 0, PAGE) is None:  # on a busy machine it may come too late, and has dropped the page then
        keep(kept, 0)
    time.sleep(0.25)
    assert read_whole(kept, 0)
    assert not early.has(1)
    assert not read_whole(early, 0)
    assert not read_whole(early, 1)
    assert [kept.has(index) for index in range(2)] == [False, False], "who finds it too old drops it"


def test_what_is_verified_always_is_verified_again(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store(verify="always")
    kept = store.file(key_of(1), 2 * PAGE)
    keep(kept, 0, 1)
    assert read_whole(kept, 0)
    assert kept.read(0, 10, 20) == content(kept, 0)[10:20]
    with next(folder.rglob("*.pages")).open("r+b") as file:
        file.seek(PAGE - 1)
        file.write(bytes([content(kept, 0)[-1] ^ 1]))
    assert kept.read(0, 10, 20) is None, "not even a range that is right"
    assert store.counters()["corrupt"] == 1
    assert read_whole(kept, 1)


def test_verification_can_be_left_out_for_what_came_since_the_machine_started(
    make_disk_store: MakeDiskStore, folder: Path
) -> None:
    kept = make_disk_store(verify="never").file(key_of(1), PAGE)
    keep(kept, 0)
    with next(folder.rglob("*.pages")).open("r+b") as file:
        file.write(b"other")
    assert kept.read(0, 0, 5) == b"other"
    with (folder / LAYOUT / "control").open("r+b") as file:  # written when the machine had another start
        file.seek(16)
        file.write(b"another start...")
    store = make_disk_store(verify="never")
    assert store.file(key_of(1), PAGE).read(0, 0, 5) is None
    assert store.counters()["corrupt"] == 1


def test_each_disk_has_its_own_capacity(make_disk_store: MakeDiskStore, tmp_path: Path) -> None:
    paths = (tmp_path / "small", tmp_path / "large")
    capacities = (TIGHT, 3 * TIGHT)
    store = make_disk_store(path=paths, capacity=capacities)
    kept = store.file(key_of(1), 10_000 * PAGE)
    keep(kept, *range(2000))
    for path, capacity in zip(paths, capacities):
        assert 0.8 * capacity < disk_use(path) <= capacity
    assert store.counters()["capacity"] == 4 * TIGHT
    assert sum(read_whole(kept, index) for index in range(2000)) == store.counters()["pages"]
    with pytest.raises(ConfigurationError, match="2 capacities for 1 folders"):
        make_disk_store(capacity=capacities)
