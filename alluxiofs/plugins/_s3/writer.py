"""Writing an object of S3: small ones in one request, larger ones in parts, several at a time, in bounded memory."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Entry
from alluxiofs.plugins._fsspec.waiting import Backoff
from alluxiofs.plugins._objects.settings import PartsSettings
from alluxiofs.plugins._objects.writer import PartsWriter
from alluxiofs.plugins._s3.client import Started, bucket_and_key, finish
from alluxiofs.plugins._s3.copying import origin_of, spans

if TYPE_CHECKING:
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["S3Writer"]

_PAUSE = 0.2  # seconds
_LONGEST_PAUSE = 2.0


class S3Writer(PartsWriter[Started, Dict[str, Any]]):
    """Collects a part, sends it while the next one comes.

    The bytes are handed to the client as files in memory: of bytes it would make such, and the HTTP client below it
    another copy.

    Parameters
    ----------
    client:
        Whose object it is.
    name, settings, check, size_hint:
        As for every writer that sends parts.
    exclusive:
        The commit itself is on condition that there is no such object.
    replaces:
        An ETag: the commit is on condition that it replaces the object that has it.
    said:
        What the object is to say of itself (``ContentType`` …), as parameters of the requests that make it.
    """

    def __init__(
        self,
        client: S3Client,
        name: str,
        settings: PartsSettings,
        check: Callable[[], None] = lambda: None,
        *,
        exclusive: bool = False,
        replaces: Optional[str] = None,
        said: Optional[Mapping[str, Any]] = None,
        size_hint: Optional[int] = None,
    ) -> None:
        super().__init__(name, settings, check, exclusive=exclusive, size_hint=size_hint)
        self._client = client
        self._condition = {"IfNoneMatch": "*"} if exclusive else {"IfMatch": replaces} if replaces else {}
        self._said = dict(said or {})
        bucket, key = bucket_and_key(name)
        self._object = {"Bucket": bucket, "Key": key}

    def in_parts(self) -> None:
        """Upload in parts whatever comes, be it little.

        The request that ends such an upload is never sent twice unseen: it is a POST. A PUT is sent again by the HTTP
        client itself if a kept connection closes, and the store may have done it the first time.
        """
        self._in_parts = True

    def copy(self, source: Entry) -> None:
        """Have the store itself copy a version of an object of 5 MiB or more to the start of this one.

        Raises
        ------
        FileChangedError
            If the source is of another version by now.
        """
        self.in_parts()
        upload = self._begun()
        for span in spans(source.size or 0):
            self._sent += 1
            part = {**origin_of(source), "CopySourceRange": span, "PartNumber": self._sent}
            answer = self._client.call(
                "upload_part_copy", self._wait(), source.name, **self._object, UploadId=upload, **part
            )
            self._parts.append({"PartNumber": self._sent, "ETag": answer["CopyPartResult"]["ETag"]})

    # --- the requests -------------------------------------------------------------------------------------------

    def _put(self, data: io.BytesIO) -> None:
        self._check()
        data.seek(0)
        self._call("put_object", Body=data, **self._said, **self._condition)
        self._client.forget(self._name)

    def _begin(self) -> str:
        return str(self._call("create_multipart_upload", **self._said)["UploadId"])

    def _start(self, upload: str, number: int, part: io.BytesIO) -> Started:
        parameters = {**self._object, "UploadId": upload, "PartNumber": number, "Body": part}
        return self._client.start("upload_part", self._wait(), self._name, **parameters)

    def _finish(self, number: int, pending: Started) -> Dict[str, Any]:
        return {"PartNumber": number, "ETag": finish(pending, self._wait(), self._name)["ETag"]}

    def _cancel(self, pending: Started) -> None:
        pending.cancel()

    def _publish(self, upload: str, parts: List[Dict[str, Any]]) -> None:
        answer = self._call(
            "complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts}, **self._condition
        )
        if answer.get("ResponseMetadata", {}).get("RetryAttempts"):
            self._await(str(answer.get("ETag")))
        self._client.forget(self._name)

    def _abandon(self, upload: str) -> None:
        self._call("abort_multipart_upload", UploadId=upload)

    def _await(self, tag: str) -> None:
        """Wait until the object is there. Who asks a second time, for the first answer took too long, may be told by
        some servers that it is done while they are still putting it together."""
        deadline, backoff = self._wait(), Backoff(_PAUSE, _LONGEST_PAUSE)
        while True:
            with contextlib.suppress(FileNotFoundError):
                if self._client.call("head_object", deadline, self._name, **self._object).get("ETag") == tag:
                    return
            if not deadline.remaining():
                raise DeadlineExceededError(f"{self._name}: the store says that it is written, but it is not there")
            backoff.sleep()

    def _call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        return self._client.call(method, self._wait(), self._name, **self._object, **parameters)
