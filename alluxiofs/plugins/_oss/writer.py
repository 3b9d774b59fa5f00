"""Writing an object of OSS: small ones in one request, larger ones in parts, several at a time, in bounded memory."""

from __future__ import annotations

import base64
import hashlib
import io
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional

from alluxiofs.plugins._objects.settings import PartsSettings
from alluxiofs.plugins._objects.store import bucket_and_key
from alluxiofs.plugins._objects.writer import PartsWriter

if TYPE_CHECKING:
    from alluxiofs.plugins._oss.client import OssClient

__all__ = ["OssWriter"]


class OssWriter(PartsWriter["Future[Any]", Any]):
    """Collects a part, sends it while the next one comes. Each is sent with its digest, which the store checks.

    Parameters
    ----------
    client:
        Whose object it is.
    name, settings, check, size_hint:
        As for every writer that sends parts.
    exclusive:
        The store itself makes it only if there is no such object.
    said:
        What the object is to say of itself, as headers of the request that makes it.
    """

    def __init__(
        self,
        client: OssClient,
        name: str,
        settings: PartsSettings,
        check: Callable[[], None] = lambda: None,
        *,
        exclusive: bool = False,
        said: Optional[Mapping[str, str]] = None,
        size_hint: Optional[int] = None,
    ) -> None:
        super().__init__(name, settings, check, exclusive=exclusive, size_hint=size_hint)
        self._client = client
        self._said = dict(said or {})
        self._condition = {"x-oss-forbid-overwrite": "true"} if exclusive else {}
        self._again = not exclusive  # on condition that there is none, it would find itself the second time
        self._bucket, self._key = bucket_and_key(name)

    # --- the requests -------------------------------------------------------------------------------------------

    def _put(self, data: io.BytesIO) -> None:
        self._check()
        body = data.getvalue()
        headers = {**self._said, **_digest(body), **self._condition}
        self._call("put_object", self._key, body, headers=headers, again=self._again)
        self._client.forget(self._name)

    def _begin(self) -> str:
        return str(self._call("init_multipart_upload", self._key, headers=self._said).upload_id)

    def _start(self, upload: str, number: int, part: io.BytesIO) -> Future[Any]:
        body, deadline = part.getvalue(), self._wait()

        def send() -> Any:
            headers = _digest(body)
            return self._client.ask(
                "upload_part", deadline, self._bucket, self._key, upload, number, body, headers=headers
            )

        return self._client.start(send, deadline, self._name)

    def _finish(self, number: int, pending: Future[Any]) -> Any:
        from oss2.models import PartInfo

        return PartInfo(number, self._client.finish(pending, self._wait(), self._name).etag)

    def _publish(self, upload: str, parts: List[Any]) -> None:
        self._call("complete_multipart_upload", self._key, upload, parts, headers=self._condition, again=self._again)
        self._client.forget(self._name)

    def _abandon(self, upload: str) -> None:
        self._call("abort_multipart_upload", self._key, upload)

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._client.call(method, self._wait(), self._name, self._bucket, *arguments, **options)


def _digest(data: bytes) -> Dict[str, str]:
    return {"Content-MD5": base64.b64encode(hashlib.md5(data).digest()).decode()}  # noqa: S324 the store's choice
