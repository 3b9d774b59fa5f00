"""What is there: stats and listings."""

from __future__ import annotations

from itertools import islice
from typing import Iterator, List, Optional, Sequence, Tuple, TypeVar

from alluxiofs.errors import BadAnswerError, hidden_text
from alluxiofs.gateway.asking import Asking
from alluxiofs.gateway.beside import Beside
from alluxiofs.gateway.first_bytes import Few, Opening, Piece
from alluxiofs.gateway.keeping import Keeper
from alluxiofs.gateway.line import Side
from alluxiofs.gateway.metadata import MetadataCache, forgotten_since
from alluxiofs.gateway.parts import Limits, Mount, Parts
from alluxiofs.gateway.shared_metadata import SharedMetadata
from alluxiofs.interfaces import Deadline, Entry, Location
from alluxiofs.logs import fields

__all__ = ["Looking"]

T = TypeVar("T")

_SOME = 100  # entries of a listing that are progress
_RECURSIVE = "\0recursive"  # behind the URL of a directory: all files below it. No URL has a NUL in it


class Looking(Asking):
    """Finds, stats and lists, through workers or straight from the under store.

    Parameters
    ----------
    parts, limits:
        See :class:`alluxiofs.gateway.read_path.ReadPath`.
    """

    def __init__(self, parts: Parts, limits: Limits) -> None:
        super().__init__(parts, limits)
        self.keeper = Keeper(parts.page_store, parts.telemetry, parts.logger)
        self.metadata = MetadataCache(limits.metadata_ttl, limits.metadata_capacity)
        self.shared = SharedMetadata(self.keeper, limits.metadata_ttl, limits.metadata_capacity)
        self.opening = Opening()
        self._beside = Beside(self.opening.was_opened)

    # --- what is there ----------------------------------------------------------------------------------------

    def stat(self, location: Location, refresh: bool = False, deadline: Optional[Deadline] = None) -> Entry:
        """What is known of a path, at most ``metadata_ttl`` old; with ``refresh`` what is there now; by a deadline."""
        if self.locations.is_above_mounts(location):
            return _directory(location.name)
        if not refresh:
            known = self.metadata.entry(location.url)
            if known is not None:
                return known
        return self._stat_and_few(location, refresh, None, deadline)[0]

    def _stat_and_few(
        self, location: Location, refresh: bool, few: Optional[Few], deadline: Optional[Deadline] = None
    ) -> Tuple[Entry, Optional[Piece]]:
        """What a path is, which this process does not believe to know, and with it some bytes, if its under store is
        asked, and they are worth having."""
        epoch = self.metadata.epoch(location.url)
        sharing = self._shared_mount(location)
        if sharing is not None and not refresh:
            known = self._noted_entry(sharing, location, epoch)
            if known is not None:
                self.parts.telemetry.begin()
                return known, None
        if few is not None and self._may_be_kept(sharing, location):
            few = None
        asked = self.shared.now()
        try:
            if few is None:
                entry, piece = self._ask_stat(location, deadline), None
            else:
                entry, piece = self._ask_few(location, few)
        except FileNotFoundError:
            self._forget_absent(location, location.url)
            if self.locations.mounted_below(location.url):
                return _directory(location.name), None
            raise
        self.metadata.put_entry(location.url, entry, epoch)
        if sharing is not None:
            self.shared.note_entry(sharing, location.url, entry, asked)
        return entry, piece

    def _ask_stat(self, location: Location, whole: Optional[Deadline]) -> Entry:
        def question(side: Side, deadline: Deadline) -> Entry:
            return self._stat(side, location, deadline)

        sides = self._sides_for_metadata(location, "stat")
        return self.line.ask("info", sides, question, about=location.url, deadline=whole)

    def _ask_few(self, location: Location, few: Few) -> Tuple[Entry, Optional[Piece]]:
        store = self.store_of(location)

        def question(_side: Side, deadline: Deadline) -> Tuple[Entry, Optional[Piece]]:
            try:
                entry, start, data = store.stat_and_read(location.name, few.length, deadline, from_end=few.from_end)
            except BadAnswerError as error:  # what it is may be had all the same, and the reader meets the failure
                more = fields(operation="read", path=location.url)
                self.logger.info("asking only what %s is: %s", hidden_text(location.url), error, extra=more)
                return store.stat(location.name, deadline), None
            return entry, Piece(start, data) if data else None

        return self.line.ask("read", [Side(store.name)], question, about=location.url, weigh=_bytes_of)

    def _may_be_kept(self, sharing: Optional[Mount], location: Location) -> bool:
        """Whether bytes of a file may be here that were fetched before: then they are not fetched to be on the safe
        side, for asking what the file is costs less."""
        if self.keeper.store is None:
            return False
        if self.opening.was_opened(location.url):
            return True
        return sharing is not None and self.shared.heard_of(sharing, location.url, self.locations.parent(location).url)

    def list(self, location: Location, refresh: bool = False) -> Tuple[Entry, ...]:
        """The children of a directory, or the file itself, in the order of their names."""
        if self.locations.is_above_mounts(location):
            return tuple(_directory(url) for url in sorted(self.locations.mounted_urls()))
        if not refresh:
            known = self._known_listing(location, location.url)
            if known is not None:
                return known
        return self._list(location, location.url)

    def list_recursive(self, location: Location, refresh: bool = False) -> Optional[Tuple[Entry, ...]]:
        """All files below a directory, or ``None`` where the store cannot list them in one go."""
        mount = self.locations.mount_of(location)
        if mount is None or not mount.store.capabilities.recursive_list or not self._under_store_decides(location):
            return None
        if self.locations.mounted_below(location.url):
            return None  # nor what other stores have there
        key = location.url + _RECURSIVE
        known = None if refresh else self._known_listing(location, key)
        return self._list(location, key) if known is None else known

    def _list(self, location: Location, key: str) -> Tuple[Entry, ...]:
        recursive = key.endswith(_RECURSIVE)
        epoch, changes = self.metadata.epoch(key), self.metadata.changes()
        asked, sharing = self.shared.now(), self._shared_mount(location)

        def question(side: Side, deadline: Deadline) -> List[Entry]:
            entries: List[Entry] = []
            source = iter(self._entries(side, location, deadline, recursive))
            while True:
                some = list(islice(source, _SOME))
                entries += some
                if len(some) < _SOME:
                    return entries
                deadline.progress()

        try:
            entries = self.line.ask("ls", self._sides_for_metadata(location, "list"), question, about=location.url)
        except FileNotFoundError:
            self._forget_absent(location, key)
            if not self.locations.mounted_below(location.url):
                raise
            entries, sharing = [], None
        listing = tuple(sorted(entries, key=_name_of))
        if sharing is not None:  # as its store tells it: what hides some of it is this filesystem's affair
            self.shared.note_listing(sharing, key, listing, asked)
        mount = self.locations.mount_of(location)
        if mount is not None:
            visible, listing = self._with_mounts(mount, location, listing)
            known = _as_good_as_stats(mount, visible)
            self.metadata.put_children([mount.store.url(entry.name) for entry in known], known, changes)
        self.metadata.put_listing(key, listing, epoch)
        return listing

    def _with_mounts(
        self, mount: Mount, location: Location, listing: Tuple[Entry, ...]
    ) -> Tuple[Tuple[Entry, ...], Tuple[Entry, ...]]:
        """What of a listing no prefix of another store hides; and the same with the directories that lead to these."""
        below = self.locations.mounted_below(location.url)
        if not below:
            return listing, listing
        start = location.url if location.url.endswith("/") else location.url + "/"
        hidden = {mount.store.strip(url) for url in below}
        leading = {mount.store.strip(start + url[len(start) :].partition("/")[0]) for url in below}
        visible = tuple(entry for entry in listing if entry.name not in hidden)
        leading.difference_update(entry.name for entry in visible if entry.kind == "directory")
        return visible, tuple(sorted([*visible, *map(_directory, leading)], key=_name_of))

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
        return [*urls, *(url + _RECURSIVE for url in urls)]

    # --- what other processes have asked ----------------------------------------------------------------------

    def _shared_mount(self, location: Location) -> Optional[Mount]:
        """The mount of a location, if what its under store answers is everybody's."""
        mount = self.locations.mount_of(location)
        if mount is None or not mount.store.capabilities.remote or not self._under_store_decides(location):
            return None
        return mount

    def _noted_entry(self, mount: Mount, location: Location, epoch: int) -> Optional[Entry]:
        """What another process was told of a path: by a stat, or by a listing of its directory."""
        above = self.locations.parent(location)
        noted = self.shared.entry(mount, location.url, above.url)
        if noted is not None:
            entry = noted.entries[0]
            self.metadata.put_entry(location.url, entry, epoch, noted.until)
            number = self._beside.number(above.url)
            if number:
                self._believe_beside(mount, location.url, above.url, number)
            return entry
        if above.store == location.store and above.url != location.url and self.metadata.listing(above.url) is None:
            self._noted_listing(mount, above, above.url)
            return self.metadata.entry(location.url)
        return None

    def _believe_beside(self, mount: Mount, url: str, above: str, number: int) -> None:
        """Believe what was noted after the stat of a file, of others in its directory."""
        read: List[str] = []
        try:
            changes, hidden = self.metadata.changes(), self.locations.mounted_below(above)
            for other, noted in self.shared.beside(mount, url, above, number):
                if other in hidden:
                    continue
                epoch = self.metadata.epoch(other)
                if self.metadata.changes() != changes:
                    break  # something was forgotten meanwhile, which may be this
                self.metadata.put_entry(other, noted.entries[0], epoch, noted.until)
                read.append(other)
        finally:
            self._beside.done(above, read)

    def _known_listing(self, location: Location, key: str) -> Optional[Tuple[Entry, ...]]:
        known = self.metadata.listing(key)
        if known is not None:
            return known
        mount = self._shared_mount(location)
        known = None if mount is None else self._noted_listing(mount, location, key)
        if known is not None:
            self.parts.telemetry.begin()
        return known

    def _noted_listing(self, mount: Mount, location: Location, key: str) -> Optional[Tuple[Entry, ...]]:
        epoch, changes = self.metadata.epoch(key), self.metadata.changes()
        noted = self.shared.listing(mount, key, (location.url, self.locations.parent(location).url))
        if noted is None:
            return None
        visible, listing = self._with_mounts(mount, location, noted.entries)
        self.metadata.put_listing(key, listing, epoch, noted.until)
        children = [(mount.store.url(entry.name), entry) for entry in _as_good_as_stats(mount, visible)]
        believed = [(url, entry) for url, entry in children if not forgotten_since(url, noted.asked)]
        self.metadata.put_children([url for url, _ in believed], [entry for _, entry in believed], changes, noted.until)
        return listing

    def _forget_absent(self, location: Location, key: str) -> None:
        """There is nothing, whatever was said before."""
        self.metadata.forget(key)
        mount = self._shared_mount(location)
        if mount is not None:
            self.shared.drop(mount, (key,))


def _bytes_of(answer: Tuple[Entry, Optional[Piece]]) -> int:
    return 0 if answer[1] is None else len(answer[1].data)


def _directory(name: str) -> Entry:
    return Entry(name, "directory", 0)


def _as_good_as_stats(mount: Mount, listing: Sequence[Entry]) -> Sequence[Entry]:
    """Those of which the listing says all that a stat would say of the version: only there it can be spared."""
    known = listing
    for part in mount.store.capabilities.version:  # one after the other: what most entries lack leaves few to look at
        known = [entry for entry in known if entry.kind != "file" or getattr(entry.version, part) is not None]
    return known


def _name_of(entry: Entry) -> str:
    return entry.name
