"""The extension points of alluxiofs: one hook each. This is the page that a plugin author reads first.

A plugin is a module (or any object) with functions of these names, marked with :data:`hookimpl`. Each returns a list of
classes: what the plugin adds at that point. A class has a ``name`` by which users choose it, a docstring whose first
line describes it, a ``Settings`` class where it has something to set, and the methods of its interface in
:mod:`alluxiofs.interfaces`.

The plugin is used by passing the module, ``fsspec.filesystem("alluxiofs", plugins=[module], …)``, or by installing a
package with an entry point in the group ``alluxiofs``::

    [project.entry-points.alluxiofs]
    my-plugin = "my_package.my_module"

Hooks are called while a filesystem is constructed, and never while data moves. Each example below is a whole plugin,
and a test runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence, Type

import pluggy

if TYPE_CHECKING:
    from alluxiofs.interfaces import Membership, PageStore, Telemetry, Transport, UnderStore, WorkerPolicy

__all__ = [
    "PROJECT",
    "alluxiofs_memberships",
    "alluxiofs_page_stores",
    "alluxiofs_telemetry",
    "alluxiofs_transports",
    "alluxiofs_under_stores",
    "alluxiofs_worker_policies",
    "hookimpl",
    "hookspec",
]

PROJECT = "alluxiofs"  # the name under which pluggy knows these hooks, and the group of the entry points
hookspec = pluggy.HookspecMarker(PROJECT)  # marks an extension point
hookimpl = pluggy.HookimplMarker(PROJECT)  # marks a plugin's implementation of one


@hookspec
def alluxiofs_worker_policies() -> Sequence[Type[WorkerPolicy]]:  # type: ignore[empty-body]  # pluggy calls no spec
    """Which worker serves a path.

    A policy is made anew for each snapshot of the workers, ranks them for a key (the full URL of a file), and does no
    I/O. Users choose it with ``policy="first-worker"`` or ``policy={"name": "first-worker", "offset": 1}``.

    Returns
    -------
    list of classes
        Subclasses of :class:`alluxiofs.WorkerPolicy`.

    Examples
    --------
    .. code-block:: python

        from attrs import define

        from alluxiofs import WorkerPolicy, hookimpl


        class FirstWorker(WorkerPolicy):
            \"\"\"Always the first worker, then the next.\"\"\"

            name = "first-worker"

            @define(frozen=True)
            class Settings:
                offset: int = 0

            def rank(self, key, count):
                start, workers = self.settings.offset, self.workers
                return [workers[(start + i) % len(workers)] for i in range(min(count, len(workers)))]


        @hookimpl
        def alluxiofs_worker_policies():
            return [FirstWorker]
    """


@hookspec
def alluxiofs_memberships() -> Sequence[Type[Membership]]:  # type: ignore[empty-body]  # pluggy calls no spec
    """Which workers are alive.

    A membership gives a snapshot of the workers, in the order that placement depends on, and may tell when they change.
    Users choose it with ``membership={"name": "hosts-file", "path": "/etc/alluxio/workers"}``.

    Returns
    -------
    list of classes
        Subclasses of :class:`alluxiofs.Membership`.

    Examples
    --------
    .. code-block:: python

        from pathlib import Path

        from attrs import define

        from alluxiofs import Membership, Snapshot, Worker, WorkerIdentity, hookimpl
        from alluxiofs.errors import UnavailableError


        class HostsFile(Membership):
            \"\"\"The workers that a file lists, one host a line.\"\"\"

            name = "hosts-file"

            @define(frozen=True)
            class Settings:
                path: str
                http_port: int = 28080

            _snapshot = None

            def snapshot(self, deadline):
                if self._snapshot is None:
                    try:
                        hosts = Path(self.settings.path).read_text(encoding="utf-8").split()
                    except OSError as error:
                        raise UnavailableError(f"no workers: {error}") from error
                    port = self.settings.http_port
                    self._snapshot = Snapshot(tuple(Worker(WorkerIdentity.from_host(h), h, port) for h in hosts))
                return self._snapshot


        @hookimpl
        def alluxiofs_memberships():
            return [HostsFile]
    """


@hookspec
def alluxiofs_transports() -> Sequence[Type[Transport]]:  # type: ignore[empty-body]  # pluggy calls no spec
    """How a worker is spoken to.

    A transport asks one worker one thing; retries and failover are the gateway's, by the kind of error raised
    (:func:`alluxiofs.errors.kind_of`). Users choose it with ``transport="polite"``.

    Returns
    -------
    list of classes
        Subclasses of :class:`alluxiofs.Transport`.

    Examples
    --------
    .. code-block:: python

        import threading

        from attrs import define

        from alluxiofs import Transport, TransportCapabilities, hookimpl


        class Polite(Transport):
            \"\"\"Straight to the under store, with a limit on how many reads there are at a time.\"\"\"

            name = "polite"
            capabilities = TransportCapabilities(workers=False, stale_metadata=False)

            @define(frozen=True)
            class Settings:
                reads: int = 4

            def __init__(self, settings, context, store_of):
                super().__init__(settings, context, store_of)
                self._turns = threading.BoundedSemaphore(settings.reads)

            def stat(self, worker, location, deadline):
                return self.store_of(location).stat(location.name, deadline)

            def list(self, worker, location, deadline):
                return self.store_of(location).list(location.name, deadline)

            def read_into(self, worker, location, version, offset, view, deadline):
                if not self._turns.acquire(timeout=deadline.wait()):
                    raise TimeoutError("no turn within the deadline")
                try:
                    self.store_of(location).read_into(location.name, version, offset, view, deadline)
                finally:
                    self._turns.release()


        @hookimpl
        def alluxiofs_transports():
            return [Polite]
    """


@hookspec
def alluxiofs_under_stores() -> Sequence[Type[UnderStore]]:  # type: ignore[empty-body]  # pluggy calls no spec
    """The storage that owns the data.

    An under store says which protocols it serves; ``target_protocol="greetings"`` then chooses it. For a protocol that
    a built-in serves, users choose another one with ``under_store="name"``. One that only reads leaves the methods that
    write as they are.

    Returns
    -------
    list of classes
        Subclasses of :class:`alluxiofs.UnderStore`.

    Examples
    --------
    .. code-block:: python

        from attrs import define

        from alluxiofs import Entry, UnderStore, UnderStoreCapabilities, Version, hookimpl
        from alluxiofs.errors import FileChangedError, InvalidPathError, not_found


        class Greetings(UnderStore):
            \"\"\"One folder with one file for each name that is known, with a greeting in it.\"\"\"

            name = "greetings"
            protocols = ("greetings",)
            capabilities = UnderStoreCapabilities(version=("tag", "length"), writable=False)

            @define(frozen=True)
            class Settings:
                names: tuple = ("Ada", "Grace")

            def strip(self, path):
                name = path.split("://", 1)[-1].strip("/")
                if "\\0" in name or ".." in name.split("/"):
                    raise InvalidPathError(f"{path!r} names no greeting")
                return name

            def url(self, name):
                return f"greetings://{name}"

            def identity(self):
                return "greetings"

            def stat(self, name, deadline):
                if name == "":
                    return Entry("", "directory", 0)
                if name not in self.settings.names:
                    raise not_found(name)
                size = len(f"Hello, {name}!".encode())
                return Entry(name, "file", size, Version(f"name:{name}", size))

            def list(self, name, deadline, recursive=False):
                entry = self.stat(name, deadline)
                return iter([entry] if entry.is_file else [self.stat(one, deadline) for one in self.settings.names])

            def read_into(self, name, version, offset, view, deadline):
                if self.stat(name, deadline).version.same_as(version) is False:
                    raise FileChangedError("it is another greeting by now", name)
                view[:] = f"Hello, {name}!".encode()[offset : offset + len(view)]


        @hookimpl
        def alluxiofs_under_stores():
            return [Greetings]
    """


@hookspec
def alluxiofs_page_stores() -> Sequence[Type[PageStore]]:  # type: ignore[empty-body]  # pluggy calls no spec
    """Where pages are kept on this machine.

    A page store keeps whole pages of versions of files within a capacity, for many threads. Users choose it with
    ``page_store={"name": "few-pages", "capacity": 16000000}``.

    Returns
    -------
    list of classes
        Subclasses of :class:`alluxiofs.PageStore`.

    Examples
    --------
    .. code-block:: python

        from collections import OrderedDict
        from threading import Lock

        from alluxiofs import Claims, KeptFile, PageStore, hookimpl
        from attrs import define


        class FewPages(PageStore):
            \"\"\"The last few pages that were read, in memory.\"\"\"

            name = "few-pages"

            @define(frozen=True)
            class Settings:
                capacity: int = 16 * 2**20

            def __init__(self, settings, context, page_size):
                super().__init__(settings, context, page_size)
                self.lock, self.claims, self.kept = Lock(), Claims(), OrderedDict()
                self.counts = {"hits": 0, "misses": 0, "evictions": 0, "capacity": settings.capacity}

            def file(self, key, length, page_size=None):
                return FewPagesFile(self, key, length, page_size or self.page_size)

            def keep(self, place, page):
                with self.lock:
                    if place not in self.kept and len(page) <= self.settings.capacity:
                        while sum(map(len, self.kept.values())) + len(page) > self.settings.capacity:
                            self.kept.popitem(last=False)
                            self.counts["evictions"] += 1
                        self.kept[place] = bytes(page)

            def forget(self, key):
                with self.lock:
                    self.kept = OrderedDict((place, page) for place, page in self.kept.items() if place[0] != key)

            def clear(self):
                with self.lock:
                    self.kept.clear()

            def counters(self):
                with self.lock:
                    return {**self.counts, "pages": len(self.kept), "bytes": sum(map(len, self.kept.values()))}


        class FewPagesFile(KeptFile):
            def __init__(self, store, key, length, page_size):
                super().__init__(key, length, page_size)
                self.store = store

            def read(self, index, start, stop):
                with self.store.lock:
                    page = self.store.kept.get((self.key, index))
                    self.store.counts["misses" if page is None else "hits"] += 1
                return None if page is None else page[start:stop]

            def has(self, index):
                return (self.key, index) in self.store.kept

            def keep(self, index, page):
                if index < 0 or not len(page) or len(page) != self.page_length(index):
                    raise ValueError(f"a file of {self.length} bytes has no page {index} of {len(page)} bytes")
                self.store.keep((self.key, index), page)

            def claim(self, index):
                return self.store.claims.claim(self.key, index)

            def release(self, index):
                self.store.claims.release(self.key, index)

            def wait(self, index, deadline):
                self.store.claims.wait(self.key, index, deadline)


        @hookimpl
        def alluxiofs_page_stores():
            return [FewPages]
    """


@hookspec
def alluxiofs_telemetry() -> Sequence[Type[Telemetry]]:  # type: ignore[empty-body]  # pluggy calls no spec
    """What records it all. Any number at once.

    Telemetry is told of each call over the wire after it ended, and of retries, failovers and fallbacks. What it raises
    is logged, and it is told nothing any more. Users choose it with ``telemetry="slow-calls"``, or a list of such.

    Returns
    -------
    list of classes
        Subclasses of :class:`alluxiofs.Telemetry`.

    Examples
    --------
    .. code-block:: python

        from attrs import define

        from alluxiofs import Seconds, Telemetry, hookimpl


        class SlowCalls(Telemetry):
            \"\"\"Logs every call over the wire that took long.\"\"\"

            name = "slow-calls"

            @define(frozen=True)
            class Settings:
                longer_than: Seconds = Seconds("1s")

            def record_call(self, call):
                if call.seconds > self.settings.longer_than:
                    self.context.logger.warning("%s of %s took %.3f s", call.method, call.component, call.seconds)


        @hookimpl
        def alluxiofs_telemetry():
            return [SlowCalls]
    """
