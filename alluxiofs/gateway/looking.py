"""What is there, and who is asked about it: paths, stats and listings."""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence, Tuple

from alluxiofs.errors import ConfigurationError, TemporaryError, UnavailableError
from alluxiofs.gateway.keeping import Keeper
from alluxiofs.gateway.line import Line, Side
from alluxiofs.gateway.locations import Locations
from alluxiofs.gateway.metadata import MetadataCache
from alluxiofs.gateway.parts import Limits, Metadata, Parts
from alluxiofs.gateway.placement import Placement
from alluxiofs.interfaces import Deadline, Entry, Event, Location, UnderStore, Worker

__all__ = ["Looking"]


class Looking:
    """Finds, stats and lists, through workers or straight from the under store.

    Parameters
    ----------
    parts, limits:
        See :class:`alluxiofs.gateway.read_path.ReadPath`.
    """

    def __init__(self, parts: Parts, limits: Limits) -> None:
        self.parts = parts
        self.limits = limits
        self.logger = parts.logger
        self.locations = Locations(parts.mounts)
        self.keeper = Keeper(parts.page_store, parts.telemetry, parts.logger)
        self.metadata = MetadataCache(limits.metadata_ttl, limits.metadata_capacity)
        self.line = Line(limits, parts.telemetry, parts.logger)
        self._placement = Placement(parts.membership, parts.policy)

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
            self.metadata.put_children([mount.store.url(entry.name) for entry in known], known, changes)
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

    def new_deadline(self) -> Deadline:
        """For an operation that begins now."""
        return Deadline.after(self.limits.deadline, self.limits.timeout)


def _directory(name: str) -> Entry:
    return Entry(name, "directory", 0)


def _name_of(entry: Entry) -> str:
    return entry.name
