"""The page store on a disk that is full. In memory, for a file system that lives there is the worst of them: it takes
a block for a hole in a file as soon as somebody reads a mapping of it, and kills him where there is none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import pytest

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk.layout import LAYOUT
from alluxiofs.testing.page_stores import keep, key_of, read_whole

CAPACITY = 64 * 2**20
PAGE = 2**20
MakeDiskStore = Callable[..., DiskPageStore]
MountDisk = Callable[[str], Path]

# Keeps pages and notes of many sizes, of which hardly any have room, and reads each: it says how many it could keep,
# and which errors there were.
_FILLER = """
import random, sys
from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of, read_whole
settings = DiskPageStore.Settings(path=(sys.argv[1],), capacity=64 * 2**20)
store, chance, kept, errors = DiskPageStore(settings, make_context(), 2**20), random.Random(int(sys.argv[2])), 0, set()
for turn in range(100):
    number, size = chance.randrange(10**6), chance.choice((100, 300, 4096, 5000, 20_000, 70_000, 2**20))
    page = store.file(key_of(number), size, size)
    try:
        if turn % 3:
            keep(page, 0)
            assert read_whole(page, 0)
        else:
            store.put_note(key_of(number), key_of(number) * 30)
            assert store.note(key_of(number)) == key_of(number) * 30
        kept += 1
    except PageStoreError as error:
        assert not page.has(0)
        errors.add(error.errno)
print(kept, store.counters()["corrupt"], *errors)
"""


def fill(folder: Path, *seeds: int) -> List[List[int]]:
    """What processes say that fill the disk side by side."""
    fillers = [
        subprocess.Popen([sys.executable, "-c", _FILLER, str(folder), str(seed)], stdout=subprocess.PIPE, text=True)
        for seed in seeds
    ]
    answers = [filler.communicate(timeout=100)[0] for filler in fillers]
    assert [filler.returncode for filler in fillers] == [0] * len(fillers), "it was killed"
    return [[int(number) for number in answer.split()] for answer in answers]


@pytest.mark.parametrize("size", ["200k", "1m", "3m", "8m", "12m"])
def test_a_full_disk_kills_nobody_and_what_is_kept_is_served(
    make_disk_store: MakeDiskStore, mount_disk: MountDisk, size: str
) -> None:
    folder = mount_disk(size)
    for seeds in ((1,), (2, 3), (4,)):  # the first fills it, the others find it full
        for _, corrupt, *errors in fill(folder / "pages", *seeds):
            assert corrupt == 0
            assert set(errors) <= {errno.ENOSPC}
    assert errors, "the last one finds it full"
    store = make_disk_store(CAPACITY, path=(str(folder / "pages"),))
    pages = list(store.list_pages())
    assert store.verify() == (len(pages), 0)
    assert store.counters()["pages"] == len(pages)


def test_keeping_goes_on_once_there_is_room_again(make_disk_store: MakeDiskStore, mount_disk: MountDisk) -> None:
    folder = mount_disk("3m")
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(2 * 2**20 + 2**19))
    store = make_disk_store(CAPACITY, path=(str(folder / "pages"),))
    fill(folder / "pages", 1)
    small = store.file(key_of(1), 10_000 * 256, 256)
    with pytest.raises(PageStoreError):
        keep(small, *range(10_000))
    had = [index for index in range(10_000) if small.has(index)]
    ballast.unlink()
    keep(small, *range(3000))
    store.put_note(key_of(2), b"name" * 1000)
    assert all(read_whole(small, index) for index in {*range(3000), *had})
    other = make_disk_store(CAPACITY, path=(str(folder / "pages"),))
    assert other.note(key_of(2)) == b"name" * 1000
    assert all(read_whole(other.file(key_of(1), 10_000 * 256, 256), index) for index in {*range(3000), *had})


def test_a_note_that_has_no_room_leaves_the_one_before(make_disk_store: MakeDiskStore, mount_disk: MountDisk) -> None:
    folder = mount_disk("1m")
    store = make_disk_store(CAPACITY, path=(str(folder / "pages"),))
    store.put_note(key_of(1), b"old")
    with pytest.raises(PageStoreError) as caught:
        store.put_note(key_of(1), bytes(2 * 2**20))
    assert caught.value.errno == errno.ENOSPC
    assert store.note(key_of(1)) == b"old"
    assert store.counters()["pages"] == 0


def test_no_file_that_is_mapped_has_a_hole(make_disk_store: MakeDiskStore, mount_disk: MountDisk) -> None:
    folder = mount_disk("64m") / "pages"
    store = make_disk_store(CAPACITY, path=(str(folder),))
    for size in (100, 4096, 70_000, PAGE):
        keep(store.file(key_of(size), 30 * size, size), *range(30))
    store.file(key_of(1), 10**6 * 256, 256).keep_run(0, memoryview(bytes(50_000 * 256)))
    store.clear()
    mapped = [
        path for path in (folder / LAYOUT).iterdir() if path.suffix == ".index" or path.name in ("hints", "control")
    ]
    assert len(mapped) == 6
    for path in mapped:
        with path.open("rb") as file:
            assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == path.stat().st_size, path
