"""Any number of telemetry components as one, which never breaks what it records."""

from __future__ import annotations

import contextlib
import inspect
import logging
import threading
import weakref
from typing import Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from alluxiofs.assembly.gathering import TOGETHER, Gathering
from alluxiofs.interfaces import Call, Event, Telemetry
from alluxiofs.interfaces.telemetry import LEVELS, Final
from alluxiofs.logs import fields

__all__ = ["JoinedTelemetry", "ask_for_the_last_time"]


def ask_for_the_last_time(owner: object) -> None:
    """Have what is watched of somebody asked now, who goes right after this: nobody may have looked since it counted.

    Nobody may be using it any more: this runs wherever the garbage collector does, and what it asks may want a lock.
    """
    for found in _readers.valuerefs():  # the readers themselves could not be looked through while others come
        reader = found()
        if reader is not None:
            reader.ask_if_of(owner)


class JoinedTelemetry(Telemetry):
    """Tells each of several; one that raises is told nothing any more."""

    name = "joined"

    def __init__(self, members: Sequence[Telemetry], logger: logging.Logger) -> None:
        # It is no plugin's, so it has neither settings nor a context.
        self._members: Tuple[Telemetry, ...] = tuple(members)
        self.traces = any(member.traces for member in members)
        self._logger = logger
        self._lock = threading.RLock()  # one that fails while it is asked is dropped under it
        self._gathering: Optional[Gathering] = None
        self._told: Tuple[Telemetry, ...] = ()  # of each call as it ends

    def begin(self) -> None:
        """See :meth:`Telemetry.begin`; it may be called again and again."""
        if self._gathering is None:
            self._begun()
            for member in self._members:
                try:
                    member.begin()
                except Exception as error:  # here and below: who fails at telling is dropped, and no read fails
                    self._drop(member, error)

    def record_call(self, call: Call) -> None:
        gathering = self._gathering or self._begun()
        ended = gathering.ended
        ended.append(call)
        if len(ended) >= TOGETHER:
            gathering.spill()
        for member in self._told:
            try:
                member.record_call(call)
            except Exception as error:
                self._drop(member, error)

    def _begun(self) -> Gathering:
        with self._lock:
            if self._gathering is None:
                gathering, told = Gathering(self._drop), []
                for member in self._members:
                    try:
                        if not gathering.offer(member):
                            told.append(member)
                    except Exception as error:
                        self._drop(member, error)
                self._told = tuple(told)
                self._gathering = gathering
            return self._gathering

    def record_event(self, event: Event) -> None:
        for member in self._members:
            try:
                member.record_event(event)
            except Exception as error:
                self._drop(member, error)

    def watch(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """See :meth:`Telemetry.watch`. Watching keeps nothing alive: what is gone is remembered by its last numbers."""
        reader = _Watched(read) if inspect.ismethod(read) else read
        for member in self._members:
            try:
                member.watch(name, reader)
            except Exception as error:
                self._drop(member, error)

    @contextlib.contextmanager
    def span(self, name: str, side: Optional[str] = None, worker: Optional[str] = None) -> Iterator[object]:
        """See :meth:`Telemetry.span`. What fails in it is the caller's; what beginning or ending it fails at is not."""
        entered: List[Tuple[Telemetry, ContextManager[object]]] = []
        for member in self._members:
            if member.traces:
                try:
                    span = member.span(name, side, worker)
                    span.__enter__()
                    entered.append((member, span))
                except Exception as error:
                    self._drop(member, error)
        raised: Optional[BaseException] = None
        try:
            yield None
        except BaseException as error:
            raised = error
            raise
        finally:
            interrupted: Optional[BaseException] = None
            for member, span in reversed(entered):
                try:
                    span.__exit__(None if raised is None else type(raised), raised, None)
                except Exception as error:
                    if error is not raised:
                        self._drop(member, error)
                except BaseException as error:  # the other spans have an end, too
                    interrupted = error
            if interrupted is not None and interrupted is not raised:
                raise interrupted

    def headers(self) -> Mapping[str, str]:
        headers: Dict[str, str] = {}
        for member in self._members:
            if member.traces:
                try:
                    headers.update(member.headers())
                except Exception as error:
                    self._drop(member, error)
        return headers

    def close(self) -> None:
        for member in self._members:
            try:
                member.close()
            except Exception as error:
                self._drop(member, error)

    def _drop(self, broken: Telemetry, error: BaseException) -> None:
        with self._lock:
            if broken not in self._members:
                return
            self._members = tuple(member for member in self._members if member is not broken)
            self._told = tuple(member for member in self._told if member is not broken)
            if self._gathering is not None:
                self._gathering.drop(broken)
        more = fields(component=broken.name, reason="failed")
        self._logger.warning(
            "telemetry %r failed, and is told nothing any more", broken.name, exc_info=error, extra=more
        )


class _Watched:
    """Counters of an object that may go: then those that only grow stay as they were when they were last asked for.

    Equal for one method of one object, so that what filesystems share is counted once.
    """

    def __init__(self, read: Callable[[], Mapping[str, int]]) -> None:
        self._read = weakref.WeakMethod(read)
        self._last: Dict[str, int] = {}
        _readers[id(self)] = self

    def ask_if_of(self, owner: object) -> None:
        """Ask, if these are somebody's counters."""
        if getattr(self._read(), "__self__", None) is owner:
            with contextlib.suppress(Exception):  # whatever a plugin's raises: what it said before stays
                self()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Watched) and self._read == other._read

    def __hash__(self) -> int:
        return hash(self._read)

    def __call__(self) -> Mapping[str, int]:
        read = self._read()
        if read is None:
            return Final({name: value for name, value in self._last.items() if name not in LEVELS})
        self._last = dict(read())
        return self._last


_readers: weakref.WeakValueDictionary[int, _Watched] = weakref.WeakValueDictionary()
