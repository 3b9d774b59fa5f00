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

from attrs import define, evolve

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.waiting import run_coroutine
from alluxiofs.plugins._gcs.authorised import Authorised, authorised_with
from alluxiofs.plugins._gcs.client import ATTEMPTS, failures, pause
from alluxiofs.plugins._gcs.failures import AGAIN, refused
from alluxiofs.plugins._gcs.ways import Way, find_way
from alluxiofs.plugins._http.answers import Answer, Head
from alluxiofs.plugins._http.beside import Begun
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError, Target

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline
    from alluxiofs.plugins._gcs.client import Connection, GcsClient

__all__ = ["Asked", "Body", "Wire", "told"]

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


@define(frozen=True)
class Asked:
    """A question that was put, or is put when its answer is wanted.

    Parameters
    ----------
    way, name:
        To whom, and of which object.
    first:
        How the request begins: all but what it is authorised with.
    authorised:
        What it was sent with, if it was.
    begun:
        Waits for the answer.
    """

    way: Way
    name: str
    first: str
    authorised: Optional[Authorised] = None
    begun: Optional[Begun] = None

    def give_up(self) -> None:
        """Nobody wants the answer."""
        if self.begun is not None:
            self.begun.give_up()


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
            asked = self._question(name, url, headers, deadline)
            return None if asked is None else self._answered(asked, deadline, body)

    def begin(
        self, name: str, url: Callable[[Connection], str], headers: Mapping[str, str], deadline: Deadline
    ) -> Optional[Asked]:
        """Put a question, and do not wait: :meth:`answer` does. Parameters are those of :meth:`ask`."""
        with failures(name):
            asked = self._question(name, url, headers, deadline)
            authorised = None if asked is None else self._authorised_now(asked.way.connection, deadline)
            if asked is None or authorised is None:
                return None
            try:
                begun = asked.way.pool.begin(_request(asked, authorised), deadline)
            except UnavailableError:
                return asked  # it is tried again when the answer is wanted
            return evolve(asked, authorised=authorised, begun=begun)

    def answer(self, asked: Asked, deadline: Deadline) -> Optional[Answer]:
        """The answer to a question that was put; ``None`` if only gcsfs's session can ask this."""
        with failures(asked.name):
            return self._answered(asked, deadline, None)

    def close(self) -> None:
        """Close all connections that nobody uses at the moment, and the others when they come back."""
        with self._lock:
            route, self._route, self._authorised = self._route, None, None
        if route is not None and route.way is not None:
            route.way.pool.close()

    def _question(
        self, name: str, url: Callable[[Connection], str], headers: Mapping[str, str], deadline: Deadline
    ) -> Optional[Asked]:
        connection = self._client.connected(deadline, name)
        way = self._way(connection)
        where = url(connection) if way is not None else ""
        if way is None or not where.startswith(f"{way.location}/"):
            return None
        lines = "".join([f"{header}: {value}\r\n" for header, value in headers.items()])
        return Asked(way, name, f"GET {where[len(way.origin) :]} HTTP/1.1\r\nhost: {way.host}\r\n{lines}")

    def _answered(self, asked: Asked, deadline: Deadline, body: Optional[Body]) -> Optional[Answer]:
        connection, name, renewed = asked.way.connection, asked.name, False
        begun, authorised = asked.begun, asked.authorised
        for attempt in itertools.count(1):
            if begun is None or authorised is None:
                authorised = self._authorised_now(connection, deadline)
            if authorised is None:
                return None
            problem: Exception
            try:
                waiting, begun = begun, None
                answer = _answer(asked, authorised, waiting, deadline, body)
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


def _request(asked: Asked, authorised: Authorised) -> bytes:
    return f"{asked.first}{authorised.lines}\r\n".encode("ascii")


def _answer(
    asked: Asked, authorised: Authorised, begun: Optional[Begun], deadline: Deadline, body: Optional[Body]
) -> Answer:
    """The answer to one attempt, which may have begun."""
    if begun is not None:
        try:
            return begun.answer(deadline)
        except ClosedWithoutAnswerError:
            if not begun.kept:
                raise
    return asked.way.pool.ask(_request(asked, authorised), deadline, body, repeatable=True)


def _about(name: str, error: Exception) -> Exception:
    """The error, of the object that it is about."""
    kinds = (BadAnswerError, UnavailableError, DeadlineExceededError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    return kind(f"{name}: {error}")
