"""Connections to servers: kept open, shared by threads, never more of them than allowed."""

from __future__ import annotations

import contextlib
import functools
import math
import ssl
import threading
import time
import weakref
from collections import deque
from typing import Callable, Deque, Dict, Optional, Sequence, Tuple

from alluxiofs.errors import NoTurnError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.answers import Answer, Head
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
        self._forgets = idle_limit != math.inf
        # A place for each connection that may be: on the right those that are kept, on the left None for each that may
        # be made. The last one given back is taken first, so that those which are not needed any more fall asleep. To
        # take a place, and to give it back, is one step of a deque: a semaphore costs ten times as much.
        self._places: Deque[Optional[Connection]] = deque([None] * most)
        self._waiting: Deque[threading.Lock] = deque()  # locked, one for each who waits for a place
        # Whoever drops what it asks with, instead of closing it, leaves no sockets behind. At the end of a process the
        # system does.
        weakref.finalize(self, _close_all, self._places).atexit = False
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
        connection, kept = self._take(deadline)
        stays = False
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
                answer = self._receive_instead(connection, deadline, target, to_head)
            connection.check_end()
            stays = answer.head.keeps_open
            return answer
        finally:
            self._give_back(connection, stays)

    def fetch(
        self,
        request: bytes,
        view: memoryview,
        deadline: Deadline,
        *,
        statuses: Tuple[int, ...] = (200,),
        said: bytes = b"",
        check: Optional[Callable[[Head], None]] = None,
        repeatable: bool = False,
    ) -> Optional[Answer]:
        """Ask for data that goes into a view, as one of many such questions.

        Parameters
        ----------
        request, deadline, repeatable:
            See :meth:`ask`.
        view, statuses, check:
            See :class:`Target`.
        said:
            What the answer must say of its range. One that says just that, and is like the last one otherwise, is not
            checked. With nothing it has no range, and each one is checked if there is a ``check``.

        Returns
        -------
        Answer or None
            ``None``: the view is filled. Else an answer that is no data.
        """
        connection, kept = self._take(deadline)
        stays = False
        try:
            try:
                connection.send(request, deadline)
                if (said or check is None) and connection.fill(view, deadline, said):
                    connection.check_end()
                    stays = True
                    return None
                answer = connection.receive(deadline, Target(view, statuses, check))
            except ClosedWithoutAnswerError:
                if not (repeatable and kept):
                    raise
                connection.close()
                connection = self._connect(deadline)
                connection.send(request, deadline)
                answer = self._receive_instead(connection, deadline, Target(view, statuses, check))
            connection.check_end()
            stays = answer.head.keeps_open
            if answer.status not in statuses:
                return answer
            connection.learn(answer.head)
            return None
        finally:
            self._give_back(connection, stays)

    def ask_all(
        self,
        requests: Sequence[bytes],
        targets: Sequence[Target],
        deadline: Deadline,
        answered: Callable[[], object],
        repeatable: bool = False,
    ) -> Answer:
        """Put many questions over one connection, most of them before the first is answered (RFC 9112, section 9.3.2).

        Parameters
        ----------
        requests, deadline:
            See :meth:`ask`.
        targets:
            Where the body of each answer goes.
        answered:
            Called after each answer but the one that is returned.
        repeatable:
            Ask what is left over a new connection if one that has answered something before, now or when it was last
            used, is closed without an answer.

        Returns
        -------
        Answer
            The last one, or the first that is no data: the connection is closed then, and later answers are lost.
        """
        connection, has_answered = self._take(deadline)
        stays = is_instead = False
        try:
            sent = number = 0
            while number < len(targets):
                try:
                    upto = min(number + _AHEAD, len(requests))
                    if sent < upto:
                        connection.send(b"".join(requests[sent:upto]), deadline)
                        sent = upto
                    receive = self._receive_instead if is_instead else Connection.receive
                    answer = receive(connection, deadline, targets[number])
                except ClosedWithoutAnswerError:
                    if not (repeatable and has_answered):
                        raise
                    connection.close()
                    connection, sent, has_answered = self._connect(deadline), number, False
                    is_instead = True
                    continue
                is_instead = False
                if answer.status not in targets[number].statuses:
                    return answer
                number, has_answered = number + 1, True
                if number < len(targets):
                    answered()
                if not answer.head.keeps_open and number < len(targets):
                    connection.close()
                    connection, sent, has_answered = self._connect(deadline), number, False
            connection.check_end()
            stays = answer.head.keeps_open
            return answer
        finally:
            self._give_back(connection, stays)

    def close(self) -> None:
        """Close those that nobody uses at the moment, and the others when they come back."""
        self._closed = True
        _close_all(self._places)
        for _ in range(len(self._places)):  # who asked meanwhile may have found none of them
            if not self._waiting:
                return
            self._wake()

    def _receive_instead(
        self, connection: Connection, deadline: Deadline, target: Optional[Target], to_head: bool = False
    ) -> Answer:
        """The first answer over a connection that was made instead of one that was kept, and closed on a question. Is
        the question answered now, then it was the server that had closed it, which may be another one since."""
        gone = False
        try:
            return connection.receive(deadline, target, to_head)
        except UnavailableError:
            gone = True
            raise
        finally:
            if not gone:
                self.lost += 1

    # --- places -------------------------------------------------------------------------------------------------

    def _take(self, deadline: Deadline) -> Tuple[Connection, bool]:
        """A connection, and whether it was used before. Whoever takes one gives it back."""
        try:
            connection = self._places.pop()
        except IndexError:
            connection = self._place(deadline)
        try:
            while connection is not None:
                # A server closes what was idle for too long; what it sent unasked is of no use either.
                forgotten = self._forgets and connection.idle_since + self._idle_limit <= time.monotonic()
                if not forgotten and not connection.is_dropped():
                    return connection, True
                self.lost += 1
                connection.close()
                connection = self._instead_of_none()
            return self._connect(deadline), False
        except BaseException:
            self._give_back(None, False)
            raise

    def _instead_of_none(self) -> Optional[Connection]:
        """Another connection that is kept, if there is one, for the place of one that is no more."""
        try:
            other = self._places.pop()
        except IndexError:
            return None
        self._give_back(None, False)
        return other

    def _place(self, deadline: Deadline) -> Optional[Connection]:
        """The next place that somebody gives back."""
        turn = threading.Lock()
        turn.acquire()
        again = False
        while True:
            # Who was woken, and found that somebody else was faster, is the first to be woken the next time.
            (self._waiting.appendleft if again else self._waiting.append)(turn)
            try:
                # Who gave one back a moment ago did not see that somebody waits.
                with contextlib.suppress(IndexError):
                    return self._places.pop()
                if not turn.acquire(timeout=deadline.wait()):
                    raise NoTurnError(f"{self.address[0]}:{self.address[1]}: all connections are in use")
                again = True
                with contextlib.suppress(IndexError):
                    return self._places.pop()
            finally:
                try:
                    self._waiting.remove(turn)
                except ValueError:  # woken: if that was not needed, or too late, somebody else may need it
                    if self._places:
                        self._wake()

    def _give_back(self, connection: Optional[Connection], stays: bool) -> None:
        if connection is not None and stays:
            if self._forgets:
                connection.idle_since = time.monotonic()
            self._places.append(connection)
            if self._closed:
                self.close()
        else:
            if connection is not None:
                connection.close()
            self._places.appendleft(None)
        if self._waiting:
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(IndexError):  # another thread has woken the last one
            self._waiting.popleft().release()

    def _connect(self, deadline: Deadline) -> Connection:
        limit = deadline
        if self._connect_timeout < deadline.stall:
            limit = Deadline(deadline.at, self._connect_timeout, deadline.span)
        try:
            return Connection(self.address, self._tls, self.address[0], limit)
        except BaseException:
            self.lost += 1
            raise


def _close_all(places: Deque[Optional[Connection]]) -> None:
    """Close those that are kept; the places stay."""
    for _ in range(len(places)):
        try:
            connection = places.pop()
        except IndexError:  # another thread has taken the last one
            return
        places.appendleft(None)
        if connection is not None:
            connection.close()


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

    def let_go(self, pool: Pool) -> None:
        """Close one of them, and make another if its port is asked for again."""
        with self._lock:
            self._pools.pop(pool.address, None)
        pool.close()

    def close(self) -> None:
        """Close all connections that nobody uses at the moment, and the others when they come back."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()
