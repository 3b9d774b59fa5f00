"""The read path: the bytes of files, from workers or straight from the under store."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any, Callable, Dict, Mapping, Optional, Set, TypeVar

from alluxiofs import forks
from alluxiofs.errors import (
    BadAnswerError,
    FileChangedError,
    Kind,
    NotSupportedError,
    OtherVersionError,
    is_a_directory,
    kind_of,
)
from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.gateway.columns import Recent
from alluxiofs.gateway.first_bytes import FEW, Few, Leads, few_of, few_to_open, most_of
from alluxiofs.gateway.keeping import KeptVersion
from alluxiofs.gateway.line import Side
from alluxiofs.gateway.looking import Looking
from alluxiofs.gateway.pages import PinnedFile
from alluxiofs.gateway.parts import Limits, Parts
from alluxiofs.gateway.reading import OpenFile
from alluxiofs.gateway.tracing import is_within, operation
from alluxiofs.interfaces import Deadline, Entry, Location, Version
from alluxiofs.interfaces.telemetry import Final

__all__ = ["ReadPath"]

T = TypeVar("T")

_SMALL = 32 * 2**10  # bytes


class ReadPath(Looking):
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
        super().__init__(parts, limits)
        self.page_size = parts.page_size
        self.columnar = Recent()
        self.leads = Leads()
        self._few = FEW if parts.page_store is None else most_of(parts.page_size)
        self._generation = forks.count
        self._counted = dict.fromkeys(
            ("bytes_from_workers", "bytes_from_under_stores", "readahead_used", "readahead_wasted"), 0
        )
        self._counting = threading.RLock()  # re-entrant, for the collector of garbage closes files that count, too
        # By the ids of who has a file open. No lock: the collector of garbage closes files, too, wherever it runs.
        self.held: Set[int] = set()
        parts.telemetry.watch("gateway", _Counters(self, self._counted))
        if parts.page_store is not None:
            parts.telemetry.watch("page_store", parts.page_store.counters)

    def current(self) -> ReadPath:
        """This gateway, or in a forked child the one that takes its place there."""
        if self._generation == forks.count or self.parts.remake is None:
            return self
        return self.parts.remake()

    # --- reading ----------------------------------------------------------------------------------------------

    def open(self, location: Location, refresh: bool = False) -> OpenFile:
        """Open a file for reading, its version pinned. ``IsADirectoryError``, ``FileNotFoundError`` …"""
        return self._noticed(OpenFile(self, location, self.stat(location, refresh)))

    def open_to_read(self, location: Location, refresh: bool = False) -> OpenFile:
        """The same, for who reads at once: where it is not known what the file is, some bytes of it come along."""
        entry = None if refresh else self.metadata.entry(location.url)
        if entry is not None:
            return self._noticed(OpenFile(self, location, entry))
        return self._noticed(self._open_with(location, refresh, few_to_open(location.url, self._few)))

    def _noticed(self, opened: OpenFile) -> OpenFile:
        if self.keeper.store is not None:
            self.opening.opened(opened.location.url)
        return opened

    def _open_with(self, location: Location, refresh: bool, few: Optional[Few]) -> OpenFile:
        if few is None or not self._tells_and_reads(location):
            return OpenFile(self, location, self.stat(location, refresh))
        deadline = self.new_deadline()
        with self.opening.turn(location.url, deadline) as own:
            if not own:  # what the other one was told is believed, or asked for again where nothing is
                return OpenFile(self, location, self.stat(location, refresh, deadline))
            entry, piece = self._stat_and_few(location, refresh, few)
            opened = OpenFile(self, location, entry)
            if piece is not None:
                self.count(bytes_from_under_stores=len(piece.data))
                opened.take(piece)
            return opened

    def _tells_and_reads(self, location: Location) -> bool:
        """Whether bytes come along with what a file is: straight from a store that can do that."""
        mount = self.locations.mount_of(location)
        return (
            mount is not None
            and mount.store.capabilities.stat_and_read
            and not self.parts.transport.capabilities.workers
        )

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
        entry = None if refresh else self.metadata.entry(location.url)
        if entry is not None:
            opened = OpenFile(self, location, entry)
        else:
            opened = self._open_with(location, refresh, few_of(start, end, self._few, self.keeper.working))
        self._noticed(opened)
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

    def kept_pages(self, location: Location, entry: Entry) -> Optional[KeptVersion]:
        """What is kept of a version, or ``None``."""
        mount = self.locations.mount_of(location)
        return self.keeper.file("" if mount is None else mount.store.identity(), location.url, entry.version)

    def fetch(self, location: Location, version: Version, offset: int, view: memoryview) -> None:
        """Fill ``view`` over the wire: from the workers in their rank, then from the under store."""

        def read(side: Side, deadline: Deadline) -> None:
            worker, transport = side.worker, self.parts.transport
            if worker is None and transport.capabilities.workers:
                self.store_of(location).read_into(location.name, version, offset, view, deadline)
            else:
                transport.read_into(worker, location, version, offset, view, deadline)

        self._fetch(location, len(view), read)

    def fetch_bytes(self, location: Location, version: Version, offset: int, size: int) -> bytes:
        """The same as an object of its own, of a size within :meth:`object_limit`."""

        def read(side: Side, deadline: Deadline) -> bytes:
            if side.worker is not None:
                memory = bytearray(size)
                self.parts.transport.read_into(side.worker, location, version, offset, memoryview(memory), deadline)
                return bytes(memory)
            data = self.store_of(location).read(location.name, version, offset, size, deadline)
            if len(data) != size:
                raise BadAnswerError(f"{location.url}: {len(data)} of {size} bytes at {offset}")
            return data

        return self._fetch(location, size, read)

    def _fetch(self, location: Location, size: int, read: Callable[[Side, Deadline], T]) -> T:
        if self.parts.telemetry.traces and not is_within():  # an open file's: that no workers are known is told to it
            with operation(self.parts.telemetry, "read"):
                return self._fetch(location, size, read)

        is_another = False

        def question(side: Side, deadline: Deadline) -> T:
            nonlocal is_another
            try:
                answer = read(side, deadline)
            except OtherVersionError:
                is_another = True
                raise
            with self._counting:
                self._counted["bytes_from_under_stores" if side.worker is None else "bytes_from_workers"] += size
            return answer

        deadline = self.new_deadline()
        try:
            return self.line.ask(
                "read",
                self._sides(location, "read", deadline),
                question,
                about=location.url,
                size=size,
                known_to_exist=lambda: self._under_store_decides(location),
                deadline=deadline,
            )
        except FileNotFoundError:
            self._found_absent(location)
            raise
        except OSError as error:
            if not is_another or kind_of(error) is Kind.ANSWER or self.locations.mount_of(location) is not None:
                raise
            # Where workers alone say what a file is, one that has another version says that it has changed.
            raise FileChangedError("the file has changed since it was opened", self.path_of(location)) from error

    def _found_absent(self, location: Location) -> None:
        """There is no file any more, whatever was said of it, and of the directories that it was in, before."""
        self.forget(location)
        mount = self._shared_mount(location)
        if mount is not None:
            self.shared.drop(mount, self._above(location))

    def parallel(self, location: Location) -> bool:
        """Whether several ranges of one file are worth reading at a time."""
        mount = self.locations.mount_of(location)
        if self.parts.transport.capabilities.workers or mount is None:
            return True
        return mount.store.capabilities.parallel_ranges and mount.store.capabilities.remote

    def object_limit(self, location: Location) -> int:
        """Up to how many bytes of what is not kept are best fetched as an object of their own: all that comes straight
        from this machine, which has it at once, and of what workers have so little that to copy it costs less than
        memory that need not be copied."""
        if self.parts.transport.capabilities.workers:
            return _SMALL
        return sys.maxsize if self.near(location) else 0

    def near(self, location: Location) -> bool:
        """Whether files come straight from this machine, which has all of a range at once."""
        mount = self.locations.mount_of(location)
        if self.parts.transport.capabilities.workers or mount is None:
            return False
        return not mount.store.capabilities.remote

    # --- about itself -----------------------------------------------------------------------------------------

    def count(self, **amounts: int) -> None:
        """Add to the counters."""
        with self._counting:
            for name, amount in amounts.items():
                self._counted[name] += amount

    def counters(self) -> Dict[str, int]:
        """Bytes that came over the wire, by their source, and those fetched ahead of readers, by whether they were read
        in the end; they only grow. Besides, how many files are open, workers alive and breakers of them open at the
        moment."""
        levels = {"open_files": len(self.held)}
        if self.parts.membership is not None:
            workers, transport = self.parts.membership.known().workers, self.parts.transport.name
            levels["workers_alive"] = len(workers)
            levels["breakers_open"] = sum(process_breakers.state(transport, one) != "closed" for one in workers)
        return {**self._counted, **levels}

    def describe(self) -> Dict[str, Any]:
        """What was assembled, as JSON-able data; secrets hidden."""
        described = dict(self.parts.describe)
        described["page_size"] = self.page_size
        described["workers"] = self._placement.describe(self.parts.transport.name)
        described["metadata"] = {
            "ttl": float(self.limits.metadata_ttl),
            "capacity": int(self.limits.metadata_capacity),
            "bytes": self.metadata.weight(),
        }
        described["counters"] = {**self._counted, **self.line.counted()}
        if self.parts.page_store is not None:
            described["page_store"] = {**described.get("page_store", {}), "problem": self.keeper.problem}
            described["counters"]["page_store"] = self.parts.page_store.counters()
        return described


class _Counters:
    """:meth:`ReadPath.counters`, which keeps nothing alive but the numbers: what a gateway counted stays counted."""

    def __init__(self, gateway: ReadPath, counted: Mapping[str, int]) -> None:
        self._gateway = weakref.ref(gateway)
        self._counted = counted

    def __call__(self) -> Mapping[str, int]:
        gateway = self._gateway()
        return Final(self._counted) if gateway is None else gateway.counters()
