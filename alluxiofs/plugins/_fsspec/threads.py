"""Blocking calls in threads, so that whoever waits for one can stop waiting."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Callable, Deque, Optional, Tuple, TypeVar

from alluxiofs import forks
from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.waiting import Destination, result

__all__ = ["Threads", "hangs"]

T = TypeVar("T")

_IDLE = 30.0  # seconds that a thread waits for another call

_Job = Optional[Tuple["Future[Any]", Callable[[], Any]]]
_Jobs = queue.SimpleQueue  # of one thread


class Threads:
    """Runs blocking calls, each in a thread of its own while it lasts, a few at a time.

    The calls of some clients cannot be interrupted. Handing one to a thread that waits for it takes some 20
    microseconds, a tenth of what the fastest request takes; so threads are kept for a while. They are daemons: a call
    that never returns holds its place, but neither the caller nor the exit.

    Parameters
    ----------
    limit:
        Calls at a time; 1 for a client that threads cannot share.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.renew()
        forks.in_child(self.renew)  # at once, and not at the first call: a child may make its first two side by side

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
        """Begin ``call``; :func:`~alluxiofs.plugins._fsspec.waiting.result` waits for what it returns. The deadline is
        for the place to do it in."""
        if not self._places.acquire(timeout=deadline.wait()):
            raise hangs()
        return self._begin(call)

    def try_start(self, call: Callable[[], T]) -> Optional[Future[T]]:
        """The same, for who cannot wait for a place (an event loop): ``None`` if there is none."""
        return self._begin(call) if self._places.acquire(blocking=False) else None

    def _begin(self, call: Callable[[], T]) -> Future[T]:
        """Begin ``call``, in a place that was got for it."""
        try:
            jobs = self._waiting()
        except BaseException:  # the system has no thread to give, or somebody has interrupted this
            self._places.release()
            raise
        future: Future[T] = Future()
        # It has begun, and cannot be cancelled: a thread that could not say how its call ended would end itself.
        future.set_running_or_notify_cancel()
        jobs.put((future, call))
        return future

    def _waiting(self) -> queue.SimpleQueue[_Job]:
        """The calls of a thread that waits for one; of a new one if there is none."""
        try:
            return self._idle.pop()
        except IndexError:
            jobs: queue.SimpleQueue[_Job] = _Jobs()
            work = _Work(jobs, self._idle, self._places)
            threading.Thread(target=work.run, name="alluxiofs-under-store", daemon=True).start()
            return jobs

    def close(self) -> None:
        """Have the threads that wait for a call end at once, and not in a while."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().put(None)

    def renew(self) -> None:
        """Begin anew: a forked child has none of its parent's threads."""
        self._places = threading.BoundedSemaphore(self._limit)
        self._idle: Deque[queue.SimpleQueue[_Job]] = deque()


def hangs() -> DeadlineExceededError:
    """What is said when there is no place in time."""
    return DeadlineExceededError("an earlier call to the same client has not come back")


class _Work:
    """What a thread does. It does not know the :class:`Threads` that it is of: those may be forgotten meanwhile.

    Parameters
    ----------
    jobs:
        Its calls; ``None`` ends it.
    idle, places:
        Where it says that it waits for a call, and that others may call.
    """

    def __init__(
        self, jobs: queue.SimpleQueue[_Job], idle: Deque[queue.SimpleQueue[_Job]], places: threading.BoundedSemaphore
    ) -> None:
        self._jobs = jobs
        self._idle = idle
        self._places = places

    def run(self) -> None:
        """Until there was nothing to do for a while."""
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE)
            except queue.Empty:
                try:
                    self._idle.remove(self._jobs)
                except ValueError:  # somebody has just taken it to call
                    continue
                return
            if job is None:
                return
            self._do(*job)
            del job  # what was asked for is not kept until the next one

    def _do(self, future: Future[Any], call: Callable[[], Any]) -> None:
        try:
            value = call()
        except BaseException as error:
            self._rest()
            future.set_exception(error)
        else:
            self._rest()
            future.set_result(value)

    def _rest(self) -> None:
        """Be there for the next call before the caller knows of this one: it may be the one who calls next."""
        self._idle.append(self._jobs)
        self._places.release()
