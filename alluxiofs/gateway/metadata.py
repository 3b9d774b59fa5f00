"""What is believed about files and directories, for a while."""

from __future__ import annotations

import math
import sys
import threading
import time
import weakref
from collections import OrderedDict
from typing import Generic, Iterable, List, Optional, Sequence, Set, Tuple, TypeVar

from alluxiofs import forks
from alluxiofs.gateway.weighing import LEAST, weight_of
from alluxiofs.interfaces import Entry

__all__ = ["MetadataCache", "forgotten_since"]

T = TypeVar("T")

_EPOCHS = 1024
_PLACE = 288  # bytes that a place in a table takes besides its key and its value: measured, rounded up
_POINTER = 8


# The locks are re-entrant: the collector of garbage comes while a thread has one, and whatever it has run there may use
# a filesystem, and so change what is being changed. It comes at calls, and up to Python 3.11 where an object is made
# that it knows of (a tuple, an iterator). Between two of these what belongs together is looked at and changed.


class _Process:
    """The caches of this process, and when something was last forgotten in it."""

    def __init__(self) -> None:
        # No WeakSet: one is not to be gone through while the collector adds to it.
        self._caches: Set[weakref.ref[MetadataCache]] = set()
        self._forgotten = [-math.inf] * _EPOCHS
        self._cleared = -math.inf
        self._lock = threading.RLock()

    def begin_in_child(self) -> None:
        """In a forked child threads that do not exist may hold any of the locks."""
        self._lock = threading.RLock()
        for cache in self.caches():
            cache.begin_in_child()

    def add(self, cache: MetadataCache) -> None:
        self._caches.add(weakref.ref(cache, self._caches.discard))

    def caches(self) -> List[MetadataCache]:
        return [cache for cache in (held() for held in self._caches.copy()) if cache is not None]

    def forget(self, urls: Iterable[str]) -> None:
        with self._lock:
            now = time.monotonic()
            for url in urls:
                place = hash(url) % _EPOCHS
                if self._forgotten[place] < now:
                    self._forgotten[place] = now

    def clear(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._cleared < now:
                self._cleared = now

    def forgotten_since(self, url: str, moment: float) -> bool:
        return max(self._cleared, self._forgotten[hash(url) % _EPOCHS]) >= moment


_process = _Process()
forks.in_child(_process.begin_in_child)


def forgotten_since(url: str, moment: float) -> bool:
    """Whether anybody in this process has forgotten a URL at ``moment`` (of ``time.monotonic()``) or later: what was
    asked at that moment, by whatever process, is then not believed here. Once too often does no harm."""
    return _process.forgotten_since(url, moment)


class _Table(Generic[T]):
    """Values by URL, with the time until which each is believed and what it weighs; in the order they were put in."""

    def __init__(self) -> None:
        self.places: OrderedDict[str, Tuple[float, T, int]] = OrderedDict()
        self.weight = 0

    def put(self, url: str, until: float, value: T, weight: int) -> None:
        """Put a value in, unless the one that is there is believed for longer: then it was asked for later."""
        place = (until, value, weight)
        if url in self.places:
            old = self.places[url]
            if old[0] > until:
                return
            del self.places[url]  # the new one is the last
            self.weight -= old[2]
        self.places[url] = place
        self.weight += weight

    def pop(self, url: str) -> None:
        old = self.places.pop(url, None)
        if old is not None:
            self.weight -= old[2]

    def first_until(self) -> float:
        """Until when that is believed which was put in first; for ever if there is nothing."""
        for url in self.places:
            return self.places[url][0]
        return math.inf

    def pop_first(self) -> None:
        if self.places:
            _, old = self.places.popitem(last=False)
            self.weight -= old[2]

    def clear(self) -> None:
        self.weight = 0
        self.places.clear()


class MetadataCache:
    """Stats and listings, each believed for a time to live. Where there is no room, what was put in first goes.

    A value is put in with the *epoch* read before it was asked for: what was asked before a write is not believed
    after it.

    Parameters
    ----------
    ttl:
        Seconds; 0 believes nothing.
    capacity:
        Bytes that all of it may take together; an estimate, a little above what it does take. An entry of a listing
        that is believed as a stat too counts twice.
    """

    def __init__(self, ttl: float, capacity: int) -> None:
        self._ttl = ttl
        self._capacity = capacity
        self._epochs = [0] * _EPOCHS
        self._clears = 0
        self._changes = 0
        self._begin()
        _process.add(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._entries: _Table[Entry] = _Table()
        self._listings: _Table[Tuple[Entry, ...]] = _Table()

    def begin_in_child(self) -> None:
        """In a forked child: who was changing this is not there, and what he has left half done is not believed."""
        self._begin()
        self._clears += 1
        self._changes += 1

    def epoch(self, url: str) -> int:
        """What :meth:`put_entry` and :meth:`put_listing` must be told, read before the source is asked."""
        return self._clears + self._epochs[hash(url) % _EPOCHS]

    def changes(self) -> int:
        """What :meth:`put_children` must be told, read before the source is asked."""
        return self._changes

    def entry(self, url: str) -> Optional[Entry]:
        """The entry that is still believed."""
        found = self._entries.places.get(url)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def listing(self, url: str) -> Optional[Tuple[Entry, ...]]:
        """The listing that is still believed."""
        found = self._listings.places.get(url)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def weight(self) -> int:
        """Bytes that all of it takes; an estimate."""
        return self._entries.weight + self._listings.weight

    def put_entry(self, url: str, entry: Entry, epoch: int, until: Optional[float] = None) -> None:
        """Believe an entry: until a moment of ``time.monotonic()``, or for the time to live from now on."""
        if self._ttl <= 0:
            return
        weight = _place(url) + weight_of(entry)
        with self._lock:
            changes = self._changes
            if self.epoch(url) == epoch and weight <= self._capacity:
                self._entries.put(url, self._until(until), entry, weight)
                self._make_room()
                if self._changes != changes:  # by this very thread, meanwhile
                    self._entries.pop(url)

    def put_listing(self, url: str, listing: Tuple[Entry, ...], epoch: int, until: Optional[float] = None) -> None:
        """Believe a listing, as :meth:`put_entry` does. One for which there is no room beside its entries is not
        kept."""
        if self._ttl <= 0:
            return
        most = self._capacity // 2
        weight = _place(url) + _POINTER * len(listing)
        if weight + LEAST * len(listing) > most:
            weight += LEAST * len(listing)  # to weigh a hundred thousand entries takes as long as to make them
        else:
            for entry in listing:
                weight += weight_of(entry)
                if weight > most:
                    break
        with self._lock:
            changes = self._changes
            if self.epoch(url) != epoch:
                return
            if weight > most:
                self._listings.pop(url)  # what was said before is not so any more
                return
            self._listings.put(url, self._until(until), listing, weight)
            self._make_room()
            if self._changes != changes:
                self._listings.pop(url)

    def put_children(
        self, urls: Sequence[str], entries: Sequence[Entry], changes: int, until: Optional[float] = None
    ) -> None:
        """Believe what a listing said of each entry, unless anything was forgotten since it was asked for. As many as
        half of the capacity holds, from the first on, so that a long listing does not drive itself out."""
        if self._ttl <= 0:
            return
        left = self._capacity // 2
        weights: List[int] = []
        for url, entry in zip(urls, entries):
            weights.append(_place(url) + weight_of(entry))
            left -= weights[-1]
            if left < 0:
                weights.pop()
                break
        with self._lock:
            if self._changes != changes:
                return
            until = self._until(until)
            for url, entry, weight in zip(urls, entries, weights):
                self._entries.put(url, until, entry, weight)
            self._make_room()
            if self._changes != changes:
                for url in urls:
                    self._entries.pop(url)

    def forget_in_process(self, *urls: str) -> None:
        """As :meth:`forget`, for whoever else in this process believes something of these: a change was made here, and
        filesystems with other settings read it back at once as well."""
        for cache in _process.caches():
            cache.forget(*urls)

    def clear_in_process(self) -> None:
        """As :meth:`clear`, for whoever else in this process believes something."""
        for cache in _process.caches():
            cache.clear()

    def forget(self, *urls: str) -> None:
        """Believe nothing of these any more, nor what is being asked of them right now."""
        _process.forget(urls)
        with self._lock:
            self._changes += 1
            for url in urls:
                self._epochs[hash(url) % _EPOCHS] += 1
                self._entries.pop(url)
                self._listings.pop(url)

    def clear(self) -> None:
        """Believe nothing any more."""
        _process.clear()
        with self._lock:
            self._changes += 1
            self._clears += 1
            self._entries.clear()
            self._listings.clear()

    def _until(self, until: Optional[float]) -> float:
        return time.monotonic() + self._ttl if until is None else until

    def _make_room(self) -> None:
        """Let go of what was put in first: what is believed no longer, and what there is no room for."""
        now = time.monotonic()
        while True:
            entries, listings = self._entries.first_until(), self._listings.first_until()
            if self.weight() <= self._capacity and min(entries, listings) > now:
                return
            (self._entries if entries <= listings else self._listings).pop_first()


def _place(url: str) -> int:
    return _PLACE + sys.getsizeof(url)
