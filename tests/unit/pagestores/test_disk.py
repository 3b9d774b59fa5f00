"""The page store on disk, beyond the contract of all page stores."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Callable

import pytest

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.whereabouts import default_folder
from alluxiofs.settings.types import Size
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import MakeStore, PageStoreContract, keep, key_of, read_whole

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
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


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
        kept = store.file(key_of(number), 12_000)
        keep(kept, 0, 1, 2)
        if number % 20 == 0:
            assert disk_use(folder) <= capacity + 8192  # the folder of the layout and that of temporary files
    assert store.counters()["evictions"] > 0
    assert disk_use(folder) > capacity // 2


def test_pages_kept_before_count_and_the_oldest_go_first(make_disk_store: MakeDiskStore, folder: Path) -> None:
    first = make_disk_store()
    kept = first.file(key_of(1), 1000 * PAGE)
    keep(kept, *range(60))
    for index in range(60):
        age = 1_000_000_000 + (index * 7 % 60)
        path = next(folder.rglob(f"{index:x}.page"))
        os.utime(path, (age, age))
    second = make_disk_store(first.counters()["bytes"])
    kept = second.file(key_of(1), 1000 * PAGE)
    keep(kept, 100, 101, 102)
    assert second.counters()["bytes"] <= second.counters()["capacity"]
    gone = sorted(index for index in range(60) if not kept.has(index))
    assert gone == sorted(sorted(range(60), key=lambda index: index * 7 % 60)[:3])


def test_the_least_recently_used_page_goes_first(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(20 * 8192 + 2 * 4096)
    kept = store.file(key_of(1), 1000 * PAGE)
    keep(kept, *range(20))
    assert store.counters()["evictions"] == 0
    for index in (0, 7, 3):
        kept.read(index, 0, 1)
    kept.has(1)
    keep(kept, *range(20, 37))
    assert [index for index in range(37) if kept.has(index)] == [0, 3, 7, *range(20, 37)]


def test_no_folder_gets_huge(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store(64 * 2**20, 16)
    kept = store.file(key_of(1), 16 * 2**40)
    indices = [*range(1020, 1030), 5000, 2**35]
    keep(kept, *indices)
    assert [index for index in indices if read_whole(kept, index)] == indices
    assert max(int(path.stem, 16) % 1024 for path in folder.rglob("*.page")) < 1024
    assert {len(list(path.iterdir())) for path in folder.rglob("*") if path.is_dir()} <= {0, 1, 2, 4, 6, 7}
    store.forget(key_of(1))
    assert list(folder.rglob("*.page")) == []
    assert sorted(path.name for path in (folder / "v1").iterdir()) == ["tmp"]
    assert store.counters()["bytes"] == 0


def test_few_files_are_held_open(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(64 * 2**20)
    kept = store.file(key_of(1), 1000 * PAGE)
    keep(kept, *range(1000))
    before = len(os.listdir("/dev/fd"))
    for _ in range(2):
        assert all(read_whole(kept, index) for index in range(1000))
    assert len(os.listdir("/dev/fd")) - before <= 256
    store.close()
    assert len(os.listdir("/dev/fd")) <= before


def test_a_page_that_is_evicted_takes_no_space_by_being_open(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store(2**20)
    kept = store.file(key_of(1), 1000 * PAGE)
    for index in range(1000):
        keep(kept, index)
        assert read_whole(kept, index)
    links = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()] if _HAS_PROC else []
    assert not [link for link in links if str(folder) in link and "(deleted)" in link]


_HAS_PROC = sys.platform == "linux"


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
    capacity = make_disk_store(capacity=0).describe()["capacity"]
    assert capacity == 0, "none is another thing than zero"
    settings = DiskPageStore.Settings(path=(str(tmp_path / "a"), str(tmp_path / "b")))
    described = DiskPageStore(settings, make_context(), PAGE).describe()
    status = os.statvfs(tmp_path)
    free = status.f_bavail * status.f_frsize
    assert 0 < described["capacity"] <= 10 * 2**30
    assert described["capacity"] <= 0.11 * free
    assert DiskPageStore.Settings(capacity=Size("20MB")).capacity == 20 * 2**20


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
    (folder / "v1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PageStoreError, match="not a folder"):
        make_disk_store().file(key_of(1), PAGE)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_to_a_folder_of_ones_own_is_fine(make_disk_store: MakeDiskStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "large-disk")
    kept = make_disk_store().file(key_of(1), PAGE)
    keep(kept, 0)
    assert read_whole(kept, 0)
    assert list((tmp_path / "large-disk").rglob("*.page"))
