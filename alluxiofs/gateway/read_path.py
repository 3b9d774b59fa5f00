"""The read path: what is there, and its bytes, from workers or straight from the under store."""

from __future__ import annotations

import threading
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from alluxiofs.errors import (
    ConfigurationError,
    FileChangedError,
    NotSupportedError,
    TemporaryError,
    UnavailableError,
    is_a_directory,
)
from alluxiofs.gateway import threads
from alluxiofs.gateway.keeping import Keeper
from alluxiofs.gateway.line import Line, Side
from alluxiofs.gateway.locations import Locations
from alluxiofs.gateway.metadata import MetadataCache
from alluxiofs.gateway.pages import PinnedFile
from alluxiofs.gateway.parts import Limits, Metadata, Parts
from alluxiofs.gateway.placement import Placement
from alluxiofs.gateway.reading import OpenFile
from alluxiofs.interfaces import Deadline, Entry, Event, KeptFile, Location, UnderStore, Version, Worker

__all__ = ["ReadPath"]


class ReadPath:
    """Reads, lists and stats through workers or straight from the under store.

    Constructing it does no I/O. All methods may be called from many threads, and raise the answer or the failure of
    whoever was asked last, as an ``OSError`` (:mod:`alluxiofs.errors`).

    Parameters
    ----------
    parts:
        The components.
    limits:
        The numbers that bound it.
    """

    def __init__(self, parts: Parts, limits: Limits) -> None:
        self.parts = parts
        self.limits = limits
        self.logger = parts.logger
        self.page_size = parts.page_size
        self.locations = Locations(parts.mounts)
        self.keeper = Keeper(parts.page_store, parts.telemetry, parts.logger)
        self.metadata = MetadataCache(limits.metadata_ttl)
        self.line = Line(limits, parts.telemetry, parts.logger)
        self._placement = Placement(parts.membership, parts.policy)
        self._generation = threads.forks
        self._counted = {"bytes_from_workers": 0, "bytes_from_under_stores": 0}
        self._counting = threading.Lock()
        parts.telemetry.watch("gateway", self.counters)
        if parts.page_store is not None:
            parts.telemetry.watch("page_store", parts.page_store.counters)

    def current(self) -> ReadPath:
        """This gateway, or in a forked child the one that takes its place there."""
        if self._generation == threads.forks or self.parts.remake is None:
            return self
        return self.parts.remake()

    # --- paths ------------------------------------------------------------------------------------------------

    @property
    def root_marker(self) -> str:
        """The path of the root directory."""
        return self.locations.root_marker

    def locate(self, path: str) -> Location:
        """The location of a path in any spelling. ``InvalidPathError`` (a ``ValueError``) if it cannot be one."""
        return self.locations.locate(path)

    def path_of(self, location: Location) -> str:
        """How a location is shown to users, who can pass it back in."""
        return self.locations.path_of(location)

    def child(self, location: Location, name: str) -> Location:
        """The location of an entry's name, in the same store (of the root above mounts: in theirs)."""
        return self.locations.child(location, name)

    def parent(self, path: str) -> str:
        """The path of the directory that a path is in; the root's is the root."""
        return self.path_of(self.locations.parent(self.locate(path)))

    def unstrip(self, path: str) -> str:
        """The full canonical URL of a path."""
        return self.locate(path).url

    def store_of(self, location: Location) -> UnderStore:
        """The under store that owns a location.

        Raises
        ------
        ConfigurationError
            If no under store is configured.
        """
        mount = self.locations.mount_of(location)
        if self.locations.is_above_mounts(location):
            raise ConfigurationError("the root holds the prefixes of under_stores and nothing else: name a path in one")
        if mount is None:
            raise ConfigurationError(
                f"no under store is configured for {location.url!r}: name one with target_protocol="
            )
        return mount.store

    # --- what is there ----------------------------------------------------------------------------------------

    def stat(self, location: Location, refresh: bool = False) -> Entry:
        """What is known of a path, at most ``metadata_ttl`` old; with ``refresh`` what is there now."""
        if self.locations.is_above_mounts(location):
            return _directory(location.name)
        if not refresh:
            known = self.metadata.entry(location.url)
            if known is not None:
                return known
        epoch = self.metadata.epoch(location.url)

        def question(side: Side, deadline: Deadline) -> Entry:
            return self._stat(side, location, deadline)

        try:
            entry = self.line.ask("info", self._sides_for_metadata(location, "stat"), question, about=location.url)
        except FileNotFoundError:
            self.metadata.forget(location.url)
            raise
        self.metadata.put_entry(location.url, entry, epoch)
        return entry

    def list(self, location: Location, refresh: bool = False) -> Tuple[Entry, ...]:
        """The children of a directory, or the file itself, in the order of their names."""
        if self.locations.is_above_mounts(location):
            return tuple(_directory(url) for url in sorted(self.locations.mounted_urls()))
        if not refresh:
            known = self.metadata.listing(location.url)
            if known is not None:
                return known
        return self._list(location, recursive=False)

    def list_recursive(self, location: Location, refresh: bool = False) -> Optional[Tuple[Entry, ...]]:
        """All files below a directory, or ``None`` where the store cannot list them in one go."""
        mount = self.locations.mount_of(location)
        if mount is None or not mount.store.capabilities.recursive_list or not self._under_store_decides(location):
            return None
        key = location.url + "\0recursive"
        known = None if refresh else self.metadata.listing(key)
        return self._list(location, recursive=True) if known is None else known

    def _list(self, location: Location, recursive: bool) -> Tuple[Entry, ...]:
        key = location.url + "\0recursive" if recursive else location.url
        epoch, changes = self.metadata.epoch(key), self.metadata.changes()

        def question(side: Side, deadline: Deadline) -> List[Entry]:
            entries: List[Entry] = []
            for entry in self._entries(side, location, deadline, recursive):
                entries.append(entry)
                if len(entries) % 100 == 0:
                    deadline.progress()
            return entries

        entries = self.line.ask("ls", self._sides_for_metadata(location, "list"), question, about=location.url)
        listing = tuple(sorted(entries, key=_name_of))
        self.metadata.put_listing(key, listing, epoch)
        mount = self.locations.mount_of(location)
        if mount is not None:
            # A stat can be spared only where the listing says all that the stat would say of the version.
            known = [
                entry for entry in listing if not entry.is_file or entry.version.knows(mount.store.capabilities.version)
            ]
            self.metadata.put_children([(mount.store.url(entry.name), entry) for entry in known], changes)
        return listing

    def _entries(self, side: Side, location: Location, deadline: Deadline, recursive: bool) -> Iterator[Entry]:
        if recursive or self._beside_the_transport(side):
            return self.store_of(location).list(location.name, deadline, recursive)
        return self.parts.transport.list(side.worker, location, deadline)

    def _stat(self, side: Side, location: Location, deadline: Deadline) -> Entry:
        if self._beside_the_transport(side):
            return self.store_of(location).stat(location.name, deadline)
        return self.parts.transport.stat(side.worker, location, deadline)

    def _beside_the_transport(self, side: Side) -> bool:
        """Whether a side is an under store that is reached past a transport that speaks to workers."""
        return side.worker is None and self.parts.transport.capabilities.workers

    def forget(self, location: Optional[Location]) -> None:
        """Believe nothing any more of a path (``None``: of any) that was learned before."""
        if location is None:
            self.metadata.clear()
        else:
            self.metadata.forget(*self._above(location))

    def _above(self, location: Location) -> List[str]:
        """Under what a path, and the directories that it is in, are believed."""
        urls = [location.url]
        while True:
            parent = self.locations.parent(location)
            if parent.url == location.url:
                break
            urls.append(parent.url)
            location = parent
        return [*urls, *(url + "\0recursive" for url in urls)]

    # --- reading ----------------------------------------------------------------------------------------------

    def open(self, location: Location, refresh: bool = False) -> OpenFile:
        """Open a file for reading, its version pinned. ``IsADirectoryError``, ``FileNotFoundError`` …"""
        return OpenFile(self, location, self.stat(location, refresh))

    def reopen(self, location: Location, version: Version) -> OpenFile:
        """Open a file at a version; ``FileChangedError`` if it is known to be another by now."""
        entry = self.stat(location)
        if entry.version.same_as(version) is False:
            entry = self.stat(location, refresh=True)
        if entry.version.same_as(version) is False:
            raise FileChangedError("the file has changed since it was opened", self.path_of(location))
        opened = OpenFile(self, location, entry)
        opened.settle()
        return opened

    def read_range(
        self, location: Location, start: Optional[int] = None, end: Optional[int] = None, refresh: bool = False
    ) -> bytes:
        """Exactly Python's ``data[start:end]`` of a file."""
        opened = self.open(location, refresh)
        while True:
            first, last, _ = slice(start, end).indices(opened.length)
            data = opened.read(first, max(0, last - first))
            # The first read may have found the file changed, and at another length.
            if slice(start, end).indices(opened.length)[:2] == (first, last):
                return data

    def pin(self, location: Location, entry: Entry) -> PinnedFile:
        """A version of a file, ready to be read."""
        if not entry.is_file:
            raise is_a_directory(self.path_of(location))
        if entry.size is None:
            raise NotSupportedError(f"{self.path_of(location)}: the store does not say how long the file is")
        return PinnedFile(self, location, entry, entry.size, self.kept_pages(location, entry))

    def kept_pages(self, location: Location, entry: Entry) -> Optional[KeptFile]:
        """Where the pages of a version are kept, or ``None``."""
        mount = self.locations.mount_of(location)
        return self.keeper.file("" if mount is None else mount.store.identity(), location.url, entry.version)

    def fetch(self, location: Location, version: Version, offset: int, view: memoryview) -> None:
        """Fill ``view`` over the wire: from the workers in their rank, then from the under store."""

        def question(side: Side, deadline: Deadline) -> None:
            if self._beside_the_transport(side):
                self.store_of(location).read_into(location.name, version, offset, view, deadline)
            else:
                self.parts.transport.read_into(side.worker, location, version, offset, view, deadline)
            source = "bytes_from_under_stores" if side.worker is None else "bytes_from_workers"
            with self._counting:
                self._counted[source] += len(view)

        self.line.ask(
            "read",
            self._sides(location, "read"),
            question,
            about=location.url,
            size=len(view),
            known_to_exist=self._under_store_decides(location),
        )

    def parallel(self, location: Location) -> bool:
        """Whether several ranges of one file are worth reading at a time."""
        mount = self.locations.mount_of(location)
        if self.parts.transport.capabilities.workers or mount is None:
            return True
        return mount.store.capabilities.parallel_ranges and mount.store.capabilities.remote

    def new_deadline(self) -> Deadline:
        """For an operation that begins now."""
        return Deadline.after(self.limits.deadline, self.limits.timeout)

    # --- who is asked -----------------------------------------------------------------------------------------

    def _under_store_decides(self, location: Location) -> bool:
        """Whether the under store's stat is what counts."""
        if self.locations.mount_of(location) is None:
            return False
        if not self.parts.transport.capabilities.workers or self.limits.metadata is Metadata.UNDER_STORE:
            return True
        return self.limits.metadata is Metadata.AUTO and self.parts.transport.capabilities.stale_metadata

    def _sides_for_metadata(self, location: Location, operation: str) -> List[Side]:
        mount = self.locations.mount_of(location)
        if mount is not None and self._under_store_decides(location):
            return [Side(mount.store.name)]
        return self._sides(location, operation)

    def _sides(self, location: Location, operation: str) -> List[Side]:
        transport, mount = self.parts.transport, self.locations.mount_of(location)
        fallback = mount is not None and self.limits.fallback
        if not transport.capabilities.workers:
            if mount is None:
                raise ConfigurationError(f"no under store is configured for {location.url!r}, and no workers are named")
            return [Side(mount.store.name)]
        sides: List[Side] = []
        if getattr(transport.capabilities, operation):
            count = self.limits.replicas if fallback else None
            sides = [Side(transport.name, worker) for worker in self._workers(location.url, count, fallback)]
        if mount is not None and self.limits.fallback:
            sides.append(Side(mount.store.name))
        if not sides:
            raise UnavailableError(f"no worker can be asked for {location.url!r}, and there is no under store to go to")
        return sides

    def _workers(self, url: str, count: Optional[int], fallback: bool) -> Sequence[Worker]:
        try:
            return self._placement.rank(url, count, self.new_deadline())
        except TemporaryError as error:
            if not fallback:
                raise
            self.logger.info("no workers are known, going to the under store: %s", error)
            self.parts.telemetry.record_event(Event("fallback", "no_membership"))
            return ()

    # --- about itself -----------------------------------------------------------------------------------------

    def counters(self) -> Dict[str, int]:
        """Bytes that came over the wire, by their source; they only grow."""
        return dict(self._counted)

    def describe(self) -> Dict[str, Any]:
        """What was assembled, as JSON-able data; secrets hidden."""
        described = dict(self.parts.describe)
        described["page_size"] = self.page_size
        described["workers"] = self._placement.describe()
        described["counters"] = dict(self._counted)
        if self.parts.page_store is not None:
            described["counters"]["page_store"] = self.parts.page_store.counters()
        return described


def _directory(name: str) -> Entry:
    return Entry(name, "directory", 0)


def _name_of(entry: Entry) -> str:
    return entry.name
