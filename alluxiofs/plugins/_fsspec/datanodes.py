"""Connections to HDFS's DataNodes, which hdfs-native keeps for the whole process, whatever client reads next.

A forked child has copies of its parent's. If both use one, each gets what the other has asked for: bytes of another
place or file, with good checksums. Nothing can take them away; the library itself lets go of each three seconds after
it was used, by the clock of the day.
"""

from __future__ import annotations

import sys
import time

from alluxiofs import forks

__all__ = ["let_go_of_parents"]

_KEPT = 3.2  # seconds: what the library has, and a little
_free_from = 0.0


def let_go_of_parents() -> None:
    """Before anything is read in a forked child: wait until the library uses none of its parent's connections."""
    while True:
        rest = _free_from - time.time()
        if rest <= 0:
            return
        time.sleep(rest)


def _after_fork() -> None:
    global _free_from
    if "hdfs_native" in sys.modules:
        _free_from = time.time() + _KEPT


forks.in_child(_after_fork)
if forks.count:  # this came after a fork: maybe just now
    _after_fork()
