"""Telemetry for Prometheus: a page that it fetches."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional, Sequence

import attrs
from attrs import define

from alluxiofs import forks
from alluxiofs.interfaces import Call, Context, Event, Telemetry
from alluxiofs.plugins._telemetry.page import leave, page_for

__all__ = ["PrometheusTelemetry"]

_NEVER = -1


def _checked_port(_instance: object, _field: object, port: Optional[int]) -> None:
    if port is not None and not 0 <= port <= 65535:
        raise ValueError(f"'port' is 0 to 65535, or none, not {port}")


def _checked_registry(_instance: object, _field: object, registry: Any) -> None:
    if registry is not None and not callable(getattr(registry, "register", None)):
        raise TypeError(f"'registry' is a prometheus_client.CollectorRegistry, not {type(registry).__name__}")


class PrometheusTelemetry(Telemetry):
    """Serves what is recorded as a page that Prometheus fetches.

    Recording adds to integers, and the page is made of them when it is asked for. It is served from the first operation
    on, by one thread, until no filesystem records there any more.
    """

    name = "prometheus"

    @define(frozen=True)
    class Settings:
        """Settings of the telemetry.

        Parameters
        ----------
        port:
            Where ``/metrics`` is served: one page for all filesystems of the process that name the port. 0 takes a free
            one, which ``fs.describe()`` shows; ``none`` serves nothing, for who has a registry and a server already. A
            port that is taken is a warning, and reads go on.
        host:
            The address to listen on. The page has no password, so it is this machine's alone unless told otherwise;
            ``0.0.0.0``: whoever can reach the machine may read it.
        registry:
            A ``prometheus_client.CollectorRegistry`` to be shown in; by default one of its own, which has nothing else
            in it.
        """

        port: Optional[int] = attrs.field(default=9464, validator=_checked_port)
        host: str = "127.0.0.1"
        registry: Any = attrs.field(default=None, validator=_checked_registry)

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._user = object()
        self._page = page_for(self._user, settings.host, settings.port, settings.registry)
        self._tally = self._page.tally
        self._served_in = _NEVER  # the fork in which the page was shown
        self._port: Optional[int] = None

    def record_call(self, call: Call) -> None:
        """Count it."""
        if self._served_in != forks.count:
            self._serve()
        self._tally.add_call(call)

    def gather(self, hand_over: Callable[[], bool]) -> Callable[[Sequence[Call]], object]:
        """Count many at once, whenever the page is asked for."""
        if self._served_in != forks.count:
            self._serve()
        return self._tally.gather(hand_over)

    def record_event(self, event: Event) -> None:
        """Count it."""
        if self._served_in != forks.count:
            self._serve()
        self._tally.add_event(event)

    def watch(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Ask it whenever the page is asked for."""
        self._tally.watch(name, read)

    def describe(self) -> Dict[str, Any]:
        """Where the page is; nothing before the first operation, nor where the port was taken."""
        shown = self._port is not None and self._served_in == forks.count
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return {"url": f"http://{host}:{self._port}/metrics" if shown else None}

    def close(self) -> None:
        """Show nothing any more, unless others do."""
        leave(self._page, self._user)

    def _serve(self) -> None:
        port = self.settings.port
        self._port = None if port is None else self._page.serve(self.settings.host, port, self.context.logger)
        self._served_in = forks.count
