"""What is done in a forked child of the test."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from typing import Any, Callable

import pytest

__all__ = ["ended", "forks"]


def forks(test: Any) -> Any:
    """Mark a test that forks, for systems that do."""
    can = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    return can(pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")(test))


def ended(work: Callable[[], bool]) -> bool:
    """Whether ``work`` is done in a forked child, in good time."""
    if sys.__stderr__ is not None:
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__)
    child = os.fork()
    if child == 0:  # it must not come back into pytest, whatever happens
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + 90
    while time.monotonic() < end:
        pid, result = os.waitpid(child, os.WNOHANG)
        if pid:
            return result == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGUSR1)  # where it is, for whoever reads of this
    time.sleep(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False
