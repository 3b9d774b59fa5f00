"""Signals that end a command which has changed the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Dict, Iterator, Optional, Type

__all__ = ["EndedError", "Endings"]

# What ends a process whose user is no longer at its keyboard: of the system, and of a terminal that is closed.
_NAMES = ("SIGTERM", "SIGHUP")


class EndedError(BaseException):
    """A signal that ends the process has come. Not an ``Exception``: nobody on its way is to answer it."""


class Endings:
    """Within a ``with`` block the signals that end a process wait until what is inside of it has been left.

    The process then ends by that signal, as it would have done at once. What is ignored stays so (``nohup``), and what
    somebody else handles goes to them. A second signal ends it at once: nobody may take what a terminal is told, as
    where Ctrl-S has stopped it.
    """

    def __init__(self) -> None:
        self._before: Dict[int, Any] = {}
        self._came: Optional[int] = None
        self._waits = False

    def __enter__(self) -> Endings:
        if threading.current_thread() is threading.main_thread():  # no other may set what handles a signal
            for name in _NAMES:
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], at: Optional[TracebackType]
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._came is not None:  # whatever went wrong on the way out: a terminal that has gone cannot be given back
            os.kill(os.getpid(), self._came)

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Leave a block that waits as soon as a signal has come, by :class:`EndedError`.

        Elsewhere a signal is only noted: what changes the terminal, and what gives it back, is never left half-way.
        """
        try:
            self._waits = True
            if self._came is not None:
                raise EndedError
            yield
        finally:
            self._waits = False

    def _hear(self, number: int, frame: Optional[FrameType]) -> None:
        if self._came is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._came = number
        if self._waits:
            self._waits = False
            raise EndedError
