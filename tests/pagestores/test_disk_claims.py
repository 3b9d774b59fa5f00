"""Claims to runs of pages, shared by processes: few entries for many pages, none that outlives its owner, and no
waiting for somebody who was stopped while he had the lock."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List

from alluxiofs.interfaces import Claim
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk.layout import LAYOUT
from alluxiofs.testing.page_stores import keep, key_of, read_whole

PAGE = 4096
MANY = 20_000
MakeDiskStore = Callable[..., DiskPageStore]


def pages_of(mine: List[Claim]) -> List[int]:
    return sorted(index for claim in mine for index in claim.pages)


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_run_is_got_without_what_others_have(make_disk_store: MakeDiskStore) -> None:
    one, other = (make_disk_store().file(key_of(1), 100 * PAGE) for _ in range(2))
    first: List[Claim] = []
    second: List[Claim] = []
    one.claim_run(range(10, 20), first)
    one.claim_run(range(40, 50), first)
    other.claim_run(range(5, 60), second)
    assert pages_of(first) == [*range(10, 20), *range(40, 50)]
    assert pages_of(second) == [*range(5, 10), *range(20, 40), *range(50, 60)]
    one.release_run(first)
    assert first == []
    third: List[Claim] = []
    one.claim_run(range(100), third)
    assert pages_of(third) == [*range(5), *range(10, 20), *range(40, 50), *range(60, 100)]
    one.release_run(third)
    other.release_run(second)


def test_a_claim_that_ends_twice_ends_nobody_elses(make_disk_store: MakeDiskStore) -> None:
    one, other = (make_disk_store().file(key_of(1), 100 * PAGE) for _ in range(2))
    mine: List[Claim] = []
    one.claim_run(range(10), mine)
    again = list(mine)
    one.release_run(mine)
    assert other.claim(5)
    one.release_run(mine)
    one.release_run(again)
    assert not one.claim(5)
    other.release(5)
    assert one.claim(5)
    one.release(5)


def test_more_pages_than_there_are_places_are_claimed_once(make_disk_store: MakeDiskStore) -> None:
    stores = [make_disk_store() for _ in range(2)]
    one, other = (store.file(key_of(1), MANY * PAGE) for store in stores)
    mine: List[Claim] = []
    one.claim_run(range(MANY), mine)
    assert len(pages_of(mine)) == MANY
    rest: List[Claim] = []
    other.claim_run(range(MANY), rest)
    assert rest == []
    one.release_run(mine)
    other.claim_run(range(MANY), rest)
    assert len(pages_of(rest)) == MANY
    other.release_run(rest)


# Claims the first page of so many files, and says so, and never ends.
_CLAIMANT = """
import sys, time
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import key_of
store = DiskPageStore(DiskPageStore.Settings(sys.argv[1]), make_context(), 4096)
print(all(store.file(key_of(number), 4096).claim(0) for number in range(int(sys.argv[2]))), flush=True)
time.sleep(600)
"""


def test_a_table_full_of_the_dead_has_room(make_disk_store: MakeDiskStore, folder: Path) -> None:
    claimant = start(_CLAIMANT, folder, 1500)  # more than there are places
    assert claimant.stdout is not None
    assert claimant.stdout.readline() == "True\n"
    claimant.kill()
    claimant.communicate()
    one, other = (make_disk_store().file(key_of(5000), PAGE) for _ in range(2))
    assert one.claim(0)
    assert not other.claim(0)
    one.release(0)


# Reads all pages of a file by 500 at a time, as soon as it is told to; says which ones it fetched.
_READER = """
import sys, time
from alluxiofs.interfaces import Deadline
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import keep, key_of, read_whole
pages = int(sys.argv[2])
kept = DiskPageStore(DiskPageStore.Settings(sys.argv[1]), make_context(), 4096).file(key_of(1), pages * 4096)
print("started", flush=True)
sys.stdin.readline()
fetched = []
for first in range(0, pages, 500):
    run = range(first, min(first + 500, pages))
    left = [index for index in run if not read_whole(kept, index)]
    while left:
        mine = []
        try:
            kept.claim_run(range(left[0], left[-1] + 1), mine)
            claimed = sorted(index for claim in mine for index in claim.pages)
            here = set(kept.held(run))
            for index in claimed:
                if index not in here:
                    fetched.append(index)
                    keep(kept, index)
        finally:
            kept.release_run(mine)
        for index in left:
            kept.wait(index, Deadline.after(30))
        left = [index for index in left if not read_whole(kept, index)]
print(*fetched)
"""


def test_processes_that_read_many_small_pages_fetch_each_once(folder: Path) -> None:
    readers = [start(_READER, folder, 1200) for _ in range(4)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "started\n"
    answers = [reader.communicate("go\n", timeout=100)[0].split() for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * 4
    assert sorted(int(index) for answer in answers for index in answer) == list(range(1200))


# Has the lock of the folder, and says so.
_HOLDER = """
import fcntl, sys, time
with open(sys.argv[1]) as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("locked", flush=True)
    time.sleep(600)
"""


def test_who_is_stopped_with_the_lock_is_waited_for_once(make_disk_store: MakeDiskStore, folder: Path) -> None:
    kept = make_disk_store().file(key_of(1), 200 * PAGE)
    keep(kept, 0)
    holder = start(_HOLDER, folder / LAYOUT / "lock")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        holder.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        mine: List[Claim] = []
        for index in range(1, 200):
            kept.claim_run(range(index, index + 1), mine)
        assert time.monotonic() - begun < 50, "once, not 199 times half a second"
        assert pages_of(mine) == list(range(1, 200)), "they are the process's own affair"
        again: List[Claim] = []
        kept.claim_run(range(1, 200), again)
        assert again == []
        kept.release_run(mine)
        assert read_whole(kept, 0)
    finally:
        holder.kill()
        holder.communicate()
