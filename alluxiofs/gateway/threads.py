"""The threads of the process that fetch pages side by side. Started at the first need, forgotten after a fork."""

from __future__ import annotations

import contextvars
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Dict, List, Optional, Sequence

from alluxiofs import forks
from alluxiofs.gateway.tracing import apart

__all__ = ["has_room", "run_all", "try_submit"]

_THREADS = 16  # each may hold a unit in memory
# What nobody waits for yet has threads of its own: it never stands before what somebody does wait for, and leaves
# connections to it.
_THREADS_AHEAD = 8
_TASKS_AHEAD = 32  # that run or are to run, at a time: so many small ones are sent for at once …
_BYTES_AHEAD = 32 * 2**20  # … and no more bytes than this


class _Process:
    """What belongs to one process: a forked child starts with a new one.

    There is no lock that an interrupt (Ctrl-C) could leave locked: what has to be one step is one of a dict or a set.
    """

    def __init__(self) -> None:
        self.ahead: Dict[object, int] = {}  # the bytes of each task that nobody waits for
        self._executors: Dict[str, ThreadPoolExecutor] = {}

    def executor(self, name: str, most: int) -> ThreadPoolExecutor:
        found = self._executors.get(name)
        if found is None:  # one that another thread was faster than has no threads yet
            found = self._executors.setdefault(name, ThreadPoolExecutor(most, thread_name_prefix=f"alluxiofs-{name}"))
        return found


_process = _Process()


def has_room(size: int) -> bool:
    """Whether a task that nobody waits for, and that fetches so many bytes, would be run."""
    # No tuple, here and where blocks are looked through: one asks for its memory on the way, and whatever the collector
    # of garbage does there, or another thread meanwhile, changes what is read.
    ahead = list(_process.ahead.values())
    return not ahead or (len(ahead) < _TASKS_AHEAD and sum(ahead) + size <= _BYTES_AHEAD)


def try_submit(task: Callable[[], None], size: int) -> bool:
    """Run a task that nobody waits for on another thread; ``False`` if enough of those are under way.

    Parameters
    ----------
    task:
        Must neither raise nor wait for other tasks.
    size:
        Bytes that it fetches.
    """
    process, running = _process, object()
    try:
        if not has_room(size):  # threads that look at the same time may be a few more
            return False
        process.ahead[running] = size
        future = process.executor("ahead", _THREADS_AHEAD).submit(apart().run, task)
        future.add_done_callback(lambda _: process.ahead.pop(running, None))
    except RuntimeError:  # the interpreter is ending
        process.ahead.pop(running, None)
        return False
    except BaseException:  # an interrupt
        process.ahead.pop(running, None)
        raise
    return True


def run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks side by side, the last of them on this thread, and return when every one has ended.

    The tasks must not wait for other tasks, but for the last. When one on this thread fails those that have not begun
    are not run.

    Raises
    ------
    BaseException
        The first failure in the order given; all have ended by then, so nothing writes any more. An interrupt (Ctrl-C)
        waits for that too; a second one does not.
    """
    if len(tasks) == 1:
        tasks[0]()
        return
    others: List[Future[None]] = []
    failures: List[Optional[BaseException]]
    try:
        own = list(tasks[-1:])
        for task in tasks[:-1]:
            try:
                executor = _process.executor("fetch", _THREADS)
                others.append(executor.submit(contextvars.copy_context().run, task))
            except RuntimeError:  # the interpreter is ending: no more threads, but reads still work
                own.append(task)
        for task in own:
            task()
        failures = [other.exception() for other in others]
    except BaseException as error:
        for other in others:
            other.cancel()
        failures = [other.exception() for other in others if not other.cancelled()]
        failures.append(error)
    for failure in failures:
        if failure is not None:
            raise failure


def _begin_anew() -> _Process:
    global _process  # the parent's threads do not exist in the child, its locks may be held for ever
    parents, _process = _process, _Process()
    return parents


forks.in_child(_begin_anew)
