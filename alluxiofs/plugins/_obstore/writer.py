"""Writing an object: small ones in one request, on a condition if there is one, larger ones in parts."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from alluxiofs.errors import FileChangedError, exists
from alluxiofs.interfaces import Deadline, Writer
from alluxiofs.plugins._objects.store import bucket_and_key
from alluxiofs.plugins._obstore.client import Bucket, ObstoreClient

__all__ = ["ObstoreWriter", "put"]

_MOST_PARTS = 10_000

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


class ObstoreWriter(Writer):
    """Collects what comes, and sends it when that is more than one request is for.

    Parameters
    ----------
    client, name:
        Whose object it is.
    check:
        Raises what speaks against the commit: asked right before it.
    exclusive:
        There must be no such object. What fits in one request is on that condition; of an upload in parts only
        ``check`` is asked.
    whole:
        Bytes up to which there is one request.
    part_size, size_hint:
        Bytes of a part, and of the whole, where known.
    in_flight:
        Parts on their way at a time.
    timeout:
        Seconds that one step may take, if :attr:`patience` is no less.
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
        self._client = client
        self._name = name
        self._bucket, self._key = bucket_and_key(name)
        self._check = check
        self._exclusive = exclusive
        self._whole = whole
        self._part_size = max(part_size, -(-(size_hint or 0) // _MOST_PARTS))
        self._in_flight = in_flight
        self._timeout = timeout
        self._said = said
        self._buffer = bytearray()
        self._upload: List[Any] = []  # the library's own writer, once there is one
        self._ended = False

    def write(self, data: memoryview) -> None:
        if self._ended:
            raise ValueError("write to a file that was committed or given up")
        view = data.cast("B") if data.nbytes else data
        while view:
            room = max(self._part_size, 0 if self._upload else self._whole) - len(self._buffer)
            if not room:  # only now: what is no more than that is one request
                self._send()
                continue
            self._buffer += view[:room]
            view = view[room:]

    def commit(self) -> None:
        if self._ended:
            raise ValueError("a file can be committed once")
        try:
            self._check()
            if self._upload:
                self._send()
                upload = self._upload.pop()
                self._run(lambda _: upload.close())  # which gives the upload up if it fails
            else:
                self._put()
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

    def abort(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._buffer = bytearray()
        if self._upload:
            upload = self._upload.pop()
            given_up = RuntimeError("given up")
            with contextlib.suppress(Exception):
                self._run(lambda _: upload.__exit__(RuntimeError, given_up, None))

    def _put(self) -> None:
        mode = "create" if self._exclusive else "overwrite"
        put(self._client, self._name, bytes(self._buffer), self._wait(), mode, self._said)

    def _send(self) -> None:
        part, self._buffer = bytes(self._buffer), bytearray()
        if not self._upload:
            self._upload.append(self._run(self._begin))
        upload = self._upload[0]
        self._run(lambda _: upload.write(part))

    def _begin(self, bucket: Bucket) -> Any:
        options: Dict[str, Any] = {"buffer_size": self._part_size, "max_concurrency": self._in_flight}
        if self._said is not None:
            options["attributes"] = self._said
        return bucket.library.open_writer(bucket.store, self._key, **options)

    def _run(self, work: Callable[[Bucket], Any]) -> Any:
        return self._client.call(self._bucket, work, Deadline.after(self._wait()), self._name)

    def _wait(self) -> float:
        return min(self._timeout, self.patience)
