"""Single objects: what they are, and their bytes. By the caller's own thread where that can be, else by the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._gcs.client import parsed
from alluxiofs.plugins._gcs.failures import refused
from alluxiofs.plugins._gcs.reading import (
    AS_STORED,
    check_part,
    content_url,
    entry_of,
    fetch,
    fetch_end,
    generation_of,
    joined,
    resource_url,
    unread,
)
from alluxiofs.plugins._gcs.wire import Body, Wire
from alluxiofs.plugins._objects.ranges import end_of, length_of, span_of
from alluxiofs.plugins._objects.store import bucket_and_key

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline, Entry, Version
    from alluxiofs.plugins._gcs.client import Connection, GcsClient
    from alluxiofs.plugins._gcs.reading import End
    from alluxiofs.plugins._http.answers import Answer

__all__ = ["Objects"]

_WHOLE = {"accept-encoding": "identity"}


class Objects:
    """The objects of one store.

    Parameters
    ----------
    client:
        Who asks for them, where that is not done here.
    """

    def __init__(self, client: GcsClient) -> None:
        self._client = client
        self._wire = Wire(client)

    def entry(self, name: str, deadline: Deadline) -> Entry:
        """What an object is. ``FileNotFoundError`` if there is none."""
        answer = self._wire.ask(name, lambda connection: resource_url(connection, name), _WHOLE, deadline)
        return self._entry(name, answer, deadline)

    def end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[Tuple[Entry, int, bytes]]:
        """What an object is, where its first or last bytes begin, and they; ``None`` where bytes of the generation that
        the store tells of were not to be had. See :func:`~alluxiofs.plugins._gcs.reading.fetch_end`.

        Raises
        ------
        FileNotFoundError
            If there is no object.
        """
        asked = self._wire.begin(name, lambda connection: resource_url(connection, name), _WHOLE, deadline)
        if asked is None:
            return self._client.run(
                lambda connection: fetch_end(connection, name, length, from_end, deadline), deadline, name
            )
        failure: Optional[Exception] = None
        found: Optional[End] = None
        try:
            found = self._end(name, length, from_end, deadline)
        except DeadlineExceededError:
            asked.give_up()
            raise
        except Exception as error:  # what is wrong with the object comes before what is wrong with its bytes
            failure = error
        except BaseException:
            asked.give_up()
            raise
        entry = self._entry(name, self._wire.answer(asked, deadline), deadline)
        if failure is not None:
            raise failure
        return joined(entry, found)

    def fill(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        """Fill ``view`` with bytes of a version, from ``offset`` on.

        Raises
        ------
        FileChangedError
            If the object is of another version.
        FileNotFoundError
            If it is gone.
        """

        def place(status: int, found: Mapping[str, str]) -> memoryview:
            check_part(status, found, name, version, offset, len(view))
            return view

        def url(connection: Connection) -> str:
            return content_url(connection, name, generation_of(version))

        body = Body(place)
        headers = {"range": f"bytes={offset}-{offset + len(view) - 1}", "accept-encoding": AS_STORED}
        answer = self._wire.ask(name, url, headers, deadline, body)
        if answer is None:
            destination = Destination(view, deadline)
            self._client.run(
                lambda connection: fetch(connection, name, version, offset, destination), deadline, name, destination
            )
        elif answer.status not in body.statuses:
            raise unread(answer.status, answer.body, name, version)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def _entry(self, name: str, answer: Optional[Answer], deadline: Deadline) -> Entry:
        """What is answered of an object; asked of the client if there is no answer."""
        if answer is not None:
            if answer.status >= 300:
                raise refused(answer.status, answer.body, name, "GET")
            return entry_of(bucket_and_key(name)[0], parsed(answer.body))

        async def told(connection: Connection) -> Dict[str, Any]:
            return (await connection.send("GET", resource_url(connection, name), name)).json()

        return entry_of(bucket_and_key(name)[0], self._client.run(told, deadline, name))

    def _end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[End]:
        generation: Optional[str] = None
        spans = (0, 0, 0)
        data = bytearray()

        def place(status: int, found: Mapping[str, str]) -> memoryview:
            nonlocal generation, spans, data
            declared = found.get("Content-Range")
            spans = end_of(name, status, declared, length_of(found), length, from_end)
            generation, data = found.get("X-Goog-Generation"), bytearray(spans[1])
            return memoryview(data)

        body = Body(place)
        headers = {"range": span_of(length, from_end), "accept-encoding": AS_STORED}
        answer = self._wire.ask(name, lambda connection: content_url(connection, name), headers, deadline, body)
        if answer is None or answer.status == 416:  # without an answer here the caller looks, and reads what there is
            return None
        if answer.status not in body.statuses:
            raise refused(answer.status, answer.body, name, "GET")
        return generation, spans, bytes(data)
