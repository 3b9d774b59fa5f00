"""The threads of the process that fetch pages side by side. Started at the first need, forgotten after a fork."""

from __future__ import annotations

import contextvars
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, List, Optional, Sequence

__all__ = ["forks", "run_all", "try_submit"]

_THREADS = 16  # each may hold a unit in memory
_AHEAD = 8  # tasks that nobody waits for yet, at a time


class _Process:
    """What belongs to one process: a forked child starts with a new one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ahead = threading.BoundedSemaphore(_AHEAD)
        self._executor: Optional[ThreadPoolExecutor] = None

    def executor(self) -> ThreadPoolExecutor:
        with self.lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="alluxiofs-fetch")
            return self._executor


_process = _Process()


forks = 0
"""How many forks lie between the first process and this one: differs from a parent's, in its child."""


def try_submit(task: Callable[[], None]) -> bool:
    """Run a task on another thread that nobody waits for; ``False`` if enough of those are under way.

    The task must neither raise nor wait for other tasks.
    """
    process = _process
    if not process.ahead.acquire(blocking=False):
        return False
    try:
        future = process.executor().submit(contextvars.copy_context().run, task)
    except RuntimeError:  # the interpreter is ending
        process.ahead.release()
        return False
    future.add_done_callback(lambda _: process.ahead.release())
    return True


def run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks side by side, the last of them on this thread, and return when every one has ended.

    The tasks must not wait for other tasks.

    Raises
    ------
    BaseException
        The first failure in the order given; all have ended by then, so nothing writes any more.
    """
    if not tasks:
        return
    failures: List[Optional[BaseException]] = []
    others: List[Future[None]] = []
    own = [tasks[-1]]
    for task in tasks[:-1]:
        try:
            others.append(_process.executor().submit(contextvars.copy_context().run, task))
        except RuntimeError:  # the interpreter is ending: no more threads, but reads still work
            own.append(task)
    for task in own:
        try:
            task()
        except BaseException as error:  # raised below, once the others have ended
            failures.append(error)
    failures = [*(other.exception() for other in others), *failures]
    for failure in failures:
        if failure is not None:
            raise failure


def _after_fork() -> None:
    global _process, forks  # the parent's threads do not exist in the child, its locks may be held for ever
    forks += 1
    _process = _Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
