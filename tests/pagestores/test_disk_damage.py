"""The page store on disk when the disk, the folder or somebody else does something to it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import pytest

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk import claims, found
from alluxiofs.pagestores.ondisk.layout import DESCRIPTOR_BYTES, LAYOUT, class_of
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of, read_whole

PAGE = 4096
MakeDiskStore = Callable[..., DiskPageStore]


CLASS = class_of(PAGE)


def index_of(folder: Path) -> Path:
    return folder / LAYOUT / f"{CLASS}.index"


def pages_of(folder: Path) -> Path:
    return folder / LAYOUT / f"{CLASS}.pages"


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


# One byte of each part of what a descriptor says of the second page; the use, at byte 48, says nothing of it.
@pytest.mark.parametrize("at", [0, 4, 7, 8, 23, 24, 31, 32, 36, 40, 47, 56, 63])
@pytest.mark.parametrize("read_before", [False, True])
def test_a_flipped_bit_in_a_descriptor_is_a_missing_page(
    make_disk_store: MakeDiskStore, folder: Path, at: int, read_before: bool
) -> None:
    keep(make_disk_store().file(key_of(1), 3 * PAGE), 0, 1, 2)
    kept = make_disk_store().file(key_of(1), 3 * PAGE)
    assert not read_before or read_whole(kept, 1)
    flip(index_of(folder), 2 * DESCRIPTOR_BYTES + at)
    assert read_whole(kept, 1) is (read_before and at > 7), "who has verified it may go on as long as it is there"
    other = make_disk_store().file(key_of(1), 3 * PAGE)
    assert [read_whole(other, index) for index in range(3)] == [True, False, True]
    keep(other, 1)
    assert all(read_whole(other, index) for index in range(3))


@pytest.mark.parametrize("at", [0, PAGE // 2, PAGE - 1])
def test_a_flipped_bit_in_a_page_is_a_missing_page(make_disk_store: MakeDiskStore, folder: Path, at: int) -> None:
    keep(make_disk_store().file(key_of(1), 3 * PAGE), 0, 1, 2)
    flip(pages_of(folder), PAGE + at)
    store = make_disk_store()
    kept = store.file(key_of(1), 3 * PAGE)
    assert kept.read(1, 5, 6) is None, "not even a byte that is right"
    assert kept.read_into(1, 0, memoryview(bytearray(PAGE))) is False
    assert store.counters()["corrupt"] == 1
    assert not kept.has(1)
    keep(kept, 1)
    assert all(read_whole(kept, index) for index in range(3))


def test_read_into_finds_a_flipped_bit_too(make_disk_store: MakeDiskStore, folder: Path) -> None:
    keep(make_disk_store().file(key_of(1), PAGE), 0)
    flip(pages_of(folder), 99)
    kept = make_disk_store().file(key_of(1), PAGE)
    assert kept.read_into(0, 0, memoryview(bytearray(PAGE))) is False
    assert not kept.has(0)


def test_what_a_process_has_kept_itself_is_verified_too(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    keep(store.file(key_of(0), PAGE), 0)
    flip(pages_of(folder), 0)
    assert store.file(key_of(0), PAGE).read(0, 1, 9) is None


@pytest.mark.parametrize("name", ["control", "hints", "index", "pages"])
@pytest.mark.parametrize("seed", range(4))
def test_bits_flipped_anywhere_never_give_wrong_bytes(
    make_disk_store: MakeDiskStore, folder: Path, name: str, seed: int
) -> None:
    chance = random.Random(seed)
    first = make_disk_store(2**20)
    files = [first.file(key_of(number), 60 * PAGE + 7) for number in range(8)]
    for kept in files:
        keep(kept, *range(61))
        first.put_note(kept.key, kept.key * 9)
        first.pin(kept.key, True)
    first.pin(kept.key, False)
    for path in sorted((folder / LAYOUT).iterdir()):
        if path.name.endswith(name):
            # Without its first bytes, which say what it is, a file is a clear error: that is another test.
            for _ in range(200):
                flip(path, chance.randrange(24, path.stat().st_size))
    for store in (make_disk_store(2**20), make_disk_store(2**20)):
        for _ in range(400):
            kept, index = store.file(chance.choice(files).key, 60 * PAGE + 7), chance.randrange(61)
            if not read_whole(kept, index):
                keep(kept, index)
            if index % 9 == 0:
                assert store.note(kept.key) in (None, kept.key * 9)
                store.pin(kept.key, False)
    store.verify()
    store.clear()
    keep(kept, *range(61))
    assert sum(read_whole(kept, index) for index in range(61)) > 50, "and it goes on keeping"


@pytest.mark.parametrize("size", [0, 1, PAGE, PAGE + 1, 2 * PAGE - 1])
@pytest.mark.parametrize("read_before", [False, True])
def test_a_truncated_page_is_a_missing_page(
    make_disk_store: MakeDiskStore, folder: Path, size: int, read_before: bool
) -> None:
    kept = make_disk_store().file(key_of(1), 2 * PAGE)
    keep(kept, 0, 1)
    assert not read_before or read_whole(kept, 1)
    os.truncate(pages_of(folder), size)
    assert kept.read(1, PAGE - 10, PAGE) is None
    assert kept.read_into(1, 0, memoryview(bytearray(PAGE))) is False
    keep(kept, 1)
    assert read_whole(kept, 1)


@pytest.mark.parametrize("name", ["control", "hints", f"{CLASS}.index"])
@pytest.mark.parametrize("content", [b"", b"precious" * 8, b"precious " * 20_000])
def test_a_file_that_is_none_of_ours_is_a_clear_error_and_stays(
    make_disk_store: MakeDiskStore, folder: Path, name: str, content: bytes
) -> None:
    keep(make_disk_store().file(key_of(1), PAGE), 0)
    (folder / LAYOUT / name).write_bytes(content)
    store = make_disk_store()
    kept = store.file(key_of(1), PAGE)
    if name != "hints" or not content:  # in hints nothing has to be true
        with pytest.raises(PageStoreError) as caught:
            read_whole(kept, 0)
        assert str(folder / LAYOUT / name) in str(caught.value)
        assert "move the folder it is in out of the way" in str(caught.value)
        with pytest.raises(PageStoreError):
            keep(kept, 0)
        assert (folder / LAYOUT / name).read_bytes() == content
    assert kept.claim(0), "claims are those of the process then"
    kept.release(0)
    assert store.counters()["pages"] in (0, 1)


def test_a_file_that_is_removed_is_as_if_nothing_had_been_kept(make_disk_store: MakeDiskStore, folder: Path) -> None:
    old = make_disk_store()
    kept = old.file(key_of(1), 3 * PAGE)
    keep(kept, 0, 1)
    pages_of(folder).unlink()
    index_of(folder).unlink()
    store = make_disk_store()
    again = store.file(key_of(1), 3 * PAGE)
    assert not read_whole(again, 0)
    keep(again, 0, 2)
    assert [read_whole(again, index) for index in range(3)] == [True, False, True]
    for index in range(3):
        read_whole(kept, index)  # it may be gone, it may be there: it fails for wrong bytes


def plant_foreign(folder: Path) -> List[Path]:
    """Files that are none of ours, in every place where they could be taken for some."""
    places = [
        folder / "notes.txt",
        folder / "v1" / "ab" / "abcd" / "0.page",
        folder / LAYOUT / "notes.txt",
        folder / LAYOUT / f"{class_of(100)}.pages",  # the very name of a file of ours
        folder / LAYOUT / "owners" / "notes.txt",
        folder / LAYOUT / "owners" / ("0" * 15 + "1"),
    ]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"precious " * 1000)
    return places


def test_what_is_foreign_is_neither_served_nor_deleted(make_disk_store: MakeDiskStore, folder: Path) -> None:
    keep(make_disk_store().file(key_of(1), 100 * PAGE), 0)
    foreign = plant_foreign(folder)
    store = make_disk_store(2**20)
    kept, small = store.file(key_of(1), 2000 * PAGE), store.file(key_of(2), 100)
    keep(kept, *range(500))
    assert store.counters()["evictions"] > 0
    with pytest.raises(PageStoreError):
        keep(small, 0)
    assert small.read(0, 0, 9) is None
    store.forget(key_of(1))
    store.clear()
    assert {path.read_bytes() for path in foreign} == {b"precious " * 1000}


def test_a_folder_in_place_of_the_store_that_is_none_is_a_clear_error(
    make_disk_store: MakeDiskStore, folder: Path
) -> None:
    (folder / LAYOUT).mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    kept = make_disk_store().file(key_of(1), PAGE)
    with pytest.raises(PageStoreError) as caught:
        keep(kept, 0)
    assert str(folder / LAYOUT) in str(caught.value)
    assert list((folder / LAYOUT).iterdir()) == []


# --- the folder ---------------------------------------------------------------------------------------------------


def test_a_folder_that_is_removed_is_no_error_for_reads(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    kept = store.file(key_of(1), 100 * PAGE)
    keep(kept, 0, 1, 2)
    assert read_whole(kept, 0)
    shutil.rmtree(folder)
    assert not read_whole(kept, 5)
    assert not read_whole(kept, 0), "it is let go of, for as long as it is open it takes disk"
    assert not kept.has(2)
    with pytest.raises(PageStoreError) as caught:
        keep(kept, 3)
    assert caught.value.errno == errno.ENOENT
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert not folder.exists(), "a disk that is gone is not replaced by a folder of its name"
    store.forget(key_of(1))
    store.clear()


@pytest.fixture
def small_disk(mount_disk: Callable[[str], Path]) -> Path:
    """A file system of 1 MB, where the folder is to be."""
    return mount_disk("1m")


@pytest.fixture
def remount(small_disk: Path) -> Callable[..., object]:
    return lambda *options: subprocess.run(["mount", *options, str(small_disk)], check=True)


def test_a_full_disk_is_an_error_and_leaves_nothing(make_disk_store: MakeDiskStore, small_disk: Path) -> None:
    store = make_disk_store(64 * 2**20, 100_000)
    kept = store.file(key_of(1), 100 * 100_000)
    with pytest.raises(PageStoreError) as caught:
        keep(kept, *range(100))
    assert caught.value.errno == errno.ENOSPC
    assert isinstance(caught.value.__cause__, OSError)
    count = store.counters()["pages"]
    assert 0 < count < 11
    assert all(read_whole(kept, index) for index in range(count))
    assert not any(kept.has(index) for index in range(count, 100))
    store.forget(key_of(1))
    keep(kept, 50)
    assert read_whole(kept, 50)
    assert count_broken(small_disk) == 0


def count_broken(folder: Path) -> int:
    """What another process says of all that is there."""
    store = DiskPageStore(DiskPageStore.Settings(path=folder), make_context(), 100_000)
    kept = store.file(key_of(1), 100 * 100_000)
    for index in range(100):
        read_whole(kept, index)
    store.close()
    return store.counters()["corrupt"]


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
kept = DiskPageStore(DiskPageStore.Settings(path=(sys.argv[1],)), make_context(), 100_000).file(bytes(16), 100_100)
kept.keep(1, memoryview(bytes(100)))
resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))
try:
    kept.keep(0, memoryview(bytes(100_000)))
except PageStoreError as error:
    print(error.errno, kept.has(0), kept.has(1), kept.read(1, 0, 3))
"""


def test_a_file_that_cannot_grow_is_an_error_and_leaves_nothing(folder: Path) -> None:
    # The limit on the size of files, which binds root as well.
    answer = subprocess.run([sys.executable, "-c", _LIMITED, str(folder)], capture_output=True, check=True, text=True)
    assert answer.stdout.split() == [str(errno.EFBIG), "False", "True", "b'\\x00\\x00\\x00'"]


def test_a_broken_page_is_told_of(
    make_disk_store: MakeDiskStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(make_disk_store().file(key_of(1), PAGE), 0)
    kept = make_disk_store().file(key_of(1), PAGE)
    flip(pages_of(folder), 0)
    with caplog.at_level(logging.WARNING):
        assert not kept.read(0, 0, 1)
    assert str(folder) in caplog.text
    assert key_of(1).hex() in caplog.text


def test_a_block_that_the_disk_cannot_read_costs_its_page(
    make_disk_store: MakeDiskStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keep(make_disk_store().file(key_of(1), 20 * PAGE), *range(20))
    kept, view = make_disk_store().file(key_of(1), 20 * PAGE), memoryview(bytearray(PAGE))
    bad = {2 * PAGE}

    def read(fd: int, offset: int, part: memoryview, real: Callable[..., bool] = found.read_fully) -> bool:
        if offset in bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, offset, part)

    monkeypatch.setattr(found, "read_fully", read)
    assert [kept.read_into(index, 0, view) for index in range(4)] == [True, True, False, True]
    assert "cannot read" in caplog.text
    keep(kept, 2)
    bad.update(index * PAGE for index in range(5, 20))
    with pytest.raises(PageStoreError) as caught:
        for index in range(5, 20):
            assert not kept.read_into(index, 0, view)
    assert caught.value.errno == errno.EIO, "the disk fails"


def test_a_process_that_is_stopped_while_it_holds_the_lock_does_not_stop_the_others(
    make_disk_store: MakeDiskStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_PATIENCE", 0.1)
    kept = make_disk_store().file(key_of(1), 2 * PAGE)
    keep(kept, 0)
    with (folder / LAYOUT / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert kept.claim(1)
        assert read_whole(kept, 0)
        with pytest.raises(PageStoreError) as caught:
            keep(kept, 1)
        assert caught.value.errno == errno.ETIMEDOUT
        kept.release(1)
