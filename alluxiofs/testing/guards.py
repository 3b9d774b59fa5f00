"""What contract suites catch a component at: waiting, connecting, opening, starting threads where it must not."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import socket
import threading
import time
from typing import Any, Callable, Iterator, List, TypeVar
from unittest import mock

__all__ = ["at_once", "eventually", "no_io"]

T = TypeVar("T")


@contextlib.contextmanager
def no_io() -> Iterator[None]:
    """Fail if what runs within connects, resolves a name, opens a file or starts a thread.

    Other threads, of whatever ran before, go on undisturbed.
    """
    here = threading.get_ident()

    def caught(real: Callable[..., Any], what: str) -> Callable[..., Any]:
        def fail(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != here:
                return real(*args, **kwargs)
            raise AssertionError(f"{what} where nothing may be: the first operation is the time for it")

        return fail

    with contextlib.ExitStack() as stack:
        for owner, name, what in (
            (socket.socket, "connect", "a connection"),
            (socket.socket, "bind", "a listening socket"),
            (socket, "getaddrinfo", "the look-up of a name"),
            (builtins, "open", "an opened file"),
            (io, "open", "an opened file"),  # what pathlib calls
            (os, "open", "an opened file"),
            (threading.Thread, "start", "a thread"),
        ):
            stack.enter_context(mock.patch.object(owner, name, caught(getattr(owner, name), what)))
        yield


def at_once(*tasks: Callable[[], T]) -> List[T]:
    """Run tasks in as many threads, begun together; their results in order. The first error is raised."""
    barrier = threading.Barrier(len(tasks))
    results: List[Any] = [None] * len(tasks)
    errors: List[BaseException] = []

    def run(index: int, task: Callable[[], T]) -> None:
        try:
            barrier.wait()
            results[index] = task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index, task), daemon=True) for index, task in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread still runs after a minute"
    if errors:
        raise errors[0]
    return results


def eventually(condition: Callable[[], bool], patience: float) -> bool:
    """Whether ``condition()`` came true within ``patience`` seconds."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.005)
    return True
