"""Blocking calls in threads that are kept, so that whoever waits can stop waiting."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Callable, Deque, Optional, Tuple, TypeVar

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.waiting import Destination, result

__all__ = ["Calls"]

T = TypeVar("T")

_Job = Optional[Tuple["Future[Any]", Callable[[], Any]]]


class Calls:
    """Runs blocking calls, each in a thread of its own while it lasts.

    The library's calls cannot be interrupted and know one timeout for all. Handing one to a thread that waits for it
    takes some 20 microseconds, a tenth of what the fastest request takes. The threads are daemons: a call that does not
    come back holds its place, but neither the caller nor the exit.

    Parameters
    ----------
    limit:
        Calls at a time.
    """

    def __init__(self, limit: int) -> None:
        self._places = threading.BoundedSemaphore(limit)
        self._idle: Deque[queue.SimpleQueue[_Job]] = deque()
        self._closed = False

    def run(self, call: Callable[[], T], deadline: Deadline, destination: Optional[Destination] = None) -> T:
        """What ``call`` returns, or :class:`~alluxiofs.errors.DeadlineExceededError`; it goes on then.

        Parameters
        ----------
        call, deadline:
            What to do, and until when.
        destination:
            Where the call puts bytes, each arrival of which the stall limit counts from; closed when this returns.
        """
        try:
            return result(self.start(call, deadline), deadline, destination)
        finally:
            if destination is not None:
                destination.close()

    def start(self, call: Callable[[], T], deadline: Deadline) -> Future[T]:
        """Begin ``call``. The deadline is for the place to do it in."""
        if not self._places.acquire(timeout=deadline.wait()):
            raise DeadlineExceededError("earlier calls have not come back")
        future: Future[T] = Future()
        try:
            jobs = self._idle.pop()
        except IndexError:
            jobs = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(jobs,), name="alluxiofs-obstore", daemon=True).start()
        jobs.put((future, call))
        return future

    def close(self) -> None:
        """Have the threads end: those that wait for work at once, the others when they have done theirs."""
        self._closed = True
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().put(None)

    def _work(self, jobs: queue.SimpleQueue[_Job]) -> None:
        while True:
            job = jobs.get()
            if job is None:
                return
            self._do(*job, jobs)
            del job  # what was asked for is not kept until the next one
            if self._closed:
                return

    def _do(self, future: Future[Any], call: Callable[[], Any], jobs: queue.SimpleQueue[_Job]) -> None:
        try:
            value = call()
        except BaseException as error:
            self._rest(jobs)
            future.set_exception(error)
        else:
            self._rest(jobs)
            future.set_result(value)

    def _rest(self, jobs: queue.SimpleQueue[_Job]) -> None:
        """Be there for the next call before the caller knows of this one: it may be the one who calls next."""
        self._places.release()
        if not self._closed:
            self._idle.append(jobs)
