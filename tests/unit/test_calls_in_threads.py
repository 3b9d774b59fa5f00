"""Blocking calls in threads: whoever waits can stop, threads are used again, and a forked child has its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec import threads as module
from alluxiofs.plugins._fsspec.threads import Threads

FORKED = """
import os, sys
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.threads import Threads

threads = Threads(limit=1)
parent = threads.run(os.getpid, Deadline.after(30))
child = os.fork()
if not child:
    os._exit(0 if threads.run(os.getpid, Deadline.after(30)) == os.getpid() != parent else 1)
sys.exit(os.WEXITSTATUS(os.waitpid(child, 0)[1]))
"""


def soon() -> Deadline:
    return Deadline.after(30)


def test_what_a_call_returns_or_raises_is_the_callers() -> None:
    threads = Threads(limit=2)
    assert threads.run(lambda: 7, soon()) == 7
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda: 1 // 0, soon())
    threads.close()


def test_who_gives_a_call_up_takes_no_thread_from_the_next() -> None:
    threads, goes_on = Threads(limit=1), threading.Event()
    given_up = threads.start(goes_on.wait, soon())
    given_up.cancel()
    goes_on.set()
    assert threads.run(lambda: 7, soon()) == 7
    threads.close()


def test_calls_one_after_the_other_are_made_by_one_thread() -> None:
    threads = Threads(limit=8)
    made_by = {threads.run(threading.get_ident, soon()) for _ in range(20)}
    assert made_by != {threading.get_ident()}
    assert len(made_by) == 1
    threads.close()


def test_a_call_that_does_not_end_is_not_waited_for_and_holds_its_place() -> None:
    threads, goes_on = Threads(limit=1), threading.Event()
    with pytest.raises(DeadlineExceededError):
        threads.run(goes_on.wait, Deadline.after(0.05))
    with pytest.raises(DeadlineExceededError, match="an earlier call to the same client has not come back"):
        threads.run(lambda: 7, Deadline.after(0.05))
    goes_on.set()
    assert threads.run(lambda: 7, soon()) == 7
    threads.close()


def test_a_thread_with_nothing_to_do_ends_in_a_while_and_the_next_call_has_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.01)
    threads = Threads(limit=1)
    first = threads.run(threading.current_thread, soon())
    first.join(30)
    assert not first.is_alive()
    assert threads.run(lambda: 7, soon()) == 7


def test_where_the_system_has_no_thread_to_give_no_place_is_lost() -> None:
    threads, before = Threads(limit=1), threading.stack_size(2**47)  # more than there are addresses
    try:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="start new thread"):
                threads.run(int, soon())
    finally:
        threading.stack_size(before)
    assert threads.run(lambda: 7, soon()) == 7
    threads.close()


def test_closing_ends_threads_and_calls_go_on_to_be_made() -> None:
    threads = Threads(limit=1)
    first = threads.run(threading.current_thread, soon())
    threads.close()
    first.join(60)
    assert not first.is_alive()
    assert threads.run(lambda: 7, soon()) == 7
    threads.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_has_threads_of_its_own() -> None:
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED], check=True, timeout=60)
