"""Single objects: what they are, and their bytes. By the caller's own thread where that can be, else by the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

from alluxiofs.errors import not_found
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._objects.ranges import changed, span_of
from alluxiofs.plugins._s3.client import bucket_and_key
from alluxiofs.plugins._s3.entries import file_entry
from alluxiofs.plugins._s3.failures import without_reason
from alluxiofs.plugins._s3.headers import said
from alluxiofs.plugins._s3.reading import check_end, check_range, condition, fetch, fetch_end
from alluxiofs.plugins._s3.wire import Body, Wire, failure

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline, Entry, Version
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["Objects"]


class Objects:
    """The objects of one store.

    Parameters
    ----------
    client:
        Who asks for them.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._wire = Wire(client)

    def entry(self, name: str, deadline: Deadline) -> Entry:
        """What an object is. ``FileNotFoundError`` if there is none."""
        answer = self._wire.ask("HEAD", name, deadline)
        if answer is None:
            found = self._head(name, deadline)
        elif answer.status == 200:
            found = said(answer.head.raw)
        elif answer.status == 404:
            raise not_found(name, "Not Found (HTTP 404)")
        else:
            raise failure(answer, name)
        return file_entry(name, found, found.get("ContentLength"))

    def _head(self, name: str, deadline: Deadline) -> Dict[str, Any]:
        bucket, key = bucket_and_key(name)
        try:
            return self._client.call("head_object", deadline, name, Bucket=bucket, Key=key)
        except OSError as error:
            if not without_reason(error):
                raise
            self.end(name, 1, False, deadline)  # an answer to a GET has a body, that says what is wrong
            raise

    def end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[Tuple[Entry, int, bytes]]:
        """What an object is, where its first or last bytes begin, and they; ``None`` of one that has none.

        Raises
        ------
        FileNotFoundError
            If there is no object.
        """
        spans: Tuple[int, int, int] = (0, 0, 0)
        data = bytearray()

        def place(status: int, found: Mapping[str, Any]) -> memoryview:
            nonlocal spans, data
            spans = check_end(status, found, name, length, from_end)
            data = bytearray(spans[1])
            return memoryview(data)

        body = Body(place)
        answer = self._wire.ask("GET", name, deadline, {"range": span_of(length, from_end)}, body)
        if answer is None:
            asked = self._client.run(
                lambda send: fetch_end(send, name, length, from_end, deadline.moved), deadline, name
            )
            if asked is None:
                return None
            found, (start, _, size), content = asked
            return file_entry(name, found, size), start, content
        if answer.status == 416:
            return None
        if answer.status not in body.statuses:
            raise failure(answer, name)
        return file_entry(name, body.said, spans[2]), spans[0], bytes(data)

    def fill(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        """Fill ``view`` with bytes of a version, from ``offset`` on.

        Raises
        ------
        FileChangedError
            If the object is of another version.
        FileNotFoundError
            If it is gone.
        """

        def place(status: int, found: Mapping[str, Any]) -> memoryview:
            check_range(status, found, name, version, offset, len(view))
            return view

        headers: Dict[str, str] = {"range": f"bytes={offset}-{offset + len(view) - 1}"}
        tag = condition(version)
        if tag is not None:
            headers["if-match"] = tag
        body = Body(place)
        answer = self._wire.ask("GET", name, deadline, headers, body)
        if answer is None:
            destination = Destination(view, deadline)
            self._client.run(lambda send: fetch(send, name, version, offset, destination), deadline, name, destination)
        elif answer.status == 412 or (answer.status == 416 and version.length is not None):
            raise changed(name) from failure(answer, name)
        elif answer.status not in body.statuses:
            raise failure(answer, name)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()
