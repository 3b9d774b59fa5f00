"""Waiting with a limit for what goes on elsewhere."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Coroutine, Optional, TypeVar

from alluxiofs import forks
from alluxiofs.errors import BadAnswerError, DeadlineExceededError
from alluxiofs.interfaces import Deadline, Writer

__all__ = ["GIVING_UP", "Backoff", "Destination", "one_wait", "result", "run_coroutine"]

T = TypeVar("T")

GIVING_UP = 10.0
"""Seconds that a writer which has failed takes at most to clear up what it left in the store: whoever waits wants to
hear of the failure, and a store that did not answer may not do so now."""


class Destination:
    """The caller's view, for as long as the caller waits: whoever comes late with bytes finds it closed.

    Parameters
    ----------
    view:
        What is to be filled, from its start.
    deadline:
        Starts anew with each MiB.
    """

    def __init__(self, view: memoryview, deadline: Deadline) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._view: Optional[memoryview] = view
        self._filled = 0
        self.size = len(view)
        self.last = time.monotonic()

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        return self.size - self._filled

    def put(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises
        ------
        BadAnswerError
            If they are more than were asked for.
        DeadlineExceededError
            If nobody waits for them any more.
        """
        with self._lock:
            if self._view is None:
                raise DeadlineExceededError("nobody waits for these bytes any more")
            stop = self._filled + len(chunk)
            if stop > self.size:
                raise BadAnswerError(f"{stop} bytes or more came where {self.size} were asked for")
            self._view[self._filled : stop] = chunk
            self._filled = stop
            self.last = time.monotonic()
            self._deadline.moved(len(chunk))

    def close(self) -> None:
        """From here on nothing writes to the view."""
        with self._lock:
            self._view = None


def one_wait(writer: Writer, timeout: float) -> Deadline:
    """For one wait of a writer: no longer than the store's settings say, nor than who asked for it has patience."""
    return Deadline.after(min(timeout, writer.patience))


class Backoff:
    """Pauses between attempts: each up to twice as long as the one before, and of a length by chance, for those who
    wait as long as each other meet again.

    Parameters
    ----------
    first, longest:
        Seconds that the first pause takes at most, and that any does.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._pause = first
        self._longest = longest

    def sleep(self) -> None:
        """Take the next pause."""
        time.sleep(random.uniform(0, self._pause))  # noqa: S311 nothing secret about it
        self._pause = min(2 * self._pause, self._longest)


def run_coroutine(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    deadline: Deadline,
    destination: Optional[Destination] = None,
) -> T:
    """What a coroutine returns that runs on the loop of another thread.

    Parameters
    ----------
    loop:
        A running loop, not the caller's own.
    coroutine:
        Cancelled when the wait ends before it does.
    deadline:
        Its stall limit counts from the start, and from each arrival of bytes in ``destination``.
    destination:
        Where the coroutine puts bytes; closed when this returns or raises.
    """
    if _running_loop() is loop:
        coroutine.close()
        raise RuntimeError("a blocking call from the client's own event loop would wait for ever")
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return result(future, deadline, destination)
    except BaseException:
        future.cancel()
        raise
    finally:
        if destination is not None:
            destination.close()


def _running_loop() -> Optional[asyncio.AbstractEventLoop]:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def result(future: Future[T], deadline: Deadline, destination: Optional[Destination] = None) -> T:
    """What a future comes to, or :class:`~alluxiofs.errors.DeadlineExceededError`; it goes on then."""
    started = time.monotonic()
    while True:
        limit = deadline.wait()
        if destination is not None and deadline.stall < deadline.remaining():
            limit = destination.last + deadline.stall - time.monotonic()
        try:
            return future.result(max(0.0, limit))
        except FutureTimeoutError as error:
            if future.done():  # the limit was its own, or it was done at the last moment
                return future.result()
            last = started if destination is None else destination.last
            if time.monotonic() - last >= deadline.stall:
                raise DeadlineExceededError(f"nothing was received for {deadline.stall:g} s") from error


def _forget_loop_of_parent() -> None:
    """Have fsspec start a loop of its own in a forked child: its releases before 2025 go on with the parent's, whose
    thread is not there."""
    asyn = sys.modules.get("fsspec.asyn")
    if asyn is not None:
        asyn.reset_lock()


forks.in_child(_forget_loop_of_parent)
