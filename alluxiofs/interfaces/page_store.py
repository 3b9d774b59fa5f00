"""Extension point: where pages are kept on this machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from attrs import frozen

from alluxiofs.errors import NotSupportedError
from alluxiofs.interfaces.claims import Claim
from alluxiofs.interfaces.component import Component, Context, Deadline

__all__ = ["KeptFile", "KeptPage", "PageStore"]


def _uncounted() -> None:
    """Counts nothing."""


@frozen
class KeptPage:
    """A page that is kept, for those who look after a store.

    Parameters
    ----------
    key:
        Of the file version it belongs to.
    index:
        Its number there.
    size:
        Its bytes.
    pinned:
        Whether it stays when there is no room.
    """

    key: bytes
    index: int
    size: int
    pinned: bool = False


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
    miss:
        Counts a miss. :meth:`read` and :meth:`read_into` of the built-in stores call it, as ``count_miss``, when they
        find nothing; a store may count otherwise, and give none.
    """

    def __init__(self, key: bytes, length: int, page_size: int, miss: Callable[[], object] = _uncounted) -> None:
        self.key = key
        self.length = length
        self.page_size = page_size
        self.count_miss = self._counts_miss = miss

    def leave_misses(self) -> Callable[[], object]:
        """Have looks that find nothing count no miss from now on: who looks for the same bytes more than once, or in
        more than one place, knows better what is one. Returns what counts one; it does nothing where the store gave no
        ``miss``, and goes on counting by itself."""
        self.count_miss = _uncounted
        return self._counts_miss

    def page_length(self, index: int) -> int:
        """Bytes in page ``index``."""
        return min(self.page_size, self.length - index * self.page_size)

    @abstractmethod
    def read(self, index: int, start: int, stop: int) -> Optional[bytes]:
        """Bytes ``start`` to ``stop`` of a page, or ``None`` if it is not kept; ``0 <= start <= stop <= page_length``.
        The hot path."""

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        """Fill ``view`` from a page, starting at its byte ``start``; ``False``, and the view as it may be, if the page
        is not kept. The range lies within the page. A store that can do without the copy does better than this."""
        data = self.read(index, start, start + len(view))
        if data is not None:
            view[:] = data
        return data is not None

    @abstractmethod
    def has(self, index: int) -> bool:
        """Whether the page is kept; no reading, and no sign of use for eviction."""

    def held(self, pages: range) -> List[int]:
        """Which of neighbouring pages are kept, as :meth:`has` says of each. A store for which several at once cost
        less than each by itself does better than this."""
        return [index for index in pages if self.has(index)]

    @abstractmethod
    def keep(self, index: int, page: memoryview) -> None:
        """Keep a whole page: ``len(page) == page_length(index)``, or ``ValueError``. The view is the caller's again
        when the call returns. A page that is kept already stays as it is.

        Raises
        ------
        PageStoreError
            If it cannot be kept; nothing of it is then visible.
        """

    def keep_run(self, first: int, pages: memoryview) -> None:
        """Keep whole neighbouring pages, ``first`` and those after it: all of them as :meth:`keep` would. A store for
        which several at once cost less than each by itself does better than this."""
        begin = 0
        while begin < len(pages):
            length = self.page_length(first)
            with pages[begin : begin + length] as page:
                self.keep(first, page)
            begin, first = begin + length, first + 1

    @abstractmethod
    def claim(self, index: int) -> bool:
        """Ask for the right to fetch a page. ``True``: it is the caller's, who ends it with :meth:`release`, whether
        the page was kept or not. ``False``: somebody else is fetching it; see :meth:`wait`."""

    @abstractmethod
    def release(self, index: int) -> None:
        """End a claim, and wake those who wait."""

    def claim_run(self, pages: range, mine: List[Claim]) -> None:
        """Ask for the right to fetch neighbouring pages. What is got of them, and nobody else fetches, is added to
        ``mine``, for :meth:`release_run`. That is done in a ``finally`` which begins before this call: a claim is in
        the list before it is one, so that none outlives an interrupt (Ctrl-C).

        A store for which several at once cost less than each by itself does better than this."""
        for index in pages:
            claim = Claim(self.key, [index])
            mine.append(claim)
            if not self.claim(index):
                mine.remove(claim)

    def release_run(self, mine: List[Claim]) -> None:
        """End the claims of a list, and empty it. To do so again does no harm."""
        while mine:
            for index in mine[-1].pages:
                self.release(index)
            del mine[-1:]

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
        Bytes a page, for files that do not say otherwise.
    """

    def __init__(self, settings: Any, context: Context, page_size: int) -> None:
        super().__init__(settings, context)
        self.page_size = page_size

    @abstractmethod
    def file(self, key: bytes, length: int, page_size: Optional[int] = None) -> KeptFile:
        """The pages of the file version that ``key`` (16 bytes) stands for. Opens nothing that must be closed.

        Parameters
        ----------
        key, length:
            Of the file version.
        page_size:
            Bytes a page, if these are others than the store's: smaller ones, for parts of pages. A key is used with
            one page size alone.

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
        """``hits``, ``misses``, ``evictions`` (only grow), ``pages``, ``bytes`` (now), ``capacity``; and ``hit_bytes``,
        those that were read out of pages (only grow), where the store counts them."""

    # --- notes: small facts beside the pages, for stores that other processes see too ------------------------------

    def note(self, key: bytes) -> Optional[bytes]:
        """What was last noted under a key of 16 bytes; ``None`` if nothing is, or it has made room."""
        return None

    def notes_after(self, key: bytes, number: int) -> List[Tuple[bytes, bytes]]:
        """Notes with their keys, of about the length of the one under ``key``, that were mostly noted soon after it:
        for who will look for them next. ``number`` places are looked at. A store that has no such order gives none."""
        return []

    def put_note(self, key: bytes, note: bytes) -> None:
        """Note something, in the place of what was noted under the key. Whole or not at all; it may be dropped at any
        time. A store that has no place for notes drops it at once.

        Raises
        ------
        PageStoreError
            If the store does not work.
        """

    def keep_noted(self, kept: KeptFile, first: int, pages: memoryview, note: bytes) -> None:
        """Keep whole neighbouring pages, as :meth:`KeptFile.keep_run` does, and note something under their key, unless
        something is noted there. A store for which both at once cost less than each by itself does better than this.

        Raises
        ------
        PageStoreError
            If one of both cannot be done.
        """
        kept.keep_run(first, pages)
        if self.note(kept.key) is None:
            self.put_note(kept.key, note)

    def drop_notes(self, keys: Iterable[bytes]) -> None:
        """Drop what is noted under these keys; no error where there is nothing."""

    # --- for those who look after it -------------------------------------------------------------------------------

    def list_pages(self) -> Iterator[KeptPage]:
        """All that is kept, in no order; what comes and goes meanwhile may be among it or not. For stores that outlive
        the process."""
        raise NotSupportedError(f"page store {self.name!r} cannot say what it keeps")

    def pin(self, key: bytes, pinned: bool) -> int:
        """Have the pages that are kept of a file version stay when room is needed, or not any more. Returns how many
        these are. Pinned pages count for the capacity; when they are all there is, nothing more is kept."""
        raise NotSupportedError(f"page store {self.name!r} cannot pin pages")

    def verify(self) -> Tuple[int, int]:
        """Read every page and compare it with its checksum. Returns how many are right, and how many were broken, and
        dropped."""
        raise NotSupportedError(f"page store {self.name!r} has no checksums")
