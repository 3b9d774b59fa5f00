"""What a process remembers of the pages it has found and verified: a bounded number of them."""

from __future__ import annotations

import threading
from typing import Dict

from alluxiofs.pagestores.ondisk.found import Found
from alluxiofs.pagestores.ondisk.layout import NOTE

__all__ = ["Seen"]

_MOST = 32_768  # pages in each of the two generations; some 350 bytes each

_Files = Dict[bytes, Dict[int, Found]]


class Seen:
    """Pages by file. When there are too many the older half is forgotten, and found again if it is still wanted.

    A reader keeps the dict of its file and looks into it without a lock. It may have been dropped here meanwhile: what
    is in it is as good as ever, and whoever misses something in it gets its successor.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._young: _Files = {}
        self._old: _Files = {}
        self._number = 0

    def of_file(self, key: bytes) -> Dict[int, Found]:
        """The pages of a file, by index. Not to be changed."""
        found = self._young.get(key)
        return self._old.get(key, {}) if found is None else found

    def used(self, key: bytes, index: int) -> int:
        """Microseconds since the epoch when a page was last used here; 0 if it was not. A note is used with its
        file."""
        latest = 0
        for files in (self._young, self._old):
            pages = files.get(key, {})
            found = pages.get(index)
            if found is not None:
                latest = max(latest, found.used)
            if index == NOTE:
                latest = max([latest, *(page.used for page in list(pages.values()))])
        return latest // 1000

    def add(self, key: bytes, index: int, found: Found) -> None:
        """Remember a page."""
        with self._lock:
            if self._number >= _MOST:
                self._old, self._young, self._number = self._young, {}, 0
            self._young.setdefault(key, {})[index] = found
            self._number += 1

    def remove(self, key: bytes, index: int) -> None:
        """Remember a page no more."""
        with self._lock:
            for files in (self._young, self._old):
                files.get(key, {}).pop(index, None)

    def clear(self) -> None:
        """Remember nothing, and hold nothing open."""
        with self._lock:
            for files in (self._young, self._old):
                for pages in files.values():
                    pages.clear()
            self._young, self._old, self._number = {}, {}, 0
