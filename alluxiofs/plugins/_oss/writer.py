"""Writing an object: small ones in one request, larger ones in parts, several at a time, in bounded memory."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple

from alluxiofs.interfaces import Writer
from alluxiofs.plugins._fsspec.waiting import one_wait
from alluxiofs.plugins._objects.store import bucket_and_key

if TYPE_CHECKING:
    from concurrent.futures import Future

    from alluxiofs.plugins._oss.client import OssClient

__all__ = ["OssWriter"]

_MOST_PARTS = 10_000
_LARGEST_PART = 5 * 2**30
_DOUBLING = 1_000  # parts of one size before they get twice as large


class OssWriter(Writer):
    """Collects a part, sends it while the next one comes. Each is sent with its digest, which the store checks.

    Parameters
    ----------
    client, name:
        Whose object it is.
    taken:
        Raises ``FileExistsError`` if the name must be free and is not.
    exclusive:
        The store itself makes it only if there is no such object.
    said:
        What the object is to say of itself, as headers of the request that makes it.
    part_size, size_hint:
        Bytes of a part, and of the whole, where known.
    in_flight:
        Parts on their way at a time; that many and one more are held in memory.
    timeout:
        Seconds that one request may take.
    """

    def __init__(
        self,
        client: OssClient,
        name: str,
        taken: Callable[[], None],
        *,
        exclusive: bool,
        said: Optional[Mapping[str, str]] = None,
        part_size: int,
        size_hint: Optional[int],
        in_flight: int,
        timeout: float,
    ) -> None:
        self._client = client
        self._name = name
        self._taken = taken
        self._exclusive = exclusive
        self._said = dict(said or {})
        self._part_size = max(part_size, -(-(size_hint or 0) // _MOST_PARTS))
        self._in_flight = in_flight
        self._timeout = timeout
        self._bucket, self._key = bucket_and_key(name)
        self._buffer = bytearray()
        self._upload: Optional[str] = None
        self._sent = 0
        self._pending: Deque[Tuple[int, Future[Any]]] = deque()
        self._parts: List[Any] = []
        self._ended = False

    def write(self, data: memoryview) -> None:
        if self._ended:
            raise ValueError("write to a file that was committed or given up")
        view = data.cast("B") if data.nbytes else data
        while view:
            room = self._part_size - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) >= self._part_size:
                self._send_part()

    def commit(self) -> None:
        if self._ended:
            raise ValueError("a file can be committed once")
        condition = {"x-oss-forbid-overwrite": "true"} if self._exclusive else {}
        # On condition that there is none, it would find itself the second time.
        again = not self._exclusive
        try:
            self._taken()
            if self._upload is None:
                data = bytes(self._buffer)
                headers = {**self._said, **_digest(data), **condition}
                self._call("put_object", self._key, data, headers=headers, again=again)
            else:
                if self._buffer:
                    self._send_part()
                while self._pending:
                    self._receive_part()
                self._call(
                    "complete_multipart_upload", self._key, self._upload, self._parts, headers=condition, again=again
                )
        except BaseException:
            self.abort()
            raise
        self._ended = True
        self._buffer = bytearray()
        self._client.forget(self._name)

    def abort(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._buffer = bytearray()
        # A part that arrives after the end of its upload would be kept, and paid for: wait for each to be off the wire.
        for _, future in self._pending:
            with contextlib.suppress(Exception):
                self._client.finish(future, one_wait(self, self._timeout), self._name)
        if self._upload is not None:
            with contextlib.suppress(Exception):
                self._call("abort_multipart_upload", self._key, self._upload)

    def _send_part(self) -> None:
        if self._upload is None:
            self._upload = str(self._call("init_multipart_upload", self._key, headers=self._said).upload_id)
        while len(self._pending) >= self._in_flight:
            self._receive_part()
        part, self._buffer = bytes(self._buffer), bytearray()
        self._sent += 1
        number, upload, deadline = self._sent, self._upload, one_wait(self, self._timeout)

        def send() -> Any:
            headers = _digest(part)
            return self._client.ask(
                "upload_part", deadline, self._bucket, self._key, upload, number, part, headers=headers
            )

        self._pending.append((number, self._client.start(send, deadline, self._name)))
        if self._sent % _DOUBLING == 0:
            self._part_size = min(2 * self._part_size, _LARGEST_PART)

    def _receive_part(self) -> None:
        from oss2.models import PartInfo

        number, future = self._pending.popleft()
        try:
            answer = self._client.finish(future, one_wait(self, self._timeout), self._name)
        except BaseException:
            self._pending.appendleft((number, future))  # for abort to see to
            raise
        self._parts.append(PartInfo(number, answer.etag))

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._client.call(method, one_wait(self, self._timeout), self._name, self._bucket, *arguments, **options)


def _digest(data: bytes) -> Dict[str, str]:
    return {"Content-MD5": base64.b64encode(hashlib.md5(data).digest()).decode()}  # noqa: S324 the store's choice
