"""Extension point: how a worker is spoken to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Callable, Iterator, Optional, Protocol, Tuple, TypeVar

from attrs import define

from alluxiofs.errors import NotSupportedError
from alluxiofs.interfaces.component import Component, Deadline
from alluxiofs.interfaces.values import Entry, Location, Version, Worker, Workers

if TYPE_CHECKING:
    from typing import Any

    from alluxiofs.interfaces.component import Context
    from alluxiofs.interfaces.loading import LoadJobs
    from alluxiofs.interfaces.under_store import UnderStore

__all__ = ["AskWorkers", "Examined", "Transport", "TransportCapabilities"]

T = TypeVar("T")


@define(frozen=True)
class TransportCapabilities:
    """What a transport can do; what it cannot goes to the under store by decision.

    Parameters
    ----------
    workers:
        It speaks to workers. ``False``: it goes straight to the under store, and is asked with no worker.
    stat, list, read, write, drop:
        The operations it has.
    stale_metadata:
        What a worker says of a file can be older than the file.
    """

    workers: bool = True
    stat: bool = True
    list: bool = True
    read: bool = True
    write: bool = False
    drop: bool = False
    stale_metadata: bool = True


@define(frozen=True)
class Examined:
    """What a worker shows of itself, and of one file, to somebody who looks for what is wrong.

    Parameters
    ----------
    dialect:
        What it speaks.
    seconds:
        How long a question that needs no work took over a connection that was open.
    holds:
        Whether it holds the beginning of the file; ``None`` where that cannot be told without having it read.
    page_size:
        Bytes of its pages, where the file tells.
    owner:
        The host and HTTP port of the worker that is in charge of the file, where it says so.
    """

    dialect: str
    seconds: float
    holds: Optional[bool] = None
    page_size: Optional[int] = None
    owner: Optional[Tuple[str, int]] = None


class AskWorkers(Protocol):
    """``ask(method, url, question)`` puts a question to the workers in charge of a URL, one after the other until one
    answers; ``method`` is what telemetry calls it."""

    def __call__(self, method: str, url: str, question: Callable[[Worker, Deadline], T]) -> T: ...


class Transport(Component, ABC):
    """Asks one worker one thing. It neither retries nor fails over: the gateway does, by the kind of error raised.

    Every method may raise an *answer* (``FileNotFoundError``, ``PermissionError``, ``IsADirectoryError`` …), a
    :class:`~alluxiofs.errors.TemporaryError` or any other error, which counts as permanent; see
    :func:`alluxiofs.errors.kind_of`. Every wait ends with the deadline.

    Parameters
    ----------
    settings, context:
        As for every component.
    store_of:
        The under store that owns a location, for transports that need it.
    """

    capabilities: TransportCapabilities = TransportCapabilities()

    def __init__(self, settings: Any, context: Context, store_of: Callable[[Location], UnderStore]) -> None:
        super().__init__(settings, context)
        self.store_of = store_of

    @abstractmethod
    def stat(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Entry:
        """What the worker knows of a path. ``FileNotFoundError`` if it says that there is none."""

    @abstractmethod
    def list(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Iterator[Entry]:
        """The children of a directory, or the file itself, in any order."""

    @abstractmethod
    def read_into(
        self,
        worker: Optional[Worker],
        location: Location,
        version: Version,
        offset: int,
        view: memoryview,
        deadline: Deadline,
    ) -> None:
        """Fill ``view`` with the bytes of this version that start at ``offset``.

        The range lies within the file: the gateway has clipped it. All of the view is filled or an error is raised,
        and nothing writes to the view after the call has ended, whatever way it ends.

        A body that comes in pieces is told with each of them (``deadline.moved``), so that a large range over a slow
        link has the time it needs.

        Raises
        ------
        BadAnswerError
            For a body that is short, long, of another range or of another version.
        FileChangedError
            If the file is known to be of another version by now.
        """

    def meet(self, members: Callable[[], Workers]) -> None:
        """Learn who the workers are: ``members()`` gives those of the last snapshot. Called once, after construction.

        For a transport that must know whether somebody it is sent to is one of them.
        """

    def drop(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> None:
        """Have the cluster forget what it holds of a path (``capabilities.drop``)."""
        raise NotSupportedError(f"transport {self.name!r} cannot drop what a worker holds")

    def store_behind(self, ask: AskWorkers) -> Optional[UnderStore]:
        """The storage that the workers stand before, for whoever has no way to it but them, and changes it. Its names
        are full URLs. ``None``: nothing can be changed through workers.

        Parameters
        ----------
        ask:
            Who is asked, for how long, and what becomes of failures, is its business.
        """
        return None

    def load_jobs(self) -> Optional[LoadJobs]:
        """How workers are asked to load files into the cache; ``None``: there is no way to."""
        return None

    def examine(
        self, worker: Worker, location: Optional[Location], length: Optional[int], deadline: Deadline
    ) -> Optional[Examined]:
        """Look at a worker, and at what it has of a file of so many bytes; nothing is changed or loaded by it.

        Returns
        -------
        Examined or None
            ``None``: this transport cannot tell more than that the operations work.

        Raises
        ------
        NotSupportedError
            If workers cannot be asked for a file of this name; nothing was sent then.
        """
        return None
