"""Extension point: what records it all."""

from __future__ import annotations

import contextlib
import time
from typing import Callable, ContextManager, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence

from attrs import define

from alluxiofs.errors import (
    BadAnswerError,
    FileChangedError,
    NotHeldError,
    NotSupportedError,
    NoTurnError,
    TemporaryError,
)
from alluxiofs.interfaces.component import Component

__all__ = ["LEVELS", "Call", "Event", "Final", "Telemetry", "before_the_call", "recorded", "state_of", "was_sent"]

LEVELS = frozenset({"pages", "bytes", "capacity", "open_files", "workers_alive", "breakers_open"})
"""Which of the numbers that are watched are those of the moment. All others only grow."""


class Final(Dict[str, int]):
    """What a reader says (:meth:`Telemetry.watch`) when those whose numbers it reads have gone: what they counted
    stays, and the reader need not be asked again."""


class Call(NamedTuple):
    """One call over the wire, after it ended.

    A tuple, unlike other values: one is made for each read over the wire, and takes half as long to make.

    Parameters
    ----------
    target:
        ``"worker"`` or ``"under_store"``.
    component:
        The name of the transport or under store.
    method:
        The operation: ``info``, ``ls``, ``read``, ``write``, ``mkdir`` …
    state:
        How it ended: ``ok``, ``not_found``, ``exists``, ``denied``, ``timeout``, ``unavailable``, ``bad_answer``,
        ``not_held``, ``changed``, ``failed``.
    seconds:
        How long it took.
    bytes:
        Of file content, read or written.
    """

    target: str
    component: str
    method: str
    state: str
    seconds: float
    bytes: int = 0


@define(frozen=True)
class Event:
    """Something that happened once: ``kind`` is ``retry``, ``failover``, ``fallback``, ``breaker_opened`` (a worker
    that failed again and again is passed over), ``breaker_closed`` or ``page_store_off``.

    ``reason`` comes from a small closed set of words; ``worker`` is the identity as text, where one is concerned.
    Neither ever holds a path or a user.
    """

    kind: str
    reason: str
    worker: Optional[str] = None


class Telemetry(Component):
    """Is told what happens. Every method returns at once and raises nothing; any of them may stay as it is here.

    Nothing is called per page: a hit in the page store only counts integers up, which :meth:`watch` hands over.

    Attributes
    ----------
    traces:
        Whether it wants to know what happens within what. Only then :meth:`span` and :meth:`headers` are called.
    """

    traces: bool = False

    def begin(self) -> None:
        """The first operation was answered without a call, by what another process has noted. It comes once, and not
        where a call came first: who shows something from the first operation on does so now."""

    def record_call(self, call: Call) -> None:
        """One call on the wire has ended."""

    def gather(self, hand_over: Callable[[], bool]) -> Optional[Callable[[Sequence[Call]], object]]:
        """What takes many calls at once. ``None``, as it is here: each is told to :meth:`record_call` when it has
        ended.

        Who only counts need not be told before somebody looks, and a read over the wire is to cost little. Asked once
        for each filesystem that records here, right before its first call, or its first operation that needs none.

        Parameters
        ----------
        hand_over:
            Gives what is returned here the calls that have ended since the last time; otherwise it gets them when
            there are a hundred or so. To be called each time before what was counted is shown, while no lock is held
            that taking calls waits for. ``False``: no more will come, and it is not to be called again.
        """
        return None

    def record_event(self, event: Event) -> None:
        """A retry, failover or fallback was decided."""

    def watch(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """``read()`` gives numbers whenever somebody wants to see them; ``name`` says whose they are.

        Those in :data:`LEVELS` are of the moment, the others (``hits``, ``misses`` …) only grow. Several who watch
        under one name are added up, but not the same reader twice, for filesystems may share a page store: readers
        that are equal are the same, as the bound methods of one object are. Nothing is asked before somebody looks.

        Parameters
        ----------
        name:
            ``page_store`` or ``gateway``.
        read:
            Called from any thread. It may raise; what it said before then stays. When it gives a :class:`Final`, that
            stays, and it may be forgotten.
        """

    def span(self, name: str, side: Optional[str] = None, worker: Optional[str] = None) -> ContextManager[object]:
        """The time in which something is done: what begins in it, in this thread or for it, is part of it.

        Parameters
        ----------
        name:
            The operation.
        side:
            The transport or under store, of a call on the wire; ``None`` for an operation of a filesystem.
        worker:
            The identity as text of the worker that is called.
        """
        return contextlib.nullcontext()

    def headers(self) -> Mapping[str, str]:
        """What a transport sends along with a request, so that the other side's spans are found with these: those of
        the trace that the current thread is in."""
        return {}


def state_of(error: Optional[BaseException]) -> str:
    """How a call ended, as :class:`Call` says it; ``None``: without an error."""
    if error is None:
        return "ok"
    for kind, state in (
        (FileNotFoundError, "not_found"),
        (FileExistsError, "exists"),
        (PermissionError, "denied"),
        (FileChangedError, "changed"),
        (NotHeldError, "not_held"),
        (BadAnswerError, "bad_answer"),
        (TimeoutError, "timeout"),
        (ConnectionError, "unavailable"),
        (TemporaryError, "unavailable"),
    ):
        if isinstance(error, kind):
            return state
    return "failed"


@contextlib.contextmanager
def before_the_call() -> Iterator[None]:
    """What a transport looks at before it sends a worker what it is asked: if it fails there is no such call."""
    try:
        yield
    except Exception as error:
        error.unsent = True  # type: ignore[attr-defined]  # of errors of every kind, builtin ones among them
        raise


def was_sent(error: BaseException) -> bool:
    """Whether a transport that has raised this had sent a worker what it was asked."""
    return not getattr(error, "unsent", isinstance(error, (NotSupportedError, NoTurnError)))


@contextlib.contextmanager
def recorded(
    telemetry: Telemetry, target: str, component: str, method: str, worker: Optional[str] = None
) -> Iterator[None]:
    """Make a call that nobody else has telemetry know of.

    The gateway records each question that it puts to a transport or an under store. A transport that asks a worker more
    than one thing for a question records what it asks besides with this.

    Parameters
    ----------
    telemetry:
        Is told of the call when it has ended; of its span, if it traces.
    target, component, method:
        See :class:`Call`.
    worker:
        See :meth:`Telemetry.span`.
    """
    began = time.perf_counter()
    try:
        with telemetry.span(method, component, worker) if telemetry.traces else contextlib.nullcontext():
            yield
    except BaseException as error:
        if target != "worker" or was_sent(error):
            seconds = time.perf_counter() - began
            telemetry.record_call(Call(target, component, method, state_of(error), seconds))
        else:  # which says nothing of the question that this was asked besides
            error.unsent = False  # type: ignore[attr-defined]  # as above
        raise
    telemetry.record_call(Call(target, component, method, "ok", time.perf_counter() - began))
