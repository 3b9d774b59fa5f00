"""The page store on disk, shared by processes: some of them killed, some forked."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List

import pytest

from alluxiofs.interfaces import Deadline
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk.layout import LAYOUT
from alluxiofs.testing.page_stores import keep, key_of, read_whole

PAGE = 4096
CAPACITY = 3 * 2**20
KILLS = 25
MakeDiskStore = Callable[..., DiskPageStore]

# Reads and keeps pages of many sizes that all processes want, in a store too small for them, and checks every byte.
_WORKER = """
import random, sys
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import content, keep, key_of, read_whole
path, capacity, seed, steps = sys.argv[1], *map(int, sys.argv[2:])
store = DiskPageStore(DiskPageStore.Settings(path.split("|"), capacity), make_context(), 4096)
chance, hits = random.Random(seed), 0
print("started", flush=True)
for step in range(steps):
    if chance.random() < 0.8:
        kept, index = store.file(key_of(chance.randrange(16)), 60 * 4096 + 5), chance.randrange(61)
    else:
        number = chance.randrange(400)
        kept, index = store.file(key_of(1000 + number), 1 + number * 10), 0
    if read_whole(kept, index):
        hits += 1
    elif kept.claim(index):
        try:
            keep(kept, index)
        finally:
            kept.release(index)
    if step % 10 == 4:  # larger than what is written under the lock, and several at once
        large = store.file(key_of(3000 + chance.randrange(5)), 250_000, 100_000)
        if not all([read_whole(large, index) for index in range(3)]):
            large.keep_run(0, memoryview(b"".join(content(large, index) for index in range(3))))
    if step % 20 == 7:
        key = key_of(2000 + chance.randrange(8))
        store.put_note(key, key + bytes([chance.randrange(256)]) * chance.randrange(9000))
    if step % 5 == 3:
        key = key_of(2000 + chance.randrange(8))
        note = store.note(key)
        assert note is None or (note[:16] == key and len(set(note[16:])) < 2), "a wrong note"
    if step % 50 == 25:
        store.pin(key_of(chance.randrange(4)), chance.random() < 0.5)
    if step % 500 == 499:
        store.forget(kept.key)
print(hits, store.counters()["corrupt"], store.counters()["evictions"])
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def disk_use(folder: Path) -> int:
    """What ``du`` says, while others make and remove files."""
    taken = 0
    for path in [folder, *folder.rglob("*")]:
        try:
            taken += path.lstat().st_blocks * 512
        except FileNotFoundError:
            pass
    return taken


def disk_use_at_once(folder: Path) -> int:
    """The same, of one moment: whoever makes a file longer or shorter holds this lock, and a sum over files that change
    in between is that of no moment. Before there is a store there is nothing."""
    if not (folder / LAYOUT).exists():
        return 0
    with (folder / LAYOUT / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return disk_use(folder)


def test_processes_share_a_folder_and_its_capacity(make_disk_store: MakeDiskStore, folder: Path) -> None:
    processes = [start(_WORKER, folder, CAPACITY, seed, 1500) for seed in range(3)]
    most = 0
    while any(process.poll() is None for process in processes):
        most = max(most, disk_use_at_once(folder))
        time.sleep(0.01)
    most = max(most, disk_use(folder))
    answers = [process.communicate()[0].split()[1:] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    hits, corrupt, evictions = zip(*(map(int, answer) for answer in answers))
    assert min(hits) > 0
    assert max(corrupt) == 0
    assert sum(evictions) > 0
    assert CAPACITY // 2 < most <= CAPACITY
    store = make_disk_store(CAPACITY)
    assert store.counters()["pages"] == len(readable(store))


def test_processes_share_several_folders_and_the_capacity_of_each(folder: Path) -> None:
    folders = [folder / "one", folder / "two"]
    processes = [start(_WORKER, "|".join(map(str, folders)), CAPACITY, seed, 600) for seed in range(2)]
    most = [0, 0]
    while any(process.poll() is None for process in processes):
        most = [max(before, disk_use_at_once(each)) for before, each in zip(most, folders)]
        time.sleep(0.01)
    answers = [process.communicate()[0].split()[1:] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all(int(corrupt) == 0 for _, corrupt, _ in answers)
    assert min(disk_use(each) for each in folders) > CAPACITY // 4
    assert max(*most, *map(disk_use, folders)) <= CAPACITY // 2


def readable(store: DiskPageStore) -> List[object]:
    """All the pages of the workers that can be read; wrong bytes fail."""
    found: List[object] = []
    for number in range(16):
        kept = store.file(key_of(number), 60 * PAGE + 5)
        found += [(number, index) for index in range(61) if read_whole(kept, index)]
    for number in range(400):
        if read_whole(store.file(key_of(1000 + number), 1 + number * 10), 0):
            found.append(number)
    for number in range(5):
        kept = store.file(key_of(3000 + number), 250_000, 100_000)
        found += [(3000 + number, index) for index in range(3) if read_whole(kept, index)]
    return found


def test_processes_that_are_killed_at_any_moment_leave_nothing_to_repair(
    make_disk_store: MakeDiskStore, folder: Path
) -> None:
    chance = random.Random(7)
    steady = start(_WORKER, folder, CAPACITY, 1000, 1500)
    victims = [start(_WORKER, folder, CAPACITY, seed, 10**9) for seed in range(3)]
    for kill in range(KILLS):
        victim = victims.pop(0)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "started\n"
        time.sleep(chance.uniform(0.0, 0.1))
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        assert victim.returncode == -signal.SIGKILL, "it ended by itself, with wrong bytes or an error"
        assert disk_use_at_once(folder) <= CAPACITY
        victims.append(start(_WORKER, folder, CAPACITY, 100 + kill, 10**9))
    for victim in victims:
        victim.kill()
        victim.communicate()
    hits, corrupt, _ = map(int, steady.communicate(timeout=300)[0].split()[1:])
    assert (steady.returncode, corrupt) == (0, 0)
    assert hits > 0
    store = make_disk_store(CAPACITY)
    for number in range(4):
        store.pin(key_of(number), False)
    assert not any(page.pinned for page in store.list_pages())
    store.drop_notes(key_of(2000 + number) for number in range(8))
    keep(store.file(key_of(5000), PAGE), 0)
    counters = store.counters()
    assert counters["pages"] == len(readable(store)) + 1 == len(list(store.list_pages()))
    assert store.verify() == (counters["pages"], 0)
    assert store.counters()["corrupt"] == 0
    kept = store.file(key_of(6000), 1500 * PAGE)
    keep(kept, *range(1500))
    assert sum(kept.has(index) for index in range(1500)) * PAGE > 0.85 * CAPACITY, "no space is lost to the dead"
    assert disk_use(folder) <= CAPACITY


# Keeps pages, and ends when everything of the last ones is written but what is said of it.
_ENDING = """
import os, sys
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk.control import Control
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of
store = DiskPageStore(DiskPageStore.Settings(sys.argv[1], 3 * 2**20), make_context(), 4096)
kept = store.file(key_of(1), 1000 * 4096)
keep(kept, *range(int(sys.argv[2])))
Control.finish = lambda *_: os._exit(0)
keep(kept, 999)
"""


@pytest.mark.parametrize("pages", [0, 1, 2, 3])  # cells are added for one or two pages at a time
def test_what_was_kept_by_who_died_then_is_counted(make_disk_store: MakeDiskStore, folder: Path, pages: int) -> None:
    start(_ENDING, folder, pages).communicate(timeout=60)
    store = make_disk_store(CAPACITY)
    keep(store.file(key_of(2), PAGE), 0)
    assert store.counters()["pages"] == pages + 2 == len(list(store.list_pages()))
    assert read_whole(store.file(key_of(1), 1000 * PAGE), 999)


# Reads pages 0 to 49 of a file, fetching those that nobody has; a fetch takes a while, and is told of.
_READER = """
import sys, time
from alluxiofs.interfaces import Deadline
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of, read_whole
kept = DiskPageStore(DiskPageStore.Settings(sys.argv[1]), make_context(), 4096).file(key_of(1), 50 * 4096)
print("started", flush=True)
for index in range(50):
    while not read_whole(kept, index):
        if not kept.claim(index):
            kept.wait(index, Deadline.after(30))
            continue
        try:
            if not kept.has(index):
                print(index, flush=True)
                time.sleep(0.005)
                keep(kept, index)
        finally:
            kept.release(index)
"""


def test_four_processes_fetch_each_page_once(folder: Path) -> None:
    readers = [start(_READER, folder) for _ in range(4)]
    answers = [reader.communicate(timeout=100)[0].split()[1:] for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * 4
    assert sorted(int(index) for answer in answers for index in answer) == list(range(50))


# Claims a page, and says so, and never ends.
_CLAIMANT = """
import sys, time
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import key_of
kept = DiskPageStore(DiskPageStore.Settings(sys.argv[1]), make_context(), 4096).file(key_of(1), 4096)
print(kept.claim(0), flush=True)
time.sleep(600)
"""


def test_the_claim_of_a_process_that_died_is_taken_over(make_disk_store: MakeDiskStore, folder: Path) -> None:
    claimant = start(_CLAIMANT, folder)
    assert claimant.stdout is not None
    assert claimant.stdout.readline() == "True\n"
    kept = make_disk_store().file(key_of(1), PAGE)
    assert not kept.claim(0)
    begun = time.monotonic()
    kept.wait(0, Deadline.after(0.3))
    assert 0.25 < time.monotonic() - begun < 60, "waiting has a limit"
    assert not kept.claim(0)
    claimant.kill()
    claimant.communicate()
    begun = time.monotonic()
    kept.wait(0, Deadline.after(100))
    assert time.monotonic() - begun < 50
    assert kept.claim(0)
    kept.release(0)


def test_the_claim_of_a_process_that_died_is_taken_over_by_who_does_not_wait_too(
    make_disk_store: MakeDiskStore, folder: Path
) -> None:
    claimant = start(_CLAIMANT, folder)
    assert claimant.stdout is not None
    assert claimant.stdout.readline() == "True\n"
    kept = make_disk_store().file(key_of(1), PAGE)
    assert not kept.claim(0)
    claimant.kill()
    claimant.communicate()
    deadline = Deadline.after(60)
    while not kept.claim(0):  # for a moment it is taken to live
        assert deadline.remaining() > 0
    kept.release(0)


def test_waiting_ends_when_another_process_has_kept_the_page(make_disk_store: MakeDiskStore) -> None:
    one, other = (make_disk_store().file(key_of(1), 2 * PAGE) for _ in range(2))
    assert one.claim(0)
    assert not other.claim(0)
    assert other.claim(1)
    keep(one, 0)
    one.release(0)
    begun = time.monotonic()
    other.wait(0, Deadline.after(100))
    assert time.monotonic() - begun < 50
    assert read_whole(other, 0)


def test_a_page_that_another_store_removed_is_missing(make_disk_store: MakeDiskStore) -> None:
    one, other = make_disk_store(), make_disk_store()
    kept = one.file(key_of(1), 4 * PAGE)
    keep(kept, 0, 1)
    assert read_whole(kept, 0)
    assert read_whole(other.file(key_of(1), 4 * PAGE), 0)
    other.forget(key_of(1))
    assert not kept.has(0)
    assert not read_whole(kept, 0)
    assert not read_whole(kept, 1)
    keep(kept, 1)
    assert read_whole(other.file(key_of(1), 4 * PAGE), 1)


def test_the_capacity_holds_over_what_all_have_kept(make_disk_store: MakeDiskStore, folder: Path) -> None:
    capacity = 2**20
    stores = [make_disk_store(capacity) for _ in range(2)]
    for number in range(400):
        keep(stores[number % 2].file(key_of(number), PAGE), 0)
        assert disk_use(folder) <= capacity


def test_a_use_by_one_process_counts_for_the_eviction_by_another(make_disk_store: MakeDiskStore) -> None:
    writer, reader = (make_disk_store(2**20) for _ in range(2))
    kept = writer.file(key_of(1), 1000 * PAGE)
    keep(kept, *range(150))
    time.sleep(1.1)  # a use within a second of the last one is not told
    assert all(read_whole(reader.file(key_of(1), 1000 * PAGE), index) for index in range(5))
    reader.close()
    keep(kept, *range(200, 330))
    assert [index for index in range(10) if kept.has(index)] == [0, 1, 2, 3, 4]


_FORKING = """
import gc, os, sys
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of, read_whole
make = lambda: DiskPageStore(DiskPageStore.Settings(sys.argv[1]), make_context(), 4096)
store = make()
kept = store.file(key_of(1), 500 * 4096)
keep(kept, *range(50))
assert all(read_whole(kept, index) for index in range(50))
if os.fork() == 0:
    assert all(read_whole(kept, index) for index in range(50)), "the parent's store"
    keep(kept, *range(50, 60))
    del store, kept
    gc.collect()
    kept = make().file(key_of(1), 500 * 4096)
    keep(kept, *range(60, 70))
    os._exit(not all(read_whole(kept, index) for index in range(70)))
keep(kept, *range(70, 120))
assert os.wait()[1] == 0
assert all(read_whole(kept, index) for index in range(120))
print("fine")
"""


def test_a_forked_child_harms_nothing(folder: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    child = start(_FORKING, folder)
    assert child.communicate(timeout=100)[0] == "fine\n"


_FORKING_IN_A_SECTION = """
import os, sys, time
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of
store = DiskPageStore(DiskPageStore.Settings(sys.argv[1]), make_context(), 4096)
keep(store.file(key_of(1), 4096), 0)
def fork(*_):
    if os.fork() == 0:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    print("forked", flush=True)
    os.kill(os.getpid(), 9)
store.pages_of(key_of(1), 0).folder.change(fork)
"""


def test_a_child_does_not_hold_the_lock_of_a_parent_that_was_killed(
    make_disk_store: MakeDiskStore, folder: Path
) -> None:
    parent = start(_FORKING_IN_A_SECTION, folder)
    assert parent.communicate(timeout=100)[0] == "forked\n"
    kept = make_disk_store().file(key_of(1), 2 * PAGE)
    keep(kept, 1)
    assert read_whole(kept, 1)
