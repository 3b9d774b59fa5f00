"""Writing an object: small ones in one request, larger ones in parts, several at a time, in bounded memory."""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, Mapping, Optional, Tuple

from alluxiofs.errors import DeadlineExceededError, FileChangedError, exists
from alluxiofs.interfaces import Entry, Writer
from alluxiofs.plugins._fsspec.waiting import Backoff, one_wait
from alluxiofs.plugins._s3.client import bucket_and_key, finish
from alluxiofs.plugins._s3.copying import origin_of, spans

if TYPE_CHECKING:
    from alluxiofs.plugins._s3.client import S3Client, Started

__all__ = ["S3Writer"]

_MOST_PARTS = 10_000
_LARGEST_PART = 5 * 2**30
_PAUSE = 0.2  # seconds
_LONGEST_PAUSE = 2.0
_DOUBLING = 1_000  # parts of one size before they get twice as large: 5 TiB need fewer than 10,000 then


class S3Writer(Writer):
    """Collects a part, sends it while the next one comes.

    Parameters
    ----------
    client, name:
        Whose object it is.
    check:
        Raises what speaks against the commit (the name must be free, and is not): asked right before it, for stores
        that do not know conditional writes.
    exclusive:
        The commit itself is on condition that there is no such object.
    replaces:
        An ETag: the commit is on condition that it replaces the object that has it.
    said:
        What the object is to say of itself (``ContentType`` …), as parameters of the requests that make it.
    part_size, size_hint:
        Bytes of a part, and of the whole, where known.
    in_flight:
        Parts on their way at a time; that many and one more are held in memory.
    timeout:
        Seconds that one request may take.
    """

    def __init__(
        self,
        client: S3Client,
        name: str,
        check: Callable[[], None],
        *,
        exclusive: bool,
        replaces: Optional[str] = None,
        said: Optional[Mapping[str, Any]] = None,
        part_size: int,
        size_hint: Optional[int],
        in_flight: int,
        timeout: float,
    ) -> None:
        self._client = client
        self._name = name
        self._check = check
        self._exclusive = exclusive
        self._condition = {"IfNoneMatch": "*"} if exclusive else {"IfMatch": replaces} if replaces else {}
        self._said = dict(said or {})
        self._part_size = max(part_size, -(-(size_hint or 0) // _MOST_PARTS))
        self._in_flight = in_flight
        self._timeout = timeout
        bucket, key = bucket_and_key(name)
        self._object = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._upload: Optional[str] = None
        self._sent = 0
        self._pending: Deque[Tuple[int, Started]] = deque()
        self._parts: List[Dict[str, Any]] = []
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
        try:
            self._check()
            if self._upload is None:
                self._call("put_object", Body=bytes(self._buffer), **self._said, **self._condition)
            else:
                self._complete()
        except FileChangedError as error:  # what a failed condition is called
            self.abort()
            if self._exclusive:
                raise exists(self._name) from error
            raise
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
        for _, future in self._pending:
            future.cancel()
        # A part that arrives after the end of its upload would be kept, and paid for: wait for each to be off the wire.
        for _, future in self._pending:
            with contextlib.suppress(Exception, CancelledError):
                finish(future, one_wait(self, self._timeout), self._name)
        if self._upload is not None:
            with contextlib.suppress(Exception):
                self._call("abort_multipart_upload", UploadId=self._upload)

    def in_parts(self) -> None:
        """Upload in parts whatever there is, be it little.

        The request that ends such an upload is never sent twice unseen: it is a POST. A PUT is sent again by the HTTP
        client itself if a kept connection closes, and the store may have done it the first time.
        """
        if self._upload is None:
            self._upload = str(self._call("create_multipart_upload", **self._said)["UploadId"])

    def copy(self, source: Entry) -> None:
        """Have the store itself copy a version of an object of 5 MiB or more to the start of this one.

        Raises
        ------
        FileChangedError
            If the source is of another version by now.
        """
        self.in_parts()
        for span in spans(source.size or 0):
            self._sent += 1
            part = {**origin_of(source), "CopySourceRange": span, "PartNumber": self._sent}
            answer = self._client.call(
                "upload_part_copy",
                one_wait(self, self._timeout),
                source.name,
                **self._object,
                UploadId=self._upload,
                **part,
            )
            self._parts.append({"PartNumber": self._sent, "ETag": answer["CopyPartResult"]["ETag"]})

    def _complete(self) -> None:
        if self._buffer:
            self._send_part()
        while self._pending:
            self._receive_part()
        parts = {"Parts": self._parts}
        answer = self._call(
            "complete_multipart_upload", UploadId=self._upload, MultipartUpload=parts, **self._condition
        )
        if answer.get("ResponseMetadata", {}).get("RetryAttempts"):
            self._await(str(answer.get("ETag")))

    def _await(self, tag: str) -> None:
        """Wait until the object is there. Who asks a second time, for the first answer took too long, may be told by
        some servers that it is done while they are still putting it together."""
        deadline, backoff = one_wait(self, self._timeout), Backoff(_PAUSE, _LONGEST_PAUSE)
        while True:
            try:
                if self._client.call("head_object", deadline, self._name, **self._object).get("ETag") == tag:
                    return
            except FileNotFoundError:
                pass
            if not deadline.remaining():
                raise DeadlineExceededError(f"{self._name}: the store says that it is written, but it is not there")
            backoff.sleep()

    def _send_part(self) -> None:
        self.in_parts()
        while len(self._pending) >= self._in_flight:
            self._receive_part()
        part, self._buffer = bytes(self._buffer), bytearray()
        self._sent += 1
        future = self._client.start(
            "upload_part",
            one_wait(self, self._timeout),
            self._name,
            **self._object,
            UploadId=self._upload,
            PartNumber=self._sent,
            Body=part,
        )
        self._pending.append((self._sent, future))
        if self._sent % _DOUBLING == 0:
            self._part_size = min(2 * self._part_size, _LARGEST_PART)

    def _receive_part(self) -> None:
        number, future = self._pending.popleft()
        try:
            answer = finish(future, one_wait(self, self._timeout), self._name)
        except BaseException:
            self._pending.appendleft((number, future))  # for abort to see to
            raise
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    def _call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        return self._client.call(method, one_wait(self, self._timeout), self._name, **self._object, **parameters)
