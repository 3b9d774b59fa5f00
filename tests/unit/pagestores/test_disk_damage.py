"""The page store on disk when the disk, the folder or somebody else does something to it."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from alluxiofs.pagestores.page_file import HEADER_BYTES

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.page_stores import content, keep, key_of, read_whole

PAGE = 4096
MakeDiskStore = Callable[..., DiskPageStore]


def page_path(folder: Path, index: int) -> Path:
    return next(folder.rglob(f"{index:x}.page"))


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


# One byte of every field of the header, then of the page: its first, one in the middle, its last.
PLACES = [0, 7, 8, 12, 16, 31, 32, 40, 48, 56, 63, HEADER_BYTES, HEADER_BYTES + PAGE // 2, HEADER_BYTES + PAGE - 1]


@pytest.mark.parametrize("at", PLACES)
def test_a_flipped_bit_anywhere_is_a_missing_page(make_disk_store: MakeDiskStore, folder: Path, at: int) -> None:
    keep(make_disk_store().file(key_of(1), 3 * PAGE), 0, 1, 2)
    flip(page_path(folder, 1), at)
    store = make_disk_store()
    kept = store.file(key_of(1), 3 * PAGE)
    assert kept.read(1, 5, 6) is None, "not even a byte that is right"
    assert store.counters()["corrupt"] == 1
    assert not kept.has(1)
    assert list(folder.rglob("1.page")) == [], "it was one of ours"
    keep(kept, 1)
    assert all(read_whole(kept, index) for index in range(3))


def test_read_into_finds_a_flipped_bit_too(make_disk_store: MakeDiskStore, folder: Path) -> None:
    keep(make_disk_store().file(key_of(1), PAGE), 0)
    flip(page_path(folder, 0), HEADER_BYTES + 99)
    kept = make_disk_store().file(key_of(1), PAGE)
    assert kept.read_into(0, 0, memoryview(bytearray(PAGE))) is False
    assert not kept.has(0)


def test_what_the_writer_reads_back_is_verified_too(make_disk_store: MakeDiskStore, folder: Path) -> None:
    kept = make_disk_store().file(key_of(1), PAGE)
    keep(kept, 0)
    flip(page_path(folder, 0), HEADER_BYTES)
    assert kept.read(0, 0, PAGE) is None


@pytest.mark.parametrize("size", [0, 1, 8, 40, HEADER_BYTES, HEADER_BYTES + 1, HEADER_BYTES + PAGE - 1])
@pytest.mark.parametrize("open_before", [False, True])
def test_a_truncated_page_is_a_missing_page(
    make_disk_store: MakeDiskStore, folder: Path, size: int, open_before: bool
) -> None:
    store = make_disk_store()
    kept = store.file(key_of(1), PAGE)
    keep(kept, 0)
    assert not open_before or read_whole(kept, 0)
    os.truncate(page_path(folder, 0), size)
    assert kept.read(0, PAGE - 10, PAGE) is None
    assert kept.read_into(0, 0, memoryview(bytearray(PAGE))) is False
    assert store.counters()["corrupt"] == 1
    keep(kept, 0)
    assert read_whole(kept, 0)


def test_zeros_that_a_crash_left_are_a_missing_page(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    kept = store.file(key_of(1), PAGE)
    keep(kept, 0)
    page_path(folder, 0).write_bytes(bytes(HEADER_BYTES + PAGE))
    assert kept.read(0, 0, 1) is None
    keep(kept, 0)
    assert read_whole(kept, 0)


def test_a_page_in_the_place_of_another_is_not_served(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    kept, other = store.file(key_of(1), 3 * PAGE), store.file(key_of(2), 3 * PAGE)
    keep(kept, 0, 1)
    keep(other, 2)
    shutil.copy(page_path(folder, 0), page_path(folder, 1))  # another index
    shutil.copy(page_path(folder, 0), page_path(folder, 2))  # another file
    assert kept.read(1, 0, PAGE) is None
    assert other.read(2, 0, PAGE) is None
    longer = make_disk_store().file(key_of(1), PAGE // 2)  # another length
    assert longer.read(0, 0, PAGE // 2) is None


def plant_foreign(folder: Path) -> List[Path]:
    """Files that are none of ours, in every place where they could be taken for some."""
    layout = folder / "v1"
    of_key = layout / key_of(1).hex()[:2] / key_of(1).hex()
    places = [
        folder / "notes.txt",
        folder / "v0" / "old.page",
        layout / "notes.txt",
        layout / "zz" / "0.page",
        layout / "tmp" / "mine.tmp",
        of_key / "notes.txt",
        of_key / "007.page",
        of_key / "7.page",  # the very name of a page, and nothing of a page in it
        of_key / "400.page",  # belongs into a folder of its own
        of_key / "x" / "1.page",
        layout / "00" / key_of(1).hex() / "0.page",
    ]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"precious " * 1000)
    (of_key / "8.page").mkdir()
    (of_key / "9.page").symlink_to(folder / "notes.txt")
    os.mkfifo(of_key / "a.page")
    return [*places, *(of_key / name for name in ("8.page", "9.page", "a.page"))]


def test_what_is_foreign_is_neither_served_nor_deleted(make_disk_store: MakeDiskStore, folder: Path) -> None:
    keep(make_disk_store().file(key_of(1), 100 * PAGE), 0)
    foreign = plant_foreign(folder)
    store = make_disk_store(40 * 8192)
    kept = store.file(key_of(1), 2000 * PAGE)
    for index in (7, 8, 9, 10, 0x400):
        assert kept.read(index, 0, 9) is None
        assert kept.read_into(index, 0, memoryview(bytearray(PAGE))) is False
        keep(kept, index)
    keep(kept, *range(100, 200))
    assert store.counters()["evictions"] > 0
    store.forget(key_of(1))
    store.clear()
    assert [path for path in foreign if not os.path.lexists(path)] == []
    assert (folder / "notes.txt").read_bytes() == b"precious " * 1000
    assert sorted(path.name for path in folder.rglob("*.page") if path.is_file()) == sorted(
        path.name for path in foreign if path.is_file() and path.name.endswith(".page")
    )


# --- the folder ---------------------------------------------------------------------------------------------------


def test_a_folder_that_is_removed_is_no_error_for_reads(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    kept = store.file(key_of(1), 100 * PAGE)
    keep(kept, 0, 1, 2)
    assert read_whole(kept, 0)
    shutil.rmtree(folder)
    read_whole(kept, 0)  # an open file may still serve it; it fails for wrong bytes
    assert not read_whole(kept, 1)
    assert not kept.has(2)
    with pytest.raises(PageStoreError) as caught:
        keep(kept, 3)
    assert caught.value.errno == errno.ENOENT
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert not folder.exists(), "a disk that is gone is not replaced by a folder of its name"
    store.forget(key_of(1))
    store.clear()


@pytest.fixture
def small_disk(folder: Path) -> Path:
    """A file system of 1 MB, where the folder is to be."""
    folder.mkdir(mode=0o700)
    mount = shutil.which("mount")
    mounted = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)], check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    return folder


@pytest.fixture
def remount(small_disk: Path) -> Iterator[Callable[..., object]]:
    yield lambda *options: subprocess.run(["mount", *options, str(small_disk)], check=True)
    subprocess.run(["umount", "-l", str(small_disk)], check=True)


@pytest.mark.usefixtures("remount")
def test_a_full_disk_is_an_error_and_leaves_nothing(make_disk_store: MakeDiskStore, small_disk: Path) -> None:
    store = make_disk_store(64 * 2**20, 100_000)
    kept = store.file(key_of(1), 100 * 100_000)
    with pytest.raises(PageStoreError) as caught:
        keep(kept, *range(100))
    assert caught.value.errno == errno.ENOSPC
    assert isinstance(caught.value.__cause__, OSError)
    count = store.counters()["pages"]
    assert 0 < count < 11
    assert list((small_disk / "v1" / "tmp").iterdir()) == []
    assert all(read_whole(kept, index) for index in range(count))
    assert not any(kept.has(index) for index in range(count, 100))
    store.forget(key_of(1))
    keep(kept, 50)
    assert read_whole(kept, 50)


def test_a_disk_that_becomes_read_only_still_serves(
    make_disk_store: MakeDiskStore, small_disk: Path, remount: Callable[..., object]
) -> None:
    store = make_disk_store()
    kept = store.file(key_of(1), 10 * PAGE)
    keep(kept, 0, 1)
    remount("-o", "remount,ro")
    assert read_whole(kept, 0)
    assert read_whole(make_disk_store().file(key_of(1), 10 * PAGE), 1)
    with pytest.raises(PageStoreError) as caught:
        keep(kept, 2)
    assert caught.value.errno == errno.EROFS
    with pytest.raises(PageStoreError):
        store.forget(key_of(1))
    remount("-o", "remount,rw")
    keep(kept, 2)
    assert read_whole(kept, 2)


_LIMITED = """
import resource, sys
from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
kept = DiskPageStore(DiskPageStore.Settings(path=(sys.argv[1],)), make_context(), 100_000).file(bytes(16), 100_100)
kept.keep(1, memoryview(bytes(100)))
try:
    kept.keep(0, memoryview(bytes(100_000)))
except PageStoreError as error:
    print(error.errno, kept.has(0), kept.has(1), kept.read(1, 0, 3))
"""


def test_a_write_that_fails_half_way_leaves_nothing(folder: Path) -> None:
    # The limit on the size of files, which binds root as well: the first write ends short, the next one fails.
    answer = subprocess.run([sys.executable, "-c", _LIMITED, str(folder)], capture_output=True, check=True, text=True)
    assert answer.stdout.split() == [str(errno.EFBIG), "False", "True", "b'\\x00\\x00\\x00'"]
    assert list((folder / "v1" / "tmp").iterdir()) == []
    assert len(list(folder.rglob("*.page"))) == 1


def test_a_broken_page_is_told_of(
    make_disk_store: MakeDiskStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = make_disk_store().file(key_of(1), PAGE)
    keep(kept, 0)
    path = page_path(folder, 0)
    path.write_bytes(content(kept, 0))
    with caplog.at_level(logging.WARNING):
        assert not kept.read(0, 0, 1)
    assert str(path) in caplog.text
