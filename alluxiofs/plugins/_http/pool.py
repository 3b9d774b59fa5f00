"""Connections to servers: kept open, shared by threads, never more of them than allowed."""

from __future__ import annotations

import functools
import math
import ssl
import threading
import time
import weakref
from typing import Dict, List, Optional, Sequence, Tuple

from alluxiofs.errors import NoTurnError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError, Connection, Target

__all__ = ["Pool", "Pools"]

_AHEAD = 16  # requests that are sent before the first of them is answered


class Pool:
    """Connections to one port of a server.

    Parameters
    ----------
    address:
        Host and port.
    tls:
        ``None`` for none.
    most:
        Connections at a time; who needs one more waits.
    connect_timeout:
        Seconds that connecting may take, where that is less than any wait.
    idle_limit:
        Seconds after which a connection that nobody needed is not used again.
    """

    def __init__(
        self,
        address: Tuple[str, int],
        tls: Optional[ssl.SSLContext],
        most: int,
        *,
        connect_timeout: float = math.inf,
        idle_limit: float = math.inf,
    ) -> None:
        self.address = address
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._idle_limit = idle_limit
        self._free = threading.BoundedSemaphore(most)
        # The last one given back is taken first: those that are not needed any more fall asleep at the bottom.
        self._idle: List[Connection] = []
        # Whoever drops what it asks with, instead of closing it, leaves no sockets behind. At the end of a process the
        # system does.
        weakref.finalize(self, _close_all, self._idle).atexit = False
        self._closed = False
        self.lost = 0
        """How often a connection that was kept turned out to have been closed by the server, or none could be made:
        the server may be another one since."""

    def ask(
        self, request: bytes, deadline: Deadline, target: Optional[Target] = None, repeatable: bool = False
    ) -> Answer:
        """Put a question, and wait for the answer.

        Parameters
        ----------
        request:
            Head and body, as they go over the wire.
        deadline, target:
            See :meth:`Connection.receive`.
        repeatable:
            Ask once more over a new connection if a kept one is closed without an answer: the server may have closed
            it, being idle, at the very moment that it was asked.
        """
        to_head = request.startswith(b"HEAD ")
        self._wait_for_turn(deadline)
        try:
            connection, kept = self._take(deadline)
            try:
                try:
                    connection.send(request, deadline)
                    answer = connection.receive(deadline, target, to_head)
                except ClosedWithoutAnswerError:
                    if not (repeatable and kept):
                        raise
                    connection.close()
                    connection = self._connect(deadline)
                    connection.send(request, deadline)
                    answer = connection.receive(deadline, target, to_head)
                connection.check_end()
            except BaseException:
                connection.close()
                raise
            self._give_back(connection, answer)
            return answer
        finally:
            self._free.release()

    def ask_all(self, requests: Sequence[bytes], targets: Sequence[Target], deadline: Deadline) -> Answer:
        """Put many questions over one connection, most of them before the first is answered (RFC 9112, section 9.3.2).

        Returns
        -------
        Answer
            The last one, or the first that is no data: the connection is closed then, and later answers are lost.
        """
        self._wait_for_turn(deadline)
        try:
            connection, _ = self._take(deadline)
            try:
                sent = 0
                for number, target in enumerate(targets):
                    upto = min(number + _AHEAD, len(requests))
                    if sent < upto:
                        connection.send(b"".join(requests[sent:upto]), deadline)
                        sent = upto
                    answer = connection.receive(deadline, target)
                    if answer.status not in target.statuses:
                        connection.close()
                        return answer
                    if not answer.head.keeps_open and number + 1 < len(targets):
                        connection.close()
                        connection, sent = self._connect(deadline), number + 1
                connection.check_end()
            except BaseException:
                connection.close()
                raise
            self._give_back(connection, answer)
            return answer
        finally:
            self._free.release()

    def close(self) -> None:
        """Close those that nobody uses at the moment, and the others when they come back."""
        self._closed = True
        _close_all(self._idle)

    def _wait_for_turn(self, deadline: Deadline) -> None:
        if not self._free.acquire(timeout=deadline.wait()):
            raise NoTurnError(f"{self.address[0]}:{self.address[1]}: all connections are in use")

    def _take(self, deadline: Deadline) -> Tuple[Connection, bool]:
        """A connection, and whether it was used before."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect(deadline), False
            # A server closes what was idle for too long; what it sent unasked is of no use either.
            if connection.idle_since + self._idle_limit > time.monotonic() and not connection.is_dropped():
                return connection, True
            self.lost += 1
            connection.close()

    def _connect(self, deadline: Deadline) -> Connection:
        limit = deadline
        if self._connect_timeout < deadline.stall:
            limit = Deadline(deadline.at, self._connect_timeout, deadline.span)
        try:
            return Connection(self.address, self._tls, self.address[0], limit)
        except BaseException:
            self.lost += 1
            raise

    def _give_back(self, connection: Connection, answer: Answer) -> None:
        if not answer.head.keeps_open:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        if self._closed:
            self.close()


def _close_all(idle: List[Connection]) -> None:
    while idle:
        try:
            idle.pop().close()
        except IndexError:  # another thread has taken the last one
            return


class Pools:
    """Pools of one owner, one for each port of each server."""

    def __init__(
        self,
        tls: Optional[ssl.SSLContext],
        most: int,
        *,
        connect_timeout: float = math.inf,
        idle_limit: float = math.inf,
    ) -> None:
        self._make = functools.partial(Pool, tls=tls, most=most, connect_timeout=connect_timeout, idle_limit=idle_limit)
        self._lock = threading.Lock()
        self._pools: Dict[Tuple[str, int], Pool] = {}

    def to(self, host: str, port: int) -> Pool:
        """The pool of a port."""
        pool = self._pools.get((host, port))
        if pool is None:
            with self._lock:
                pool = self._pools.get((host, port))
                if pool is None:
                    pool = self._pools[host, port] = self._make((host, port))
        return pool

    def close(self) -> None:
        """Close all connections that nobody uses at the moment, and the others when they come back."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()
