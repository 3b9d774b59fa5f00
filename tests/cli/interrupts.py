"""Commands that are interrupted."""

from __future__ import annotations

import signal

__all__ = ["interruptible"]


def interruptible() -> None:
    """Run in a new process before its program: have an interrupt do what it does in a terminal. Shells have what they run
    in the background ignore it, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
