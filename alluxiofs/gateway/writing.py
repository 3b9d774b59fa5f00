"""A file being written, as users of the gateway hold it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from alluxiofs.gateway.line import state_of
from alluxiofs.interfaces import Call, Location, Writer

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

    def write(self, data: memoryview) -> None:
        self._inner.write(data)
        self._written += len(data)

    def commit(self) -> None:
        began = time.perf_counter()
        state = "ok"
        try:
            self._inner.commit()
        except BaseException as error:
            state = state_of(error)
            raise
        finally:
            # Also after a failure: whether the store has made the change is then not known.
            self._gateway.changed(self._location)
            call = Call("under_store", self._component, "write", state, time.perf_counter() - began, self._written)
            self._gateway.parts.telemetry.record_call(call)

    def abort(self) -> None:
        self._inner.abort()
