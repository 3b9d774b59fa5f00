"""Ctrl-C: ``KeyboardInterrupt`` between any two steps of what the page store on disk does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.page_stores import keep, key_of, read_whole

PAGE = 4096
CAPACITY = 2**20
MakeDiskStore = Callable[..., DiskPageStore]

# Does something again and again, each time interrupted a few steps of the interpreter later, until it comes to its end.
# After each the lock of the folder must be free, for others and for the threads of this process, and no cell taken.
_INTERRUPTED = """
import fcntl, glob, os, sys, threading
import alluxiofs.pagestores.ondisk as ondisk
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_stores import content, keep, key_of, read_whole
folder, capacity, what, first, step = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
store = DiskPageStore(DiskPageStore.Settings(folder, capacity), make_context(), 4096)
here = os.path.dirname(ondisk.__file__)
turns = iter(range(10**9))

def do():
    turn = next(turns)
    if what == "small":
        keep(store.file(key_of(turn % 50), 9 * 4096), *range(turn % 5, 9))
    elif what == "large":
        kept = store.file(key_of(100 + turn % 5), 300_000, 100_000)
        kept.keep_run(0, memoryview(b"".join(content(kept, index) for index in range(3))))
    elif what == "note":
        store.put_note(key_of(turn % 5), key_of(turn) * (1 + turn % 300))
    elif what == "drop":
        store.forget(key_of(turn % 50))
        keep(store.file(key_of(turn % 50), 9 * 4096), *range(9))
    else:
        store.pin(key_of(turn % 50), bool(turn % 2))

def interrupt_after(left):
    def local(frame, event, argument):
        nonlocal left
        if event == "opcode":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return local
    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(here):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return local
    return trace

def is_free():
    with open(glob.glob(folder + "/v*/lock")[0]) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True

keep(store.file(key_of(1), 4096), 0)
for number in range(60):
    keep(store.file(key_of(number), 9 * 4096), *range(5))
held = []  # as a notebook holds the last traceback, with all that is in its frames
steps, ended = first, False
while not ended:
    sys.settrace(interrupt_after(steps))
    try:
        do()
        ended = True
    except KeyboardInterrupt as error:
        held = [error]
    finally:
        sys.settrace(None)
    for pages in store._folders:
        assert not pages.space.writing, (steps, held)
    assert is_free(), (steps, held)
    if steps % 50 == first % 50:
        others = threading.Thread(target=do, daemon=True)
        others.start()
        others.join(60)
        assert not others.is_alive(), (steps, held)
    steps += step
print(steps)
"""


@pytest.mark.parametrize("what", ["small", "large", "note", "drop", "pin"])
def test_an_interrupt_leaves_no_lock_and_no_cell_behind(
    make_disk_store: MakeDiskStore, folder: Path, what: str
) -> None:
    command = [sys.executable, "-c", _INTERRUPTED, str(folder), str(CAPACITY), what, "1", "37"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=100)
    assert not done.returncode, done.stderr
    assert int(done.stdout) > 1000
    store = make_disk_store(CAPACITY)
    kept = store.file(key_of(500), 9 * PAGE)
    keep(kept, *range(9))
    assert all(read_whole(kept, index) for index in range(9))
    assert store.counters()["pages"] == len(list(store.list_pages())) == store.verify()[0]
