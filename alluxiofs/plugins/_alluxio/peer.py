"""One worker as the transport knows it: where it is asked, and what was found out about it."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, Generic, Hashable, Mapping, Optional, Tuple, TypeVar

from alluxiofs.interfaces import Telemetry
from alluxiofs.plugins._http.pool import Pools

__all__ = ["Peer", "Peers", "Remembered"]

T = TypeVar("T")

_MOST = 10_000


class Remembered(Generic[T]):
    """Values that are believed for a while; of too many those that are believed for the longest go first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._values: Dict[Hashable, Tuple[float, T]] = {}

    def get(self, key: Hashable) -> Optional[T]:
        """The value under a key, or ``None``."""
        found = self._values.get(key)
        if found is None or found[0] <= time.monotonic():
            return None
        return found[1]

    def put(self, key: Hashable, value: T, seconds: float) -> None:
        """Believe a value for so long."""
        values = self._values
        while len(values) >= self._most:
            try:
                values.pop(next(iter(values)), None)
            except (RuntimeError, StopIteration):  # other threads put and take meanwhile
                continue
        values.pop(key, None)  # so that it is the last
        values[key] = (time.monotonic() + seconds, value)

    def forget(self, key: Hashable) -> None:
        """Believe nothing under a key."""
        self._values.pop(key, None)


class Peer:
    """One worker.

    Parameters
    ----------
    host, http_port, data_port:
        Where it listens.
    pools:
        The connections.
    headers:
        What is sent with each request.
    telemetry:
        Gives what is sent besides, for the spans of the worker to be found with ours.
    """

    def __init__(
        self,
        host: str,
        http_port: int,
        data_port: int,
        pools: Pools,
        headers: Mapping[str, str],
        telemetry: Telemetry,
    ) -> None:
        self.host, self.http_port, self.data_port = host, http_port, data_port
        self.http = pools.to(host, http_port)
        self.data = pools.to(host, data_port)
        self.where = f"worker {host}:{http_port}"
        sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        shown = f"[{host}]" if ":" in host else host
        self._tail = f" HTTP/1.1\r\nhost: {shown}:{http_port}\r\n{sent}".encode("latin-1")
        self._data_tail = f" HTTP/1.1\r\nhost: {shown}:{data_port}\r\n{sent}".encode("latin-1")
        self._get_tail = self._tail + b"\r\n"
        self._telemetry = telemetry if telemetry.traces else None
        self.notes: Remembered[Any] = Remembered()
        self.refusals: Remembered[Any] = Remembered()
        self.facts: Remembered[Any] = Remembered()

    def get(self, target: str) -> bytes:
        """A GET at the HTTP port. The target goes as it is, one byte for each character."""
        if self._telemetry is None:
            return b"GET " + target.encode("latin-1") + self._get_tail
        return b"GET " + target.encode("latin-1") + self._tail + self._trace() + b"\r\n"

    def post(self, target: str) -> bytes:
        """A POST at the HTTP port, without a body."""
        return b"POST " + target.encode("latin-1") + self._tail + self._trace() + b"content-length: 0\r\n\r\n"

    def get_range(self, target: str, begin: int, end: int) -> bytes:
        """A GET of bytes from ``begin`` to before ``end`` at the data port."""
        line = f"range: bytes={begin}-{end - 1}\r\n\r\n".encode("ascii")
        return b"GET " + target.encode("latin-1") + self._data_tail + self._trace() + line

    def _trace(self) -> bytes:
        """The headers of the trace that this thread is in."""
        if self._telemetry is None:
            return b""
        found = self._telemetry.headers().items()
        return "".join(f"{name}: {value}\r\n" for name, value in found).encode("latin-1", "replace")


class Peers:
    """All workers that were asked so far.

    Parameters
    ----------
    pools, headers, telemetry:
        As of :class:`Peer`.
    """

    def __init__(self, pools: Pools, headers: Mapping[str, str], telemetry: Telemetry) -> None:
        self._pools = pools
        self._headers = headers
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._peers: Dict[Tuple[str, int, int], Peer] = {}

    def of(self, host: str, http_port: int, data_port: int) -> Peer:
        """The worker at an address."""
        key = (host, http_port, data_port)
        peer = self._peers.get(key)
        if peer is None:
            with self._lock:
                peer = self._peers.get(key)
                if peer is None:
                    peer = self._peers[key] = Peer(
                        host, http_port, data_port, self._pools, self._headers, self._telemetry
                    )
        return peer

    def close(self) -> None:
        """Close all connections."""
        self._pools.close()
