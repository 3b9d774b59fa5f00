"""The connections to the workers: kept open, shared by threads, never more of them than allowed."""

from __future__ import annotations

import ssl
import threading
from typing import Dict, List, Optional, Tuple

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._alluxio.answers import Answer
from alluxiofs.plugins._alluxio.connection import Connection

__all__ = ["Pool", "Pools"]


class Pool:
    """Connections to one worker's port.

    Parameters
    ----------
    address:
        Host and port.
    tls:
        ``None`` for none.
    server_hostname:
        What the certificate must name.
    most:
        Connections at a time; who needs one more waits.
    """

    def __init__(
        self, address: Tuple[str, int], tls: Optional[ssl.SSLContext], server_hostname: str, most: int
    ) -> None:
        self._address = address
        self._tls = tls
        self._server_hostname = server_hostname
        self._free = threading.BoundedSemaphore(most)
        # The last one given back is taken first: those that are not needed any more fall asleep at the bottom.
        self._idle: List[Connection] = []
        self.opened = 0
        """Connections made so far."""

    def ask(self, request: bytes, deadline: Deadline, view: Optional[memoryview] = None) -> Answer:
        """Put a question over a connection of its own; see :meth:`Connection.ask`."""
        if not self._free.acquire(timeout=deadline.wait()):
            raise DeadlineExceededError(f"{self._address[0]}:{self._address[1]}: all connections are in use")
        try:
            connection = self._take(deadline)
            try:
                answer = connection.ask(request, deadline, view)
            except BaseException:
                connection.close()
                raise
            if answer.head.keeps_open:
                self._idle.append(connection)
            else:
                connection.close()
            return answer
        finally:
            self._free.release()

    def close(self) -> None:
        """Close those that nobody uses at the moment."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread has taken the last one
                return

    def _take(self, deadline: Deadline) -> Connection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                self.opened += 1
                return Connection(self._address, self._tls, self._server_hostname, deadline)
            # A worker closes what was idle for too long; what it sent unasked is of no use either.
            if not connection.is_dropped():
                return connection
            connection.close()


class Pools:
    """The pools of one transport, one for each port of each worker."""

    def __init__(self, tls: Optional[ssl.SSLContext], most: int) -> None:
        self._tls = tls
        self._most = most
        self._lock = threading.Lock()
        self._pools: Dict[Tuple[str, int], Pool] = {}

    def to(self, host: str, port: int, server_hostname: Optional[str] = None) -> Pool:
        """The pool of a port."""
        pool = self._pools.get((host, port))
        if pool is None:
            with self._lock:
                pool = self._pools.get((host, port))
                if pool is None:
                    pool = Pool((host, port), self._tls, server_hostname or host, self._most)
                    self._pools[host, port] = pool
        return pool

    def close(self) -> None:
        """Close all connections that nobody uses at the moment."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()
