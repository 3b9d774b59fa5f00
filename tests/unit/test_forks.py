"""What a forked child begins anew."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import traceback
import weakref
from typing import Callable, List

import pytest

from alluxiofs import forks

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


class Kept:
    """Something that a process keeps, with a lock."""

    def __init__(self, name: str, told: List[str]) -> None:
        self.name, self.told = name, told
        self.lock = threading.Lock()
        forks.in_child(self.renew)

    def renew(self) -> None:
        self.told.append(self.name)
        self.lock = threading.Lock()


def check_in_child(check: Callable[[], None]) -> None:
    child = os.fork()
    if not child:
        status = 1
        try:
            check()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_all_that_there_are_begin_anew_in_their_order_and_in_a_child_alone() -> None:
    told: List[str] = []
    kept = [Kept(name, told) for name in "abc"]
    kept[0].lock.acquire()

    def check() -> None:
        assert told == ["a", "b", "c"]
        assert kept[0].lock.acquire(blocking=False)

    check_in_child(check)
    assert told == []
    assert kept[0].lock.locked()


def test_what_nobody_uses_any_more_is_forgotten() -> None:
    told: List[str] = []
    gone, there = Kept("gone", told), Kept("there", told)
    left = weakref.ref(gone)
    del gone
    gc.collect()
    assert left() is None
    check_in_child(lambda: told.remove("there") if told == [there.name] else pytest.fail(str(told)))


def test_forks_are_counted_from_process_to_process() -> None:
    before = forks.count

    def check() -> None:
        assert forks.count == before + 1
        check_in_child(check_below)
        assert forks.count == before + 1

    def check_below() -> None:
        assert forks.count == before + 2

    check_in_child(check)
    assert forks.count == before


def test_one_that_fails_keeps_no_other_from_beginning_anew() -> None:
    script = """
import os, sys
from alluxiofs import forks
def fail(): raise ValueError("not me")
forks.in_child(fail)
forks.in_child(lambda: print("begun", flush=True))
if not os.fork():
    os._exit(0)
os.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "begun\n"
    assert "ValueError: not me" in done.stderr


def test_looking_for_what_must_live_may_fail_and_all_begin_anew_nevertheless() -> None:
    script = """
import os
from alluxiofs import forks
def fail(): raise ValueError("cannot look")
forks.never_drop_in_child(fail)
forks.in_child(lambda: print("begun", flush=True))
if not os.fork():
    os._exit(0)
os.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "begun\n"
    assert "ValueError: cannot look" in done.stderr


def test_a_finalizer_finds_all_locks_renewed() -> None:
    """Of what one drops, and of garbage that is there at the fork."""
    told: List[str] = []

    class Dropped:
        def __del__(self) -> None:
            with last[0].lock:
                told.append("dropped")

    class Dropping:
        def __init__(self) -> None:
            self.holds = [Dropped()]
            forks.in_child(self.renew)

        def renew(self) -> object:
            parents, self.holds = self.holds, []
            [[] for _ in range(100_000)]  # the collector would come now
            return parents

    first = Dropping()
    last = [Kept("last", told)]
    garbage: List[object] = [Dropped()]
    garbage.append(garbage)
    gc.collect()
    del garbage
    last[0].lock.acquire()

    def check() -> None:
        assert told[:2] == ["last", "dropped"]
        gc.collect()
        assert told == ["last", "dropped", "dropped"]

    check_in_child(check)
    last[0].lock.release()
    assert first.holds
    assert gc.isenabled()


def test_what_must_not_be_dropped_in_a_child_is_not_even_as_it_forks_itself() -> None:
    dropped: List[int] = []

    class Threaded:
        def __del__(self) -> None:
            dropped.append(os.getpid())

    holder = [Threaded()]
    forks.never_drop_in_child(lambda: list(holder))

    def drop() -> None:
        holder.clear()
        gc.collect()
        assert dropped == []

    def check() -> None:
        drop()
        check_in_child(drop)
        gc.collect()
        assert dropped == []

    check_in_child(check)
    holder.clear()
    assert dropped == [os.getpid()]  # of the process that it belongs to nothing is kept


def test_nothing_is_said_as_a_process_ends() -> None:
    script = """
from alluxiofs import forks
class Kept:
    def renew(self): pass
kept = [Kept() for _ in range(100)]
for each in kept:
    forks.in_child(each.renew)
    each.me = each
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")
