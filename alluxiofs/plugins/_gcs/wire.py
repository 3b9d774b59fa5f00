"""Requests for objects, sent by the thread that wants the answer.

By way of gcsfs's session a request costs a millisecond or two of CPU, all of it on the one thread of the event loop,
and its bytes are copied there. Here it is sent as that session would, in a tenth of the time, and the bytes go from the
socket into the caller's memory. Credentials stay gcsfs's; so does every request over a session that has anything about
it that is not understood here.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, Mapping, Optional

from attrs import define

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.waiting import run_coroutine
from alluxiofs.plugins._gcs.authorised import Authorised, authorised_with
from alluxiofs.plugins._gcs.client import ATTEMPTS, failures, pause
from alluxiofs.plugins._gcs.failures import AGAIN, refused
from alluxiofs.plugins._gcs.ways import Way, find_way
from alluxiofs.plugins._http.answers import Answer, Head
from alluxiofs.plugins._http.connection import Target

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline
    from alluxiofs.plugins._gcs.client import Connection, GcsClient

__all__ = ["Body", "Wire", "told"]

_TOLD = ("Content-Length", "Content-Range", "Last-Modified", "X-Goog-Generation")


class Body(Target):
    """Where the bytes of an object go.

    Parameters
    ----------
    place:
        Gives the memory for the body, of exactly its length, for the status and what the head says; or raises what is
        wrong with it.
    """

    __slots__ = ("_place", "began")

    def __init__(self, place: Callable[[int, Mapping[str, str]], memoryview]) -> None:
        super().__init__(memoryview(b""), (200, 206), self._begin)
        self._place = place
        self.began = False

    def _begin(self, head: Head) -> None:
        self.began = True
        self.view = self._place(head.status, told(head))


def told(head: Head) -> Dict[str, str]:
    """What a head says of the body, by the names that are looked for."""
    found = ((name, head.get(name.lower().encode())) for name in _TOLD)
    return {name: value for name, value in found if value is not None}


@define(frozen=True)
class _Route:
    """The way of one connection, or that it has none.

    Parameters
    ----------
    connection, location:
        Of which, and where its URLs begin.
    way:
        ``None``: only by gcsfs's session.
    """

    connection: Connection
    location: str
    way: Optional[Way]


class Wire:
    """Sends requests for objects.

    Parameters
    ----------
    client:
        In whose stead.
    """

    def __init__(self, client: GcsClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._route: Optional[_Route] = None
        self._authorised: Optional[Authorised] = None

    def reaches(self, deadline: Deadline, name: str) -> bool:
        """Whether objects can be asked for here, as far as that is known before."""
        with failures(name):
            return self._way(self._client.connected(deadline, name)) is not None

    def ask(
        self,
        name: str,
        url: Callable[[Connection], str],
        headers: Mapping[str, str],
        deadline: Deadline,
        body: Optional[Body] = None,
    ) -> Optional[Answer]:
        """The answer to a GET.

        What may pass is asked again as by :class:`~alluxiofs.plugins._gcs.client.Connection`, until bytes have come.

        Parameters
        ----------
        name:
            Of the object, for messages.
        url:
            Gives the URL, of the connection.
        headers:
            What this request has beyond others.
        deadline:
            Ends all attempts.
        body:
            Where the body goes.

        Returns
        -------
        ``None`` if only gcsfs's session can ask this.
        """
        with failures(name):
            connection = self._client.connected(deadline, name)
            way = self._way(connection)
            asked = url(connection) if way is not None else ""
            if way is None or not asked.startswith(f"{way.location}/"):
                return None
            lines = "".join([f"{header}: {value}\r\n" for header, value in headers.items()])
            first = f"GET {asked[len(way.origin) :]} HTTP/1.1\r\nhost: {way.host}\r\n{lines}"
            return self._answered(way, first, name, deadline, body)

    def close(self) -> None:
        """Close all connections that nobody uses at the moment, and the others when they come back."""
        with self._lock:
            route, self._route, self._authorised = self._route, None, None
        if route is not None and route.way is not None:
            route.way.pool.close()

    def _answered(self, way: Way, first: str, name: str, deadline: Deadline, body: Optional[Body]) -> Optional[Answer]:
        connection, renewed = way.connection, False
        for attempt in itertools.count(1):
            authorised = self._authorised_now(connection, deadline)
            if authorised is None:
                return None
            problem: Exception
            try:
                request = f"{first}{authorised.lines}\r\n".encode("ascii")
                answer = way.pool.ask(request, deadline, body, repeatable=True)
            except (BadAnswerError, UnavailableError, DeadlineExceededError) as error:
                over = isinstance(error, DeadlineExceededError) or attempt >= ATTEMPTS
                if over or (body is not None and body.began):
                    if str(error).startswith(f"{name}: "):
                        raise
                    raise _about(name, error) from error
                problem = error
            else:
                if answer.status == 401:
                    if not renewed and self._renewed(connection, authorised, deadline):
                        renewed = True
                        continue
                    connection.refused = True
                if answer.status not in AGAIN or attempt >= ATTEMPTS:
                    return answer
                problem = refused(answer.status, answer.body, name, "GET")
            time.sleep(min(pause(attempt), deadline.remaining()))
            if not deadline.remaining():
                message = f"the deadline of the operation has passed; before that: {brief(str(problem))}"
                raise DeadlineExceededError(message) from problem
        raise AssertionError("a count has no end")

    def _way(self, connection: Connection) -> Optional[Way]:
        route, location = self._route, connection.made._location
        if route is None or route.connection is not connection or route.location != location:
            with self._lock:
                route = self._route
                if route is None or route.connection is not connection or route.location != location:
                    # Connections of the one before are closed when the last who asks over them is done.
                    route = self._route = _Route(connection, location, find_way(connection))
        return route.way

    def _authorised_now(self, connection: Connection, deadline: Deadline) -> Optional[Authorised]:
        """What a request that is sent now is authorised with. The event loop is asked only where the credentials may
        have to be renewed: one renewal serves all who wait for it there."""
        known = self._authorised
        if known is not None and known.is_good(connection.made.credentials.credentials):
            return known
        headers = run_coroutine(connection.made.loop, connection.authorised(), deadline)
        known = self._authorised = authorised_with(headers, connection.made.credentials.credentials)
        return known

    @staticmethod
    def _renewed(connection: Connection, authorised: Authorised, deadline: Deadline) -> bool:
        return run_coroutine(connection.made.loop, connection.renewed(authorised.token_line), deadline)


def _about(name: str, error: Exception) -> Exception:
    """The error, of the object that it is about."""
    kinds = (BadAnswerError, UnavailableError, DeadlineExceededError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    return kind(f"{name}: {error}")
