"""Workers held in the memory of this process, which fail as they are told."""

from __future__ import annotations

import enum
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

import attrs
from attrs import define

from alluxiofs.errors import (
    BadAnswerError,
    DeadlineExceededError,
    FileChangedError,
    UnavailableError,
    denied,
    not_found,
)
from alluxiofs.interfaces import Context, Deadline, Entry, Location, Transport, TransportCapabilities, Version, Worker
from alluxiofs.testing.context import make_context

if TYPE_CHECKING:
    from typing import Callable

    from alluxiofs.interfaces import UnderStore, WorkerIdentity

__all__ = ["Failure", "InProcessTransport", "InProcessWorker", "InProcessWorkers"]


class Failure(enum.Enum):
    """What is wrong with a worker."""

    DEAD = "dead"
    """Nobody answers: ``UnavailableError``, at once."""
    STALLED = "stalled"
    """Not a byte comes: ``DeadlineExceededError``, when the wait has come to its limit."""
    SHORT = "short"
    """Half of a body comes, then it ends: ``BadAnswerError``. A stat or listing cannot be parsed."""
    GARBAGE = "garbage"
    """A body of another range comes: ``BadAnswerError``. A stat or listing cannot be parsed."""
    WRONG_VERSION = "wrong-version"
    """It believes in an older version: a stat tells of that one, a read is a ``BadAnswerError``."""
    NOT_FOUND = "not-found"
    """It says that there is no such file."""
    DENIED = "denied"
    """It says that this may not be read."""


@define(frozen=True)
class _Held:
    data: bytes
    entry: Entry


class InProcessWorker:
    """One worker: the files it holds, what is wrong with it, and what it was asked.

    Attributes
    ----------
    failure:
        What is wrong with it, of every call that begins from now on; ``None``: nothing.
    calls:
        ``(method, url)`` of each call, in order, those that failed among them. Methods are ``stat``, ``list``,
        ``read_into`` and ``drop``.
    """

    def __init__(self) -> None:
        self.failure: Optional[Failure] = None
        self.calls: List[Tuple[str, str]] = []
        self.held: Dict[str, _Held] = {}

    def count(self, method: Optional[str] = None) -> int:
        """How many calls there were, of one method or of all."""
        return Counter(called for called, _ in list(self.calls))[method] if method else len(self.calls)

    def holds(self, url: str) -> bool:
        """Whether it holds the file."""
        return url in self.held


class InProcessWorkers:
    """All workers of a cluster in memory: what a test keeps in hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: Dict[WorkerIdentity, InProcessWorker] = {}

    def __getitem__(self, worker: Worker) -> InProcessWorker:
        """What stands behind a worker of the membership; it is there as soon as it is asked for."""
        with self._lock:
            return self._workers.setdefault(worker.identity, InProcessWorker())

    def count(self, method: Optional[str] = None) -> int:
        """How many calls all of them got, of one method or of all."""
        with self._lock:
            workers = list(self._workers.values())
        return sum(worker.count(method) for worker in workers)


def _as_given(workers: Any) -> Any:
    """With a converter of its own a field may be of any type."""
    return workers


class InProcessTransport(Transport):
    """A stand-in for tests: workers in memory, reading through to the under store, failing as they are told.

    Like Alluxio's, a worker that is asked for a file it does not hold gets it from the under store and holds it, and
    goes on serving what it holds when the under store has something newer. It serves a whole version or none.

    For a filesystem it is chosen by name, so that it learns of the under stores; the workers are kept in hand::

        workers = InProcessWorkers()
        fs = fsspec.filesystem(
            "alluxiofs", plugins=[alluxiofs.testing.stand_ins], transport={"name": "in-process", "workers": workers}, …
        )
        workers[worker].failure = Failure.DEAD

    Made by hand, all arguments may be left out. Without ``store_of`` the workers hold what :meth:`put` gives them, and
    nothing else.
    """

    name = "in-process"

    @define(frozen=True)
    class Settings:
        """Settings of the in-process transport.

        Parameters
        ----------
        workers:
            The workers, which several transports may speak to.
        stale_metadata:
            Whether to say of itself that what workers know may be old (``capabilities.stale_metadata``).
        """

        workers: InProcessWorkers = attrs.field(factory=InProcessWorkers, converter=_as_given)
        stale_metadata: bool = True

    def __init__(
        self,
        settings: Any = None,
        context: Optional[Context] = None,
        store_of: Optional[Callable[[Location], UnderStore]] = None,
    ) -> None:
        super().__init__(
            self.Settings() if settings is None else settings, context or make_context(), store_of or _no_store
        )
        self.capabilities = TransportCapabilities(drop=True, stale_metadata=self.settings.stale_metadata)
        self._closed = threading.Event()

    def worker(self, worker: Worker) -> InProcessWorker:
        """What stands behind a worker of the membership; it is there as soon as it is asked for."""
        workers: InProcessWorkers = self.settings.workers
        return workers[worker]

    def put(self, worker: Worker, location: Location, data: bytes, version: Optional[Version] = None) -> Entry:
        """Have a worker hold a file, whatever the under store has. Returns what its stat will say.

        Without a ``version`` it gets one that differs from all before it.
        """
        version = version or Version(None, len(data), time.time_ns())
        modified = None if version.mtime is None else version.mtime / 1e9
        entry = Entry(location.name, "file", len(data), version, modified, modified)
        self.worker(worker).held[location.url] = _Held(bytes(data), entry)
        return entry

    def calls(self, method: Optional[str] = None) -> int:
        """How many calls all workers got, of one method or of all."""
        workers: InProcessWorkers = self.settings.workers
        return workers.count(method)

    # --- the transport ------------------------------------------------------------------------------------------

    def stat(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Entry:
        """What the worker holds, else what the under store has."""
        asked = self._ask("stat", worker, location, deadline)
        _refuse_body(asked, location)
        if location.url in asked.held:
            entry = asked.held[location.url].entry
        elif any(url.startswith(_below(location.url)) for url in asked.held):
            entry = Entry(location.name, "directory", 0)
        else:
            entry = self.store_of(location).stat(location.name, deadline)
        return _older(entry) if asked.failure is Failure.WRONG_VERSION else entry

    def list(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Iterator[Entry]:
        """What the under store has there and what the worker holds there, each name once."""
        asked = self._ask("list", worker, location, deadline)
        _refuse_body(asked, location)
        if location.url in asked.held:
            return iter([asked.held[location.url].entry])
        children = {entry.name: entry for entry in _held_children(asked, location)}
        try:
            stored = {entry.name: entry for entry in self.store_of(location).list(location.name, deadline)}
        except FileNotFoundError:
            if not children:
                raise
            stored = {}
        return iter({**children, **stored}.values())

    def read_into(
        self,
        worker: Optional[Worker],
        location: Location,
        version: Version,
        offset: int,
        view: memoryview,
        deadline: Deadline,
    ) -> None:
        """Copy the range out of what the worker holds."""
        asked = self._ask("read_into", worker, location, deadline)
        held = asked.held.get(location.url)
        if held is None:
            held = self._hold(asked, location, deadline)
            if held.entry.version.same_as(version) is False:
                raise FileChangedError("the file was written since it was opened", location.url)
        if asked.failure is Failure.WRONG_VERSION or held.entry.version.same_as(version) is False:
            raise BadAnswerError(f"the worker has another version of {location.url}")
        body = held.data[offset : offset + len(view)]
        if asked.failure is Failure.SHORT:
            body = body[: len(body) // 2]
        elif asked.failure is Failure.GARBAGE:
            view[:] = bytes(len(view))
            raise BadAnswerError(f"the worker sent another range of {location.url} than was asked for")
        view[: len(body)] = body
        if len(body) != len(view):
            raise BadAnswerError(f"the worker sent {len(body)} of {len(view)} bytes of {location.url}")

    def drop(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> None:
        """Have the worker hold nothing of a file or directory any more."""
        asked = self._ask("drop", worker, location, deadline)
        for url in list(asked.held):
            if url == location.url or url.startswith(_below(location.url)):
                asked.held.pop(url, None)

    def close(self) -> None:
        """End the waits of stalled workers."""
        self._closed.set()

    def _ask(self, method: str, worker: Optional[Worker], location: Location, deadline: Deadline) -> InProcessWorker:
        """The worker, once it is known that it takes the call."""
        if worker is None:
            raise ValueError("the transport 'in-process' speaks to workers: one must be named")
        asked = self.worker(worker)
        asked.calls.append((method, location.url))
        wait = deadline.wait()
        if asked.failure is Failure.DEAD:
            raise UnavailableError(f"worker {worker.host} is dead")
        if asked.failure is Failure.STALLED:
            if self._closed.wait(wait):
                raise UnavailableError("the transport was closed")
            raise DeadlineExceededError(f"worker {worker.host} sent nothing for {wait:.3f} s")
        if asked.failure is Failure.NOT_FOUND:
            raise not_found(location.url)
        if asked.failure is Failure.DENIED:
            raise denied(location.url)
        return asked

    def _hold(self, asked: InProcessWorker, location: Location, deadline: Deadline) -> _Held:
        store = self.store_of(location)
        entry = store.stat(location.name, deadline)
        body = bytearray(entry.size or 0)
        if body:
            store.read_into(location.name, entry.version, 0, memoryview(body), deadline)
        held = asked.held[location.url] = _Held(bytes(body), entry)
        return held


def _no_store(location: Location) -> UnderStore:
    raise not_found(location.url)


def _below(url: str) -> str:
    return url.rstrip("/") + "/"


def _held_children(worker: InProcessWorker, location: Location) -> Iterator[Entry]:
    above, name = _below(location.url), _below(location.name)
    for url, held in list(worker.held.items()):
        if url.startswith(above):
            child, slash, _ = url[len(above) :].partition("/")
            yield Entry(name + child, "directory", 0) if slash else held.entry


def _refuse_body(worker: InProcessWorker, location: Location) -> None:
    if worker.failure in (Failure.SHORT, Failure.GARBAGE):
        raise BadAnswerError(f"the worker's answer about {location.url} cannot be parsed")


def _older(entry: Entry) -> Entry:
    """What a worker says that looked at the file an hour before it was last written."""
    if not entry.is_file:
        return entry
    version = entry.version
    hour = 3600 * 10**9
    older = attrs.evolve(
        version,
        tag=None if version.tag is None else version.tag + "-older",
        mtime=None if version.mtime is None else version.mtime - hour,
    )
    return attrs.evolve(entry, version=older)
