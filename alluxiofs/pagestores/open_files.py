"""The files of pages that are held open: a bounded number, the least recently read ones closed first."""

from __future__ import annotations

import sys
import threading
from typing import Dict

from alluxiofs.pagestores.disk_index import DiskPage
from alluxiofs.pagestores.page_file import Handle
from alluxiofs.pagestores.recency import Recency

if sys.platform != "win32":
    import resource

__all__ = ["OpenFiles", "open_file_limit"]

_MOST = 256
_FEWEST = 8


def open_file_limit(capacity: int, page_size: int) -> int:
    """How many pages to hold open at the most.

    An eighth of what the process may open, for the rest is its own. And no more pages than a sixteenth of the
    capacity, for one that another process removes takes its space for as long as it is open here.
    """
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    by_process = _MOST if allowed == resource.RLIM_INFINITY else allowed // 8
    return max(_FEWEST, min(_MOST, by_process, capacity // 16 // page_size))


class OpenFiles:
    """Handles of open pages. A handle that is dropped here closes when the last reader lets go of it.

    Parameters
    ----------
    limit:
        Handles held at the most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._pages: Dict[int, DiskPage] = {}
        self._order: Recency[DiskPage] = Recency(self._pages.values, lambda page: id(page) in self._pages)

    def hold(self, page: DiskPage, handle: Handle) -> None:
        """Hold a page open."""
        with self._lock:
            page.handle = handle
            if not page.present:  # removed by another thread meanwhile
                page.handle = None
                return
            self._pages[id(page)] = page
            while len(self._pages) > self.limit:
                oldest = self._order.oldest()
                if oldest is None:
                    return
                del self._pages[id(oldest)]
                oldest.handle = None

    def close(self) -> None:
        """Hold nothing any more."""
        with self._lock:
            for page in self._pages.values():
                page.handle = None
            self._pages.clear()
