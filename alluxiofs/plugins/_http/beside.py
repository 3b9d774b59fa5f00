"""Questions that are put beside others: nobody waits for their answers at once."""

from __future__ import annotations

import math
import ssl
import threading
from typing import Callable, Optional, Tuple

from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._http.answers import Answer
from alluxiofs.plugins._http.connection import Connection
from alluxiofs.plugins._http.pool import Pool

__all__ = ["Begun", "PoolBeside"]


class Begun:
    """A question that was put. Either its answer is waited for, or it is given up: once.

    Parameters
    ----------
    connection, give_back:
        Where, and who gets it back, with the word whether it can be used again.
    kept:
        Whether the connection was used before: then it may have been closed before the question came.
    """

    __slots__ = ("_connection", "_give_back", "kept")

    def __init__(self, connection: Connection, kept: bool, give_back: Callable[[Connection, bool], None]) -> None:
        self._connection = connection
        self._give_back = give_back
        self.kept = kept

    def answer(self, deadline: Deadline) -> Answer:
        """Wait for the answer; see :meth:`Connection.receive`."""
        stays = False
        try:
            answer = self._connection.receive(deadline)
            self._connection.check_end()
            stays = answer.head.keeps_open
            return answer
        finally:
            self._give_back(self._connection, stays)

    def give_up(self) -> None:
        """Close the connection: nobody wants the answer."""
        self._give_back(self._connection, False)


class PoolBeside(Pool):
    """A pool that questions can be put to beside others. Parameters are those of :class:`Pool`."""

    def __init__(
        self, address: Tuple[str, int], tls: Optional[ssl.SSLContext], most: int, *, idle_limit: float = math.inf
    ) -> None:
        super().__init__(address, tls, most, idle_limit=idle_limit)
        # Who has put one holds a connection, and wants another: half of them are for those who want no more than one,
        # or everybody might wait for everybody.
        self._beside = threading.Semaphore(most // 2)

    def begin(self, request: bytes, deadline: Deadline) -> Optional[Begun]:
        """Put a question, and do not wait for the answer. Parameters are those of :meth:`ask`.

        Returns
        -------
        ``None`` if too many such are open: it is to be asked later.
        """
        if not self._beside.acquire(blocking=False):
            return None
        try:
            connection, kept = self._take(deadline)
            try:
                connection.send(request, deadline)
            except BaseException:
                self._give_back(connection, False)
                raise
        except BaseException:
            self._beside.release()
            raise
        return Begun(connection, kept, self._end)

    def _end(self, connection: Connection, stays: bool) -> None:
        self._give_back(connection, stays)
        self._beside.release()
