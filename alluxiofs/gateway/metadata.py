"""What is believed about files and directories, for a while."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from typing import Iterable, List, Optional, Tuple

from alluxiofs.interfaces import Entry

__all__ = ["MetadataCache"]

_MOST_ENTRIES = 200_000  # some 150 MB at the worst; listings count each of their entries
_EPOCHS = 1024


class _All:
    """The caches of this process."""

    def __init__(self) -> None:
        self._caches: weakref.WeakSet[MetadataCache] = weakref.WeakSet()
        self.reset_lock()

    def reset_lock(self) -> None:
        """In a forked child a thread that does not exist may hold it."""
        self._lock = threading.Lock()

    def add(self, cache: MetadataCache) -> None:
        with self._lock:
            self._caches.add(cache)

    def now(self) -> List[MetadataCache]:
        with self._lock:
            return list(self._caches)


_all = _All()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_all.reset_lock)


class MetadataCache:
    """Stats and listings, each believed for a time to live. Bounded; the least recently used go first.

    A value is put in with the *epoch* read before it was asked for: what was asked before a write is not believed
    after it.

    Parameters
    ----------
    ttl:
        Seconds; 0 believes nothing.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Tuple[float, Entry]] = OrderedDict()
        self._listings: OrderedDict[str, Tuple[float, Tuple[Entry, ...]]] = OrderedDict()
        self._listed = 0
        self._epochs = [0] * _EPOCHS
        self._clears = 0
        _all.add(self)
        self._changes = 0

    def epoch(self, url: str) -> int:
        """What :meth:`put_entry` and :meth:`put_listing` must be told, read before the source is asked."""
        return self._clears + self._epochs[hash(url) % _EPOCHS]

    def entry(self, url: str) -> Optional[Entry]:
        """The entry that is still believed."""
        found = self._entries.get(url)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def listing(self, url: str) -> Optional[Tuple[Entry, ...]]:
        """The listing that is still believed."""
        found = self._listings.get(url)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def put_entry(self, url: str, entry: Entry, epoch: int) -> None:
        """Believe an entry from now on."""
        if self._ttl <= 0:
            return
        with self._lock:
            if self.epoch(url) != epoch:
                return
            self._entries[url] = (time.monotonic() + self._ttl, entry)
            self._entries.move_to_end(url)
            if len(self._entries) > _MOST_ENTRIES:
                self._entries.popitem(last=False)

    def changes(self) -> int:
        """What :meth:`put_children` must be told, read before the source is asked."""
        return self._changes

    def put_children(self, children: Iterable[Tuple[str, Entry]], changes: int) -> None:
        """Believe what a listing said of each entry, unless anything was forgotten since it was asked for."""
        if self._ttl <= 0:
            return
        until = time.monotonic() + self._ttl
        with self._lock:
            if self._changes != changes:
                return
            for url, entry in children:
                self._entries[url] = (until, entry)
                self._entries.move_to_end(url)
            while len(self._entries) > _MOST_ENTRIES:
                self._entries.popitem(last=False)

    def put_listing(self, url: str, listing: Tuple[Entry, ...], epoch: int) -> None:
        """Believe a listing from now on. One that is larger than all there is room for is not kept."""
        if self._ttl <= 0 or len(listing) > _MOST_ENTRIES:
            return
        with self._lock:
            if self.epoch(url) != epoch:
                return
            self._pop_listing(url)
            self._listings[url] = (time.monotonic() + self._ttl, listing)
            self._listed += len(listing)
            while self._listed > _MOST_ENTRIES:
                self._listed -= len(self._listings.popitem(last=False)[1][1])

    def forget_in_process(self, *urls: str) -> None:
        """As :meth:`forget`, for whoever else in this process believes something of these: a change was made here, and
        filesystems with other settings read it back at once as well."""
        for cache in _all.now():
            cache.forget(*urls)

    def clear_in_process(self) -> None:
        """As :meth:`clear`, for whoever else in this process believes something."""
        for cache in _all.now():
            cache.clear()

    def forget(self, *urls: str) -> None:
        """Believe nothing of these any more, nor what is being asked of them right now."""
        with self._lock:
            self._changes += 1
            for url in urls:
                self._epochs[hash(url) % _EPOCHS] += 1
                self._entries.pop(url, None)
                self._pop_listing(url)

    def clear(self) -> None:
        """Believe nothing any more."""
        with self._lock:
            self._changes += 1
            self._clears += 1
            self._entries.clear()
            self._listings.clear()
            self._listed = 0

    def _pop_listing(self, url: str) -> None:
        old = self._listings.pop(url, None)
        if old is not None:
            self._listed -= len(old[1])
