"""One worker as the transport knows it: where it is asked, and what was found out about it."""

from __future__ import annotations

import threading
import time
from typing import (
    Any,
    Callable,
    ContextManager,
    Dict,
    Generic,
    Hashable,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    TypeVar,
)

from alluxiofs.interfaces import Call, Telemetry, recorded
from alluxiofs.plugins._http.pool import Pools

__all__ = ["Peer", "Peers", "Remembered"]

T = TypeVar("T")

_MOST = 10_000
_COMPONENT = "alluxio"


class Remembered(Generic[T]):
    """Values that are believed for a while; of too many those that are believed for the longest go first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self.held: Dict[Hashable, Tuple[float, T]] = {}
        """All that is held, believed or not, with the ``time.monotonic()`` until which it is."""

    def get(self, key: Hashable) -> Optional[T]:
        """The value under a key, or ``None``."""
        found = self.held.get(key)
        if found is None or found[0] <= time.monotonic():
            return None
        return found[1]

    def put(self, key: Hashable, value: T, seconds: float) -> None:
        """Believe a value for so long."""
        values = self.held
        while len(values) >= self._most:
            try:
                values.pop(next(iter(values)), None)
            except (RuntimeError, StopIteration):  # other threads put and take meanwhile
                continue
        values.pop(key, None)  # so that it is the last
        values[key] = (time.monotonic() + seconds, value)

    def forget(self, key: Hashable) -> None:
        """Believe nothing under a key."""
        self.held.pop(key, None)


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
        Is told of what is asked besides a question of the gateway; gives what is sent besides, for the spans of the
        worker to be found with ours.
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
        self._tail = f" HTTP/1.1\r\nhost: {shown}:{http_port}\r\n{sent}"
        self._data_tail = f" HTTP/1.1\r\nhost: {shown}:{data_port}\r\n{sent}"
        self._traced = telemetry if telemetry.traces else None
        self._telemetry = telemetry
        self.notes: Remembered[Any] = Remembered()
        self.refusals: Remembered[Any] = Remembered()
        self.facts: Remembered[Any] = Remembered()

    def besides(self, method: str) -> ContextManager[None]:
        """A request that a question of the gateway needs besides its own one: a call of its own to telemetry."""
        return recorded(self._telemetry, "worker", _COMPONENT, method)

    def ended(self, method: str, state: str, seconds: float) -> None:
        """One of the requests that a question goes on with has ended, and is not the last of them, which the gateway
        tells telemetry of."""
        self._telemetry.record_call(Call("worker", _COMPONENT, method, state, seconds))

    def get(self, target: str) -> bytes:
        """A GET at the HTTP port. The target goes as it is, one byte for each character."""
        if self._traced is None:
            return f"GET {target}{self._tail}\r\n".encode("latin-1")
        return f"GET {target}{self._tail}{self._trace()}\r\n".encode("latin-1")

    def post(self, target: str) -> bytes:
        """A POST at the HTTP port, without a body."""
        return f"POST {target}{self._tail}{self._trace()}content-length: 0\r\n\r\n".encode("latin-1")

    def post_in_chunks(self, target: str) -> bytes:
        """The head of a POST at the HTTP port, whose body comes in chunks."""
        return self.post(target).replace(b"content-length: 0\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n")

    def get_range(self, target: str, begin: int, end: int) -> bytes:
        """A GET of bytes from ``begin`` to before ``end`` at the data port."""
        if self._traced is None:
            return f"GET {target}{self._data_tail}range: bytes={begin}-{end - 1}\r\n\r\n".encode("latin-1")
        line = f"{self._trace()}range: bytes={begin}-{end - 1}\r\n\r\n"
        return f"GET {target}{self._data_tail}{line}".encode("latin-1")

    def _trace(self) -> str:
        """The headers of the trace that this thread is in."""
        if self._traced is None:
            return ""
        found = self._traced.headers().items()
        lines = "".join(f"{name}: {value}\r\n" for name, value in found)
        return lines.encode("latin-1", "replace").decode("latin-1")


class Peers:
    """The workers that were asked so far.

    Parameters
    ----------
    pools, headers, telemetry:
        As of :class:`Peer`.
    gone_of:
        Which of these are no workers of the cluster any more: they are let go of with their connections when there is a
        new one, for where workers come and go these would add up.
    """

    def __init__(
        self,
        pools: Pools,
        headers: Mapping[str, str],
        telemetry: Telemetry,
        gone_of: Callable[[List[Peer]], Set[Peer]],
    ) -> None:
        self._pools = pools
        self._gone_of = gone_of
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
                    self._let_go()
                    peer = self._peers[key] = Peer(
                        host, http_port, data_port, self._pools, self._headers, self._telemetry
                    )
        return peer

    def _let_go(self) -> None:
        gone = self._gone_of(list(self._peers.values()))
        if not gone:
            return
        self._peers = {key: peer for key, peer in self._peers.items() if peer not in gone}
        used = {pool for peer in self._peers.values() for pool in (peer.http, peer.data)}
        for peer in gone:
            for pool in {peer.http, peer.data} - used:  # another worker of the host may have the same data port
                self._pools.let_go(pool)

    def close(self) -> None:
        """Close all connections."""
        self._pools.close()
