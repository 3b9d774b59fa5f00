"""Where pages go when no path is given, and what room there is."""

from __future__ import annotations

import os
import sys
from typing import Iterable

__all__ = ["default_folder", "free_bytes", "taken_bytes"]


def default_folder() -> str:
    """The folder for pages in the user's cache folder."""
    if sys.platform == "darwin":
        caches = os.path.expanduser("~/Library/Caches")
    else:
        # The XDG base directory specification has relative paths ignored.
        named = os.environ.get("XDG_CACHE_HOME", "")
        caches = named if os.path.isabs(named) else os.path.expanduser("~/.cache")
    return os.path.join(caches, "alluxiofs", "pages")


def free_bytes(paths: Iterable[str]) -> int:
    """What is free on the file systems that the paths are on, or will be; each counts once."""
    free = {}
    for path in paths:
        existing = path
        while not os.path.exists(existing) and existing != os.path.dirname(existing):
            existing = os.path.dirname(existing)
        status = os.statvfs(existing)
        free[os.stat(existing).st_dev] = status.f_bavail * status.f_frsize
    return sum(free.values())


def taken_bytes(path: str) -> int:
    """What a folder of pages takes on its disk, of this layout and of older ones; 0 if there is none."""
    taken = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                taken += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass  # it went just now
    return taken
