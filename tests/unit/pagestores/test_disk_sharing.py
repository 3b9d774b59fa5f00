"""The page store on disk, shared by processes: some of them killed, some forked."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.page_stores import keep, key_of, read_whole

PAGE = 4096
MakeDiskStore = Callable[..., DiskPageStore]

# Reads and keeps pages that all processes want, in a store too small for them, and checks every byte.
_WORKER = """
import random, sys
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of, read_whole
store = DiskPageStore(DiskPageStore.Settings((sys.argv[1],), Size(sys.argv[2])), make_context(), 4096)
chance, hits = random.Random(int(sys.argv[3])), 0
for step in range(int(sys.argv[4])):
    kept = store.file(key_of(chance.randrange(4)), 60 * 4096 + 5)
    index = chance.randrange(61)
    if read_whole(kept, index):
        hits += 1
    else:
        keep(kept, index)
    if step % 500 == 499:
        store.forget(kept.key)
print(hits, store.counters()["corrupt"], store.counters()["evictions"])
"""

# Keeps one page, so large that there is time to kill it in the middle.
_LARGE = 64 * 2**20
_WRITER = """
import sys
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of
size = int(sys.argv[2])
keep(DiskPageStore(DiskPageStore.Settings((sys.argv[1],)), make_context(), size).file(key_of(1), size), 0)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def disk_use(folder: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def test_processes_share_a_folder(folder: Path) -> None:
    capacity = 120 * 8192
    processes = [start(_WORKER, folder, capacity, seed, 2000) for seed in range(3)]
    answers = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    hits, corrupt, evictions = zip(*(map(int, answer.split()) for answer in answers))
    assert min(hits) > 0
    assert max(corrupt) == 0
    assert sum(evictions) > 0
    # Each process keeps within the capacity what it knows of, and looks again after an eighth of it.
    assert disk_use(folder) <= capacity * (1 + 3 / 8) + 3 * 8192


def test_a_page_that_another_store_removed_is_missing(make_disk_store: MakeDiskStore) -> None:
    one, other = make_disk_store(), make_disk_store()
    kept = one.file(key_of(1), 4 * PAGE)
    keep(kept, 0, 1)
    assert read_whole(other.file(key_of(1), 4 * PAGE), 0)
    other.forget(key_of(1))
    assert not kept.has(1)
    assert not read_whole(kept, 1)
    keep(kept, 1)
    assert read_whole(other.file(key_of(1), 4 * PAGE), 1)


def test_the_capacity_holds_over_what_others_have_added_before(make_disk_store: MakeDiskStore, folder: Path) -> None:
    capacity = 2**20
    one, other = make_disk_store(capacity), make_disk_store(capacity)
    for number in range(400):
        store = one if number % 2 else other
        keep(store.file(key_of(number), PAGE), 0)
    assert disk_use(folder) <= capacity * (1 + 2 / 8) + 2 * 8192


def kill_while_it_writes(folder: Path) -> bool:
    """Whether the kill came before the end of the writing."""
    temporary = folder / "v1" / "tmp"
    writer = start(_WRITER, folder, _LARGE)
    with writer:
        while writer.poll() is None:
            if any(path.stat().st_size for path in temporary.glob("*.tmp")):
                writer.kill()
                break
    return not list(folder.rglob("*.page"))


def test_a_process_killed_while_it_writes_leaves_nothing_visible(make_disk_store: MakeDiskStore, folder: Path) -> None:
    large = make_disk_store(2**30, _LARGE)
    kept = large.file(key_of(1), _LARGE)
    while not kill_while_it_writes(folder):
        assert read_whole(kept, 0), "a page that is visible is whole"
        large.forget(key_of(1))
    left = list((folder / "v1" / "tmp").iterdir())
    assert [path.stat().st_size < _LARGE for path in left] == [True]
    assert not kept.has(0)
    assert not read_whole(kept, 0)
    store = make_disk_store()
    keep(store.file(key_of(9), PAGE), 0)
    assert list((folder / "v1" / "tmp").iterdir()) == [], "what the dead left is removed"
    assert store.counters()["corrupt"] == 0


def test_what_a_living_process_is_writing_is_not_removed(make_disk_store: MakeDiskStore, folder: Path) -> None:
    keep(make_disk_store().file(key_of(1), PAGE), 0)
    writing = folder / "v1" / "tmp" / ("a" * 32 + ".tmp")
    dead = folder / "v1" / "tmp" / ("b" * 32 + ".tmp")
    dead.write_bytes(b"half a page")
    with writing.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        keep(make_disk_store().file(key_of(1), 2 * PAGE), 1)
        assert writing.exists()
    assert not dead.exists()


def test_a_forked_child_that_drops_the_store_harms_nothing(make_disk_store: MakeDiskStore) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    code = (
        "import os, sys, gc\n"
        "from alluxiofs.pagestores.disk import DiskPageStore\n"
        "from alluxiofs.testing.context import make_context\n"
        "from alluxiofs.testing.page_stores import keep, key_of, read_whole\n"
        "make = lambda: DiskPageStore(DiskPageStore.Settings((sys.argv[1],)), make_context(), 4096)\n"
        "store = make(); kept = store.file(key_of(1), 50 * 4096); keep(kept, *range(50))\n"
        "assert all(read_whole(kept, index) for index in range(50))\n"
        "if os.fork() == 0:\n"
        "    del store, kept; gc.collect()\n"
        "    kept = make().file(key_of(1), 50 * 4096)\n"
        "    sys.exit(not all(read_whole(kept, index) for index in range(50)))\n"
        "assert os.wait()[1] == 0\n"
        "assert all(read_whole(kept, index) for index in range(50))\n"
        "print('fine')\n"
    )
    folder = make_disk_store().describe()["path"][0]
    child = start(code, folder)
    assert child.communicate(timeout=60)[0] == "fine\n"
