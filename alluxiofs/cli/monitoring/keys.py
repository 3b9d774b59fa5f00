"""Keys that are pressed while a view is shown."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any, Optional, Type

__all__ = ["Keys"]


class Keys:
    """Within a ``with`` block keys are heard as they are pressed, and not shown.

    Where the standard input is no terminal, or one that others work at, none are: then this only waits.
    """

    def __init__(self) -> None:
        self._terminal: Optional[int] = None
        self._as_it_was: Any = None

    def __enter__(self) -> Keys:
        try:
            import termios
            import tty
        except ImportError:  # Windows
            return self
        if sys.stdin is not None and sys.stdin.isatty():
            terminal = sys.stdin.fileno()
            if not _is_others(terminal):
                self._as_it_was = termios.tcgetattr(terminal)
                tty.setcbreak(terminal)
                self._terminal = terminal
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], at: Optional[TracebackType]
    ) -> None:
        if self._terminal is not None:
            import termios

            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._as_it_was)
            self._terminal = None

    @property
    def are_heard(self) -> bool:
        """Whether there are any."""
        return self._terminal is not None

    def pressed(self, key: str, until: float) -> bool:
        """Wait for a key, or for the time, by ``time.monotonic()``. Whether it was the key; others are ignored."""
        while True:
            left = max(0.0, until - time.monotonic())
            if self._terminal is None:
                time.sleep(left)
                return False
            import select

            if not select.select([self._terminal], [], [], left)[0]:
                return False
            said = os.read(self._terminal, 64)
            if not said:  # the terminal has gone
                self._terminal = None
            elif key.encode() in said:
                return True


def _is_others(terminal: int) -> bool:
    """Whether others work at it, and this process is in the background: changing it would stop this process."""
    try:
        return os.tcgetpgrp(terminal) != os.getpgrp()
    except OSError:  # it is not the one that controls this process, and so does not stop it
        return False
