"""The page store as the gateway uses it: when it does not work, reading goes on without it."""

from __future__ import annotations

import logging
import math
import time
from typing import Dict, Optional, Tuple

import xxhash

from alluxiofs.errors import PageStoreError
from alluxiofs.gateway.naming import encode_name, part_key
from alluxiofs.interfaces import Event, KeptFile, PageStore, Telemetry, Version
from alluxiofs.logs import fields

__all__ = ["PART", "PAUSE", "Keeper", "KeptVersion", "page_key"]

PART = 64 * 2**10
"""Bytes a part: what a small read of a page that is not kept fetches. ``docs/architecture.md`` has the measurements."""

_FEWEST_PARTS = 5  # pages of fewer are fetched whole
_LARGEST_WHOLE = 2 * PART  # files up to here, too
_NOTED_FOR = 1.0  # seconds until it is noted again whose pages are kept, in case that was evicted
_REMEMBERED = 1024  # pages that were given to the store lately
PAUSE = 30.0
"""Seconds until a page store that failed is tried again."""


def page_key(store_identity: str, url: str, version: Version, page_size: int) -> bytes:
    """The 16 bytes that stand for one version of one file at one page size (XXH3, 128 bits)."""
    text = "\0".join((store_identity, url, version.canonical(), str(page_size)))
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


class KeptVersion:
    """What is kept of one version of a file: whole pages, and parts of pages of which only a little was read.

    Nothing but :meth:`missed` counts a miss: a page is looked for whole and in parts, by a short way and by a long one,
    and all of that is one read of it.

    Parameters
    ----------
    keeper:
        Of the page store.
    pages:
        The pages in it.
    url, version:
        Whose they are; noted beside what is kept.
    """

    __slots__ = ("_keeper", "_miss", "_noted", "_parts", "_url", "_version", "pages")

    def __init__(self, keeper: Keeper, pages: KeptFile, url: str, version: Version) -> None:
        self._keeper = keeper
        self.pages = pages
        self._url = url
        self._version = version
        self._noted: Dict[bytes, float] = {}  # until when it need not be noted again
        self._parts: Optional[KeptFile] = None
        self._miss = pages.leave_misses()

    def missed(self, pages: int) -> None:
        """So many pages were read of which something is kept neither whole nor in parts."""
        for _ in range(pages):
            self._miss()

    def parts(self) -> Optional[KeptFile]:
        """The parts, numbered from the beginning of the file; ``None`` where pages are only fetched whole."""
        pages = self.pages
        if (
            pages.length <= _LARGEST_WHOLE
            or pages.page_size < _FEWEST_PARTS * PART
            or pages.page_size % PART
            or self._parts is not None
        ):
            return self._parts
        self._parts = self._keeper.parts_of(pages)
        if self._parts is not None:
            self._parts.leave_misses()
        return self._parts

    def keep_pages(self, first: int, pages: memoryview) -> None:
        """Keep whole neighbouring pages, unless the store does not work at the moment."""
        if self._keep(self.pages, first, pages):
            self._keeper.handed_over(self.pages.key, range(first, first - (-len(pages) // self.pages.page_size)))

    def was_handed_over(self, index: int, since: float) -> bool:
        """Whether a page was given to the store to be kept, by whatever thread of this process: since a moment of
        ``time.monotonic()``, and as far as that is remembered. If it is not there the store had no room for it."""
        return self._keeper.was_handed_over(self.pages.key, index, since)

    def keep_parts(self, first: int, parts: memoryview) -> None:
        """Keep neighbouring parts, unless the store does not work at the moment."""
        if self._parts is not None:
            self._keep(self._parts, first, parts)

    def _keep(self, kept: KeptFile, first: int, pages: memoryview) -> bool:
        """Keep pages or parts, and say whose they are with the first of each: either may be all there is. Who evicts by
        name while the file is open evicts the name, too, and what is kept from then on is to have one again."""
        now = time.monotonic()
        if now < self._noted.get(kept.key, now):
            return self._keeper.keep(kept, first, pages)
        name = encode_name(self._url, self._version, kept.length, kept.page_size)
        worked = self._keeper.keep(kept, first, pages, name)
        if worked:
            self._noted[kept.key] = now + _NOTED_FOR
        return worked


class Keeper:
    """Gives open files their kept pages, and takes a page store that fails out of the way for a while.

    Parameters
    ----------
    store:
        ``None``: nothing is ever kept.
    telemetry, logger:
        Where a failure is told, once.
    """

    def __init__(self, store: Optional[PageStore], telemetry: Telemetry, logger: logging.Logger) -> None:
        self.store = store
        self._telemetry = telemetry
        self._logger = logger
        self._resume_at = 0.0
        self._keep_again_at = 0.0
        self._warned = False
        self._handed_over: Dict[Tuple[bytes, int], float] = {}
        self.problem: Optional[str] = None
        """What failed last, if nothing was kept since."""

    @property
    def working(self) -> bool:
        """Whether the store is used at the moment."""
        return self.store is not None and time.monotonic() >= self._resume_at

    @property
    def keeping(self) -> bool:
        """Whether something is added to it at the moment; what is kept may be read all the same."""
        return self.working and time.monotonic() >= self._keep_again_at

    def file(self, store_identity: str, url: str, version: Version) -> Optional[KeptVersion]:
        """What is kept of a version, or ``None`` if nothing can be kept of it."""
        if self.store is None or not version.tells or not version.length or not self.working:
            return None
        try:
            pages = self.store.file(page_key(store_identity, url, version, self.store.page_size), version.length)
        except PageStoreError as error:
            self.failed(error)
            return None
        return KeptVersion(self, pages, url, version)

    def parts_of(self, pages: KeptFile) -> Optional[KeptFile]:
        """The parts of pages, or ``None`` if the store does not work."""
        if self.store is None or not self.working:
            return None
        try:
            return self.store.file(part_key(pages.key), pages.length, page_size=PART)
        except PageStoreError as error:
            self.failed(error)
            return None

    def forget(self, store_identity: str, url: str, version: Version) -> None:
        """Drop what is kept of a version."""
        if self.store is None or not version.tells:
            return
        key = page_key(store_identity, url, version, self.store.page_size)
        try:
            self.store.forget(key)
            self.store.forget(part_key(key))
        except PageStoreError as error:
            self.failed(error)

    def keep(self, kept: KeptFile, first: int, pages: memoryview, name: Optional[bytes] = None) -> bool:
        """Keep whole neighbouring pages, unless that does not work at the moment. ``name``: what is noted beside them,
        for people, unless something is."""
        if self.store is None or not self.keeping:
            return False
        try:
            if name is None:
                kept.keep_run(first, pages)
            else:
                self.store.keep_noted(kept, first, pages, name)
        except PageStoreError as error:
            self._cannot_keep(error)
            return False
        self.problem = None
        return True

    def handed_over(self, key: bytes, pages: range) -> None:
        """The store was given pages, and has kept them if it had room: one may be larger than the capacity, or all that
        is kept may be pinned."""
        if len(self._handed_over) >= _REMEMBERED:
            self._handed_over.clear()
        now = time.monotonic()
        for index in pages:
            self._handed_over[key, index] = now

    def was_handed_over(self, key: bytes, index: int, since: float) -> bool:
        """See :meth:`KeptVersion.was_handed_over`."""
        return self._handed_over.get((key, index), -math.inf) >= since

    def _cannot_keep(self, error: PageStoreError) -> None:
        """Nothing more is kept for a while. What is kept may be there all the same: a full disk can be read."""
        self._keep_again_at = time.monotonic() + PAUSE
        self.tell(error)

    def failed(self, error: PageStoreError) -> None:
        """The store does not work: one warning, and a while without it."""
        self._resume_at = time.monotonic() + PAUSE
        self.tell(error)

    def tell(self, error: PageStoreError) -> None:
        """One warning, however much of the store does not work, and however often."""
        self.problem = str(error)
        if self._warned:
            return
        self._warned = True
        name = self.store.name if self.store is not None else ""
        more = fields(component=name, reason="failed")
        self._logger.warning("page store %r does not work, reading goes on without it: %s", name, error, extra=more)
        self._telemetry.record_event(Event("page_store_off", "failed"))
