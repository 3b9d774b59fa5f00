"""What a file is once its version stands for its content alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from alluxiofs.interfaces.values import UNSETTLED

if TYPE_CHECKING:
    from alluxiofs.gateway.gateway import Gateway
    from alluxiofs.interfaces import Entry, Location

__all__ = ["stat_settled"]

_SETTLES = 5.0  # seconds: twice the coarsest of the times that stores tell, and some
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


def stat_settled(gateway: Gateway, location: Location) -> Entry:
    """What is there, told from what might be written next.

    A file that changed a moment ago can change again without its time showing it, so its version is marked, with
    another mark at each look. That passes: within 0.05 s for times that are exact, within 2 s for whole seconds.

    Returns
    -------
    Entry
        By a stat of the under store. Its version is still marked only if the file keeps being written, or the store's
        clock is ahead of this one's.
    """
    until, pause = time.monotonic() + _SETTLES, _FIRST_PAUSE
    while True:
        entry = gateway.stat(location, refresh=True)
        if not (entry.version.tag or "").startswith(UNSETTLED) or time.monotonic() > until:
            return entry
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
