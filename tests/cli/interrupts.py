"""Commands that are interrupted."""

from __future__ import annotations

import contextlib
import signal
from typing import Iterator

__all__ = ["interrupts_are_heard"]


@contextlib.contextmanager
def interrupts_are_heard() -> Iterator[None]:
    """Have an interrupt do in what is started here what it does in a terminal. Shells have what they run in the
    background ignore it, and that is inherited."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
