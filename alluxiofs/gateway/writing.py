"""A file being written, as users of the gateway hold it."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Iterator

from alluxiofs.errors import DeadlineExceededError, hidden_text
from alluxiofs.gateway.tracing import operation
from alluxiofs.interfaces import Call, Location, Writer, state_of

if TYPE_CHECKING:
    from alluxiofs.gateway.gateway import Gateway

__all__ = ["PublishedWriter"]


class PublishedWriter(Writer):
    """An under store's writer whose commit is seen by this client at once.

    Parameters
    ----------
    gateway, location:
        What must forget what it believed, and of which path.
    inner:
        The under store's writer.
    component:
        The under store's name, for telemetry.
    """

    def __init__(self, gateway: Gateway, location: Location, inner: Writer, component: str) -> None:
        self._gateway = gateway
        self._location = location
        self._inner = inner
        self._component = component
        self._written = 0
        self._seconds = 0.0  # that the store has taken so far
        gateway.held.add(id(self))

    def write(self, data: memoryview) -> None:
        began = time.perf_counter()
        try:
            with self._said_in_full():
                self._inner.write(data)
        except BaseException as error:
            self._ended(began, state_of(error), 0)
            raise
        self._written += len(data)
        self._seconds += time.perf_counter() - began

    def commit(self) -> None:
        telemetry = self._gateway.parts.telemetry
        with operation(telemetry, "write"):
            began, state = time.perf_counter(), "ok"
            try:
                span = telemetry.span("write", self._component) if telemetry.traces else nullcontext()
                with span, self._said_in_full():
                    self._inner.commit()
            except BaseException as error:
                state = state_of(error)
                raise
            finally:
                try:
                    self._ended(began, state, self._written if state == "ok" else 0)
                finally:  # also after a failure: whether the store has made the change is then not known
                    self._gateway.changed(self._location)

    def abort(self) -> None:
        self._gateway.held.discard(id(self))
        self._inner.abort()

    @contextmanager
    def _said_in_full(self) -> Iterator[None]:
        """Who waits knows for how long, but not for what."""
        try:
            yield
        except DeadlineExceededError as error:
            what = f"write {self._location.url}: under store {self._component} did not answer in time"
            raise DeadlineExceededError(hidden_text(f"{what}: {error}")) from error

    def _ended(self, began: float, state: str, written: int) -> None:
        """Have telemetry know how it went: one call, however many pieces the store has sent."""
        self._gateway.held.discard(id(self))
        seconds = self._seconds + time.perf_counter() - began
        self._gateway.parts.telemetry.record_call(
            Call("under_store", self._component, "write", state, seconds, written)
        )
