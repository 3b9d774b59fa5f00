"""The gateway: the read path and, to the under store, the way of every change."""

from __future__ import annotations

import errno
import functools
from contextlib import suppress
from typing import Callable, Optional, Set, TypeVar

from alluxiofs.errors import AlluxioFSError, FileChangedError, ReadOnlyError, hidden_text
from alluxiofs.gateway.breaker import blames, process_breakers
from alluxiofs.gateway.line import Side, told
from alluxiofs.gateway.parts import Limits, Metadata, Parts
from alluxiofs.gateway.read_path import ReadPath
from alluxiofs.gateway.writing import PublishedWriter
from alluxiofs.interfaces import Deadline, Location, UnderStore, Writer
from alluxiofs.logs import fields

__all__ = ["Gateway"]

T = TypeVar("T")

_MOST_OWN = 100_000  # changed paths, for which workers are not believed
_DROPPING = 5.0  # seconds that all workers together may take to forget what was changed
_COPY_PIECE = 8 * 2**20  # bytes in memory while a file is copied from one store to another


class Gateway(ReadPath):
    """The assembled read and write path, shared by all filesystems of a process with equal settings.

    Changes go to the under store. When one has been made, what this client believed of the path and of the directories
    it is in is forgotten, and what the cluster holds of it is dropped where that can be asked for, so that it is read
    back at once. A change is asked for once: the store's own client repeats what is safe to repeat.
    """

    def __init__(self, parts: Parts, limits: Limits) -> None:
        super().__init__(parts, limits)
        # What this client changed, and workers may go on telling as it was; None: more than is kept count of.
        self._own: Optional[Set[str]] = set()

    # --- files ------------------------------------------------------------------------------------------------

    def create(self, location: Location, exclusive: bool = False, size_hint: Optional[int] = None) -> Writer:
        """Write a file anew, which appears whole at the writer's commit; ``exclusive``: only if there is none."""
        store = self._writable(location)
        patience = self.limits.deadline
        make = functools.partial(
            store.create, location.name, exclusive=exclusive, size_hint=size_hint, patience=patience
        )
        writer = self._ask(store, "open", location.url, lambda _: make())
        return PublishedWriter(self, location, writer, store.name)

    def append(self, location: Location) -> Writer:
        """Add to the end of a file, all or nothing; a missing file is made."""
        store = self._writable(location)
        append = functools.partial(store.append, location.name, patience=self.limits.deadline)
        writer = self._ask(store, "open", location.url, lambda _: append())
        return PublishedWriter(self, location, writer, store.name)

    def remove(self, location: Location) -> None:
        """Remove a file."""
        store = self._writable(location)
        self._change("rm", location, lambda deadline: store.remove(location.name, deadline))

    def touch(self, location: Location, truncate: bool = True) -> None:
        """Make an empty file; an existing one is emptied, or, without ``truncate``, gets a new time."""
        store = self._writable(location)
        self._change("touch", location, lambda deadline: store.touch(location.name, deadline, truncate))

    def make_writable(self, location: Location) -> None:
        """Take the read-only mark off a file where the store has one."""
        store = self._writable(location)
        self._change("chmod", location, lambda deadline: store.make_writable(location.name, deadline))

    def sign(self, location: Location, expiration: int) -> str:
        """A URL that anyone can read for ``expiration`` seconds, where the store can make one."""
        return self.store_of(location).sign(location.name, expiration)

    # --- directories ------------------------------------------------------------------------------------------

    def make_directory(self, location: Location, parents: bool = True, exist_ok: bool = True) -> None:
        """Make a directory, where the store has such."""
        store = self._writable(location)
        self._change(
            "mkdir", location, lambda deadline: store.make_directory(location.name, deadline, parents, exist_ok)
        )

    def remove_directory(self, location: Location, recursive: bool = False) -> None:
        """Remove a directory; without ``recursive`` only an empty one."""
        store = self._writable(location)
        self.check_removable(location)
        try:
            self._ask(
                store, "rm", location.url, lambda deadline: store.remove_directory(location.name, deadline, recursive)
            )
        finally:
            self._changed_below(location)

    def check_removable(self, location: Location, depth: Optional[int] = None) -> None:
        """Refuse to remove a directory that prefixes of other stores are below, down to so many levels: these are not
        removed with it."""
        start = len(location.url) + (not location.url.endswith("/"))
        mounted = self.locations.mounted_below(location.url)
        below = [url for url in mounted if depth is None or url.count("/", start) < depth]
        if below:
            prefixes = ", ".join(hidden_text(url) for url in below)
            what = f"the prefixes of other under stores are below it: {prefixes}; what is in these is removed by itself"
            raise OSError(errno.EBUSY, what, hidden_text(self.path_of(location)))

    # --- from one place to another ----------------------------------------------------------------------------

    def move(self, source: Location, target: Location) -> None:
        """Move one file or directory, over a file that is there; between stores files only, by copying."""
        store = self._writable(source)
        if source.url == target.url:
            self.stat(source, refresh=True)
            return
        if store is not self._writable(target):
            before = self.stat(source, refresh=True).version
            self.copy(source, target)
            if self.stat(source, refresh=True).version.same_as(before) is False:
                raise FileChangedError("the file changed while it was moved, and stays", self.path_of(source))
            self.remove(source)
            return
        directory = not self.stat(source, refresh=True).is_file
        try:
            self._ask(store, "mv", source.url, lambda deadline: store.move(source.name, target.name, deadline))
        finally:
            if directory:
                self._changed_below(source)
            self._changed(source)
            self._changed(target)

    def copy(self, source: Location, target: Location, preserve: bool = True) -> None:
        """Copy one file, over a file that is there; the target appears whole or not at all."""
        if source.url == target.url:
            self.stat(source, refresh=True)
            return
        store = self._writable(target)
        if store is self.store_of(source):
            self._change("cp", target, lambda deadline: store.copy(source.name, target.name, deadline, preserve))
            return
        self._copy_through(source, target)

    def _copy_through(self, source: Location, target: Location) -> None:
        opened = self.open(source, refresh=True)
        writer = self.create(target, size_hint=opened.size)
        try:
            with memoryview(bytearray(min(_COPY_PIECE, max(1, opened.size)))) as piece:
                offset = 0
                while offset < opened.size:
                    filled = opened.read_into(offset, piece)
                    writer.write(piece[:filled])
                    offset += filled
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    # --- what others hold of a path ---------------------------------------------------------------------------

    def drop(self, location: Location) -> None:
        """Forget what this machine and the cluster hold of a path; the file itself stays as it is."""
        mount = self.locations.mount_of(location)
        if self.keeper.store is not None:
            with suppress(FileNotFoundError):  # then nobody will ask for its pages again
                known = self.stat(location)
                if known.is_file:
                    self.keeper.forget("" if mount is None else mount.store.identity(), location.url, known.version)
        self._changed(location)
        if mount is None:
            self._drop_at_workers(location)

    def changed(self, location: Location) -> None:
        """A path was changed by this client: believe nothing of it, and have the cluster forget it."""
        self._changed(location)

    def _changed_below(self, location: Location) -> None:
        """What was below a directory is not known by name here."""
        self.metadata.clear_in_process()
        if self.limits.metadata is Metadata.WORKER:
            self._own = None
        mount = self.locations.mount_of(location)
        if mount is not None:
            self.shared.changed_everywhere(mount)

    def _changed(self, location: Location) -> None:
        above = self._above(location)
        self.metadata.forget_in_process(*above)
        mount = self.locations.mount_of(location)
        if mount is not None:
            self.shared.changed(mount, self.locations.parent(location).url, above)
            # A change that workers made they know of, and what they hold of it may not be in the storage behind them.
            if not self._drop_at_workers(location):
                self._made(location.url, self.locations.parent(location).url)

    def _made(self, *urls: str) -> None:
        """Have the under store say from now on what is at these, even if workers are to be believed."""
        if self.limits.metadata is Metadata.WORKER and self._own is not None:
            self._own.update(urls)
            if len(self._own) > _MOST_OWN:
                self._own = None

    def _under_store_decides(self, location: Location) -> bool:
        own = self._own
        changed = own is None or (bool(own) and location.url in own)
        return super()._under_store_decides(location) or (changed and self.locations.mount_of(location) is not None)

    def _drop_at_workers(self, location: Location) -> bool:
        """Whether all workers hold nothing of a path any more. The change is made, and versions keep old pages out: so
        a worker that fails is not waited for."""
        transport = self.parts.transport
        if not transport.capabilities.drop:
            return False
        all_did, shown = True, hidden_text(location.url)
        workers = self._workers(location.url, None, fallback=True)
        whole = Deadline.after(min(_DROPPING, self.limits.deadline))
        for place, worker in enumerate(workers):
            breaker = process_breakers.of(transport.name, worker)
            if breaker.passed_over:
                more = fields(operation="drop", worker=f"{worker.host}:{worker.http_port}", path=location.url)
                self.logger.info("worker %s fails, and is not asked to drop %s", worker.host, shown, extra=more)
                all_did = False
                continue
            try:
                with told(self.parts.telemetry, "drop", transport.name, worker):
                    transport.drop(worker, location, whole.share(len(workers) - place))
            except (OSError, AlluxioFSError) as error:
                if blames(error):
                    breaker.failed(waited=isinstance(error, TimeoutError))
                more = fields(operation="drop", worker=f"{worker.host}:{worker.http_port}", path=location.url)
                self.logger.warning("worker %s could not drop %s: %s", worker.host, shown, error, extra=more)
                all_did = False
        return all_did and transport.capabilities.drop  # which may have been found out meanwhile

    # --- asking the under store -------------------------------------------------------------------------------

    def _writable(self, location: Location) -> UnderStore:
        store = self.store_of(location)
        if not store.capabilities.writable:
            what = f"under store {store.name!r} ({store.target.protocol}) cannot be written"
            raise ReadOnlyError(what, self.path_of(location))
        return store

    def _change(self, method: str, location: Location, change: Callable[[Deadline], None]) -> None:
        store = self._writable(location)
        try:
            self._ask(store, method, location.url, change)
        finally:
            self._changed(location)

    def _ask(self, store: UnderStore, method: str, about: str, question: Callable[[Deadline], T]) -> T:
        def asked(_side: Side, deadline: Deadline) -> T:
            return question(deadline)

        return self.line.ask(method, [Side(store.name)], asked, about=about, repeatable=False)
