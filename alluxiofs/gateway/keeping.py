"""The page store as the gateway uses it: when it does not work, reading goes on without it."""

from __future__ import annotations

import logging
import time
from typing import Optional

import xxhash

from alluxiofs.errors import PageStoreError
from alluxiofs.interfaces import Event, KeptFile, PageStore, Telemetry, Version

__all__ = ["PAUSE", "Keeper", "page_key"]

PAUSE = 30.0
"""Seconds until a page store that failed is tried again."""


def page_key(store_identity: str, url: str, version: Version, page_size: int) -> bytes:
    """The 16 bytes that stand for one version of one file at one page size (XXH3, 128 bits)."""
    text = "\0".join((store_identity, url, version.canonical(), str(page_size)))
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


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
        self._warned = False

    @property
    def working(self) -> bool:
        """Whether pages are kept at the moment."""
        return self.store is not None and time.monotonic() >= self._resume_at

    def file(self, store_identity: str, url: str, version: Version) -> Optional[KeptFile]:
        """The kept pages of a version, or ``None`` if none can be kept of it."""
        if self.store is None or not version.tells or not version.length or not self.working:
            return None
        try:
            return self.store.file(page_key(store_identity, url, version, self.store.page_size), version.length)
        except PageStoreError as error:
            self.failed(error)
            return None

    def forget(self, store_identity: str, url: str, version: Version) -> None:
        """Drop what is kept of a version."""
        if self.store is None or not version.tells:
            return
        try:
            self.store.forget(page_key(store_identity, url, version, self.store.page_size))
        except PageStoreError as error:
            self.failed(error)

    def keep(self, kept: KeptFile, index: int, page: memoryview) -> None:
        """Keep a page, unless the store does not work at the moment."""
        if not self.working:
            return
        try:
            kept.keep(index, page)
        except PageStoreError as error:
            self.failed(error)

    def failed(self, error: PageStoreError) -> None:
        """The store does not work: one warning, and a while without it."""
        self._resume_at = time.monotonic() + PAUSE
        self.tell(error)

    def tell(self, error: PageStoreError) -> None:
        """One warning, however much of the store does not work, and however often."""
        if self._warned:
            return
        self._warned = True
        name = self.store.name if self.store is not None else ""
        self._logger.warning("page store %r does not work, reading goes on without it: %s", name, error)
        self._telemetry.record_event(Event("page_store_off", "failed"))
