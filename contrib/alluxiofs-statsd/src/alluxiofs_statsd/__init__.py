"""Telemetry for alluxiofs that sends to StatsD.

The datagrams: https://github.com/statsd/statsd/blob/master/docs/metric_types.md
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Tuple, Type

import attrs
from alluxiofs import Telemetry, hookimpl
from alluxiofs.interfaces import Call, Context, Event
from alluxiofs.interfaces.telemetry import LEVELS
from attrs import define

__all__ = ["StatsdTelemetry", "alluxiofs_telemetry"]

_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")  # dots part names, and colons and bars have meanings of their own

_MOST_WAITING = 1000  # lines, while nobody knows yet where to
_AGAIN = 10.0  # seconds until a name is looked up again

_Reader = Callable[[], Mapping[str, int]]


def _checked_port(_instance: object, _field: object, port: int) -> None:
    if not 1 <= port <= 65535:
        raise ValueError(f"'port' is 1 to 65535, not {port}")


class StatsdTelemetry(Telemetry):
    """Sends a datagram for each call and event, and what it watches every few seconds."""

    name = "statsd"

    @define(frozen=True)
    class Settings:
        """Settings of the telemetry.

        Parameters
        ----------
        host, port:
            Where StatsD listens.
        prefix:
            What all names begin with.
        interval:
            Seconds between two looks at what is watched (hits, workers alive …).
        """

        host: str = "127.0.0.1"
        port: int = attrs.field(default=8125, validator=_checked_port)
        prefix: str = "alluxiofs"
        interval: float = 10.0

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._lock = threading.Lock()
        self._socket: Optional[socket.socket] = None
        self._finder: Optional[threading.Thread] = None
        self._find_at = 0.0
        self._waiting: Deque[str] = deque(maxlen=_MOST_WAITING)
        self._closed = False
        self._due = 0.0  # when to look at what is watched
        self._watched: List[Tuple[str, _Reader]] = []
        self._sent: Dict[str, int] = {}  # what counters were when they were sent

    def record_call(self, call: Call) -> None:
        """Send how long it took, and the bytes that it moved."""
        side = "worker" if call.target == "worker" else call.component
        lines = [self._line(f"{call.seconds * 1000:.3f}|ms", side, call.method, call.state)]
        if call.bytes:
            lines.append(self._line(f"{call.bytes}|c", side, call.method, "bytes"))
        self._send(lines)

    def record_event(self, event: Event) -> None:
        """Send that it happened."""
        self._send([self._line("1|c", event.kind, event.reason)])

    def watch(self, name: str, read: _Reader) -> None:
        """Send what it says from time to time."""
        with self._lock:
            if (name, read) not in self._watched:
                self._watched.append((name, read))

    def close(self) -> None:
        """Send what is watched for the last time."""
        finder = self._finder
        if finder is not None:
            finder.join(timeout=1)
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._socket is not None:
                self._send_all(self._looked())
                self._socket.close()
                self._socket = None

    def _line(self, value: str, *names: str) -> str:
        return f"{'.'.join([self.settings.prefix, *(_UNFIT.sub('_', name) for name in names)])}:{value}"

    def _send(self, lines: List[str]) -> None:
        with self._lock:
            if self._closed:
                return
            now = time.monotonic()
            if now >= self._due:
                self._due = now + self.settings.interval
                lines = lines + self._looked()
            self._send_all(lines)

    def _send_all(self, lines: Iterable[str]) -> None:
        if self._socket is None:
            self._waiting.extend(lines)
            self._find()
            return
        for line in lines:
            with contextlib.suppress(OSError):  # nobody listens, or not fast enough: telemetry holds up nobody
                self._socket.send(line.encode())

    def _find(self) -> None:
        """Have a socket: an address leads to one at once. A name is looked up by a thread, for that may take long."""
        if self._finder is not None or time.monotonic() < self._find_at:
            return
        try:
            ipaddress.ip_address(self.settings.host)
        except ValueError:
            self._finder = threading.Thread(target=self._look_up, name="alluxiofs-statsd", daemon=True)
            self._finder.start()
        else:
            self._use(self._found())

    def _look_up(self) -> None:
        found = self._found()
        with self._lock:
            self._use(found)

    def _found(self) -> Optional[socket.socket]:
        try:
            return _connected(self.settings.host, self.settings.port)
        except OSError as error:
            self.context.logger.warning("nothing is sent to StatsD at %s: %s", self.settings.host, error)
            return None

    def _use(self, found: Optional[socket.socket]) -> None:
        self._finder, self._find_at = None, time.monotonic() + _AGAIN
        if found is None:
            return
        if self._closed:
            found.close()
            return
        self._socket = found
        waiting = list(self._waiting)
        self._waiting.clear()
        self._send_all(waiting)

    def _looked(self) -> List[str]:
        """What is watched, together by its names: levels as they are, counters by how much they have grown."""
        together: Dict[Tuple[str, str], int] = {}
        for name, read in self._watched:
            try:
                numbers = read()
            except Exception as error:  # noqa: BLE001 - whoever is watched may raise anything
                self.context.logger.debug("%s says nothing: %s", name, error)
                continue
            for counter, value in numbers.items():
                together[name, counter] = together.get((name, counter), 0) + value
        lines = []
        for (name, counter), value in together.items():
            if counter in LEVELS:
                lines.append(self._line(f"{value}|g", name, counter))
                continue
            line = f"{name}.{counter}"
            grown = value - self._sent.get(line, 0)
            self._sent[line] = value
            if grown > 0:
                lines.append(self._line(f"{grown}|c", name, counter))
        return lines


def _connected(host: str, port: int) -> socket.socket:
    """A socket that sends there, and waits for nobody."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    # By itself StatsD listens for IPv4 alone, and a datagram that goes elsewhere is lost without a word.
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


@hookimpl
def alluxiofs_telemetry() -> List[Type[Telemetry]]:
    """What this package adds."""
    return [StatsdTelemetry]
