"""Writing an object: small ones in one request, larger ones in an upload that can be gone on with."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from alluxiofs.errors import BadAnswerError
from alluxiofs.plugins._gcs.failures import AGAIN, refused
from alluxiofs.plugins._objects.store import bucket_and_key
from alluxiofs.plugins._objects.writer import ObjectWriter

if TYPE_CHECKING:
    from concurrent.futures import Future

    from alluxiofs.plugins._gcs.client import Answer, Connection, GcsClient

__all__ = ["UNIT", "GcsWriter"]

UNIT = 256 * 1024
"""Bytes that every part but the last is a multiple of."""

_KEPT = re.compile(r"bytes=0-(\d+)")
_ENOUGH = 3  # times in a row that the store may take nothing of what is sent
_PAUSE = 0.1  # seconds, doubled each time
_INCOMPLETE = 308
_CANCELLED = 499  # the answer to an upload that is given up, as the store would have it


class GcsWriter(ObjectWriter):
    """Collects a part, and sends it while the next one comes. What was sent is seen when the last part is there.

    Parameters
    ----------
    client, name:
        Whose object it is.
    generation:
        The store itself makes it only in the place of this one; ``"0"``: only if there is none.
    said:
        What the object is to say of itself, by the store's names of its fields.
    part_size:
        Bytes of a part; twice that many are held in memory.
    timeout:
        Seconds that one request may take.
    """

    def __init__(
        self,
        client: GcsClient,
        name: str,
        *,
        generation: Optional[str] = None,
        said: Optional[Mapping[str, Any]] = None,
        part_size: int,
        timeout: float,
    ) -> None:
        part_size = max(UNIT, part_size // UNIT * UNIT)
        super().__init__(
            name, exclusive=generation == "0", whole=part_size, part_size=part_size, size_hint=None, timeout=timeout
        )
        self._client = client
        self._generation = generation
        self._said = {"contentType": "application/octet-stream", **(said or {})}
        self._in_parts = len(self._said) > 1  # what fits into one request says no more than its type
        self._upload: Optional[str] = None
        self._sent = 0
        self._pending: Optional[Future[Optional[Answer]]] = None

    # --- the requests -------------------------------------------------------------------------------------------

    def _put(self, data: io.BytesIO) -> None:
        body = data.getvalue()

        async def send(connection: Connection) -> Answer:
            headers = {"Content-Type": self._said["contentType"]}
            # On a condition it would be refused the second time, by what it wrote itself the first.
            url, again = self._url(connection, "media"), self._generation is None
            return await connection.send("POST", url, self._name, headers=headers, data=body, again=again)

        self._check(self._client.run(send, self._wait(), self._name), len(body))

    def _send(self, part: io.BytesIO) -> None:
        self._begin()
        self._receive()
        self._start(part, last=False)

    def _complete(self, last: io.BytesIO) -> None:
        self._begin()
        self._receive()
        self._start(last, last=True)
        answer = self._receive()
        if answer is None:
            raise BadAnswerError(f"{self._name}: the store waits for more than there is")
        self._check(answer, self._sent)

    def _discard(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            with contextlib.suppress(Exception, CancelledError):
                self._client.finish(self._pending, self._wait(), self._name)
        if self._upload is not None:
            upload = self._upload

            async def cancel(connection: Connection) -> Answer:
                return await connection.send("DELETE", upload, self._name, good=lambda status: status == _CANCELLED)

            with contextlib.suppress(Exception):
                self._client.run(cancel, self._wait(), self._name)

    def _url(self, connection: Connection, kind: str) -> str:
        bucket, key = bucket_and_key(self._name)
        service = "upload/storage/v1"
        return connection.url(
            "b", bucket, "o", service=service, uploadType=kind, name=key, ifGenerationMatch=self._generation
        )

    def _start(self, part: io.BytesIO, last: bool) -> None:
        body = part.getvalue()
        url, start, name, kind = str(self._upload), self._sent, self._name, str(self._said["contentType"])
        self._sent += len(body)
        self._pending = self._client.start(
            lambda connection: _send(connection, url, name, kind, body, start, last), self._wait(), name
        )

    def _receive(self) -> Optional[Answer]:
        if self._pending is None:
            return None
        answer = self._client.finish(self._pending, self._wait(), self._name)
        self._pending = None
        return answer

    def _begin(self) -> None:
        """Begin an upload in parts, if it has not begun."""
        if self._upload is None:
            self._upload = self._client.run(self._begun, self._wait(), self._name)

    async def _begun(self, connection: Connection) -> str:
        headers = {"Content-Type": "application/json", "X-Upload-Content-Type": self._said["contentType"]}
        url, data = self._url(connection, "resumable"), json.dumps(self._said).encode()
        answer = await connection.send("POST", url, self._name, headers=headers, data=data)
        location = answer.headers.get("Location")
        if not location:
            raise BadAnswerError(f"{self._name}: the store began an upload, but does not say where")
        return location

    def _check(self, answer: Answer, size: int) -> None:
        resource: Dict[str, Any] = answer.json()
        if str(resource.get("size")) != str(size):
            message = f"{self._name}: the store has {resource.get('size')} bytes of the {size} that were written"
            raise BadAnswerError(message)
        self._client.forget(self._name)


async def _send(
    connection: Connection, url: str, name: str, kind: str, part: bytes, start: int, last: bool
) -> Optional[Answer]:
    """Send one part, and again what of it the store did not take; the object's description after the last one.

    It is sent again only where the store has said so. Without an answer it may have been taken, and not every server
    leaves out what it has already: the upload is given up then, and the old object stays.
    """
    end = start + len(part)
    total = str(end) if last else "*"
    sent, vain = start, 0
    while True:
        span = f"bytes {sent}-{end - 1}/{total}" if sent < end else f"bytes */{total}"
        headers, data = {"Content-Range": span, "Content-Type": kind}, part[sent - start :]
        answer = await connection.send("PUT", url, name, headers=headers, data=data, again=False, good=_to_go_on_with)
        if answer.status < 300:
            if not last:
                raise BadAnswerError(f"{name}: the store takes an upload for whole after {end} bytes")
            return answer
        kept = _kept(answer, name, start, end) if answer.status == _INCOMPLETE else sent
        if kept == end and not last:
            return None
        vain = 0 if kept > sent else vain + 1
        if vain >= _ENOUGH:
            raise refused(answer.status, answer.body, name, "PUT")
        if vain:
            await asyncio.sleep(_PAUSE * 2**vain)
        sent = kept


def _to_go_on_with(status: int) -> bool:
    return status < 300 or status == _INCOMPLETE or status in AGAIN


def _kept(answer: Answer, name: str, start: int, end: int) -> int:
    match = _KEPT.fullmatch(answer.headers.get("Range", ""))
    kept = int(match[1]) + 1 if match else 0
    if not start <= kept <= end:
        raise BadAnswerError(f"{name}: the store has {kept} bytes of an upload that is at {start} to {end}")
    return kept
