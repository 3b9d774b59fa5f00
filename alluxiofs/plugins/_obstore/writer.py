"""Writing an object: small ones in one request, on a condition if there is one, larger ones in parts."""

from __future__ import annotations

import contextlib
import io
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._objects.store import bucket_and_key
from alluxiofs.plugins._objects.writer import ObjectWriter
from alluxiofs.plugins._obstore.client import Bucket, ObstoreClient

__all__ = ["ObstoreWriter", "put"]

Mode = Union[str, Mapping[str, Any]]


def put(
    client: ObstoreClient, name: str, data: Any, timeout: float, mode: Mode = "overwrite", said: Optional[Any] = None
) -> None:
    """Write an object in one request.

    Parameters
    ----------
    client, name:
        Whose object it is.
    data:
        All of it.
    timeout:
        Seconds that the request may take.
    mode:
        ``"overwrite"``; ``"create"``: only if there is none; or the ``e_tag`` and ``version`` of the one to replace.
    said:
        What the object is to say of itself (its attributes).
    """
    bucket, key = bucket_and_key(name)

    def work(found: Bucket) -> None:
        # Sent again after a failure it would be refused by what it wrote itself the first time.
        store = found.store if mode == "overwrite" else found.once
        found.library.put(store, key, data, mode=mode, use_multipart=False, attributes=said)

    client.call(bucket, work, Deadline.after(timeout), name)


class ObstoreWriter(ObjectWriter):
    """Collects what comes, and hands it to the library when that is more than one request is for.

    Parameters
    ----------
    client:
        Whose object it is.
    name, whole, part_size, size_hint, timeout:
        As for every writer of objects.
    check:
        Raises what speaks against the commit: asked right before it.
    exclusive:
        There must be no such object. What fits in one request is on that condition; of an upload in parts only
        ``check`` is asked.
    in_flight:
        Parts on their way at a time.
    said:
        What the object is to say of itself (its attributes).
    """

    def __init__(
        self,
        client: ObstoreClient,
        name: str,
        check: Callable[[], None],
        *,
        exclusive: bool = False,
        whole: int,
        part_size: int,
        size_hint: Optional[int] = None,
        in_flight: int,
        timeout: float,
        said: Optional[Any] = None,
    ) -> None:
        super().__init__(
            name, exclusive=exclusive, whole=whole, part_size=part_size, size_hint=size_hint, timeout=timeout
        )
        self._client = client
        self._bucket, self._key = bucket_and_key(name)
        self._check = check
        self._in_flight = in_flight
        self._said = said
        self._upload: List[Any] = []  # the library's own writer, once there is one

    # --- the requests -------------------------------------------------------------------------------------------

    def _put(self, data: io.BytesIO) -> None:
        self._check()
        mode = "create" if self._exclusive else "overwrite"
        put(self._client, self._name, data.getvalue(), self._wait().wait(), mode, self._said)

    def _send(self, part: io.BytesIO) -> None:
        if not self._upload:
            self._upload.append(self._run(self._begin))
        upload, data = self._upload[0], part.getvalue()
        self._once(lambda _: upload.write(data))

    def _complete(self, last: io.BytesIO) -> None:
        self._send(last)
        self._check()
        upload = self._upload.pop()
        self._once(lambda _: upload.close())  # which gives the upload up if it fails

    def _discard(self) -> None:
        if self._upload:
            upload = self._upload.pop()
            given_up = RuntimeError("given up")
            with contextlib.suppress(Exception):
                self._run(lambda _: upload.__exit__(RuntimeError, given_up, None))

    def _begin(self, bucket: Bucket) -> Any:
        options: Dict[str, Any] = {"buffer_size": self._part_size, "max_concurrency": self._in_flight}
        if self._said is not None:
            options["attributes"] = self._said
        return bucket.library.open_writer(bucket.store, self._key, **options)

    def _run(self, work: Callable[[Bucket], Any]) -> Any:
        return self._client.call(self._bucket, work, self._wait(), self._name)

    def _once(self, work: Callable[[Bucket], Any]) -> None:
        """What is not tried again with new credentials: the library's writer has those that it began with, is closed by
        its first failure, and may have taken the bytes."""
        deadline = self._wait()
        self._client.finish(self._client.start(self._bucket, work, deadline), deadline, self._name)
