"""Extension point: where pages are kept on this machine."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, Dict, Optional, Tuple

from alluxiofs.interfaces.component import Component, Context, Deadline

__all__ = ["KeptFile", "PageStore"]


class KeptFile(ABC):
    """The pages of one version of one file: what a reader holds while the file is open.

    Pages are numbered from 0; each has the store's page size but the last one. All methods may be called from many
    threads. A page is either not there or whole: nothing in between is ever seen.

    Parameters
    ----------
    key:
        16 bytes that stand for one version of one file at one page size.
    length:
        Of the file, in bytes.
    page_size:
        Bytes a page.
    """

    def __init__(self, key: bytes, length: int, page_size: int) -> None:
        self.key = key
        self.length = length
        self.page_size = page_size

    def page_length(self, index: int) -> int:
        """Bytes in page ``index``."""
        return min(self.page_size, self.length - index * self.page_size)

    @abstractmethod
    def read(self, index: int, start: int, stop: int) -> Optional[bytes]:
        """Bytes ``start`` to ``stop`` of a page, or ``None`` if it is not kept; ``0 <= start <= stop <= page_length``.
        The hot path."""

    @abstractmethod
    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        """Fill ``view`` from a page, starting at its byte ``start``; ``False``, and the view as it may be, if the page
        is not kept. The range lies within the page."""

    @abstractmethod
    def has(self, index: int) -> bool:
        """Whether the page is kept; no reading, and no sign of use for eviction."""

    @abstractmethod
    def keep(self, index: int, page: memoryview) -> None:
        """Keep a whole page: ``len(page) == page_length(index)``, or ``ValueError``. The view is the caller's again
        when the call returns. A page that is kept already stays as it is.

        Raises
        ------
        PageStoreError
            If it cannot be kept; nothing of it is then visible.
        """

    @abstractmethod
    def claim(self, index: int) -> bool:
        """Ask for the right to fetch a page. ``True``: it is the caller's, who ends it with :meth:`release`, whether
        the page was kept or not. ``False``: somebody else is fetching it; see :meth:`wait`."""

    @abstractmethod
    def release(self, index: int) -> None:
        """End a claim, and wake those who wait."""

    @abstractmethod
    def wait(self, index: int, deadline: Deadline) -> None:
        """Wait until nobody claims the page, or the deadline has passed; then look again whether it is kept."""


class PageStore(Component, ABC):
    """Keeps pages within a capacity. Shared by all filesystems of the process that name it with equal settings.

    Parameters
    ----------
    settings, context:
        As for every component.
    page_size:
        Bytes a page, for all files in it.
    """

    def __init__(self, settings: Any, context: Context, page_size: int) -> None:
        super().__init__(settings, context)
        self.page_size = page_size

    @abstractmethod
    def file(self, key: bytes, length: int) -> KeptFile:
        """The pages of the file version that ``key`` (16 bytes) stands for. Opens nothing that must be closed.

        Raises
        ------
        PageStoreError
            If the store does not work (folder gone, not writable).
        """

    @abstractmethod
    def forget(self, key: bytes) -> None:
        """Drop what is kept of a file version; no error if there is nothing."""

    @abstractmethod
    def clear(self) -> None:
        """Drop everything that is kept."""

    @abstractmethod
    def counters(self) -> Dict[str, int]:
        """``hits``, ``misses``, ``evictions`` (only grow), ``pages``, ``bytes`` (now), ``capacity``."""


class Claims:
    """One fetch per missing page among the threads of a process, for page stores that have nothing of their own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._claimed: set[Tuple[bytes, int]] = set()

    def claim(self, key: bytes, index: int) -> bool:
        """See :meth:`KeptFile.claim`."""
        with self._changed:
            if (key, index) in self._claimed:
                return False
            self._claimed.add((key, index))
            return True

    def release(self, key: bytes, index: int) -> None:
        """See :meth:`KeptFile.release`."""
        with self._changed:
            self._claimed.discard((key, index))
            self._changed.notify_all()

    def wait(self, key: bytes, index: int, deadline: Deadline) -> None:
        """See :meth:`KeptFile.wait`."""
        with self._changed:
            self._changed.wait_for(lambda: (key, index) not in self._claimed, timeout=deadline.remaining())
