"""The under store ``s3``: Amazon S3 and whatever speaks its protocol, on s3fs."""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterator, List, Optional, Tuple, Union

from attrs import define

from alluxiofs.errors import NotSupportedError
from alluxiofs.interfaces import Context, Deadline, Entry, Target, Version, Writer
from alluxiofs.interfaces.values import UNSETTLED
from alluxiofs.plugins._fsspec.appending import pour
from alluxiofs.plugins._fsspec.identity import store_identity
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._fsspec.versions import epoch
from alluxiofs.plugins._objects.settings import PartsSettings
from alluxiofs.plugins._objects.store import Keys, ObjectStore
from alluxiofs.plugins._s3.appending import Appending
from alluxiofs.plugins._s3.client import S3Client, bucket_and_key
from alluxiofs.plugins._s3.copying import LARGEST_COPY, carried, copy_object
from alluxiofs.plugins._s3.failures import refused
from alluxiofs.plugins._s3.listing import listed
from alluxiofs.plugins._s3.objects import Objects
from alluxiofs.plugins._s3.writer import S3Writer

__all__ = ["S3UnderStore"]

_SIGNING = 60.0


class S3UnderStore(ObjectStore):
    """Amazon S3, and whatever else speaks its protocol.

    A version is ETag, length and time of change in whole seconds, and reads are on condition of the ETag. A directory
    is what the keys under it have in common; one without a key under it does not exist, and making it does nothing.
    """

    name = "s3"
    protocols = ("s3", "s3a")
    scheme = "s3"

    @define(frozen=True)
    class Settings(PartsSettings):
        """How objects are written.

        Parameters
        ----------
        part_size:
            Bytes that are sent at a time; a larger object is uploaded in parts. At least 5 MB.
        """

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self._client = S3Client(target)
        self._objects = Objects(self._client)

    def identity(self) -> str:
        return _identity_at(self._client.endpoint)

    def sign(self, name: str, expiration: int) -> str:
        bucket, key = bucket_and_key(name)
        made = self._client.connected(Deadline.after(_SIGNING))

        async def presigned(_send: object) -> str:
            client = await made.get_s3(bucket)
            parameters = {"Bucket": bucket, "Key": key}
            url: str = await client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expiration)
            return url

        return self._client.run(presigned, Deadline.after(_SIGNING), name)

    def close(self) -> None:
        self._objects.close()
        self._client.close()

    # --- the requests -------------------------------------------------------------------------------------------

    def _split(self, name: str) -> Tuple[str, str]:
        return bucket_and_key(name)

    def _forget(self, name: str) -> None:
        self._client.forget(name)

    def _object(self, name: str, bucket: str, key: str, deadline: Deadline) -> Entry:
        return self._objects.entry(name, deadline)

    def _end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[Tuple[Entry, int, bytes]]:
        found = self._objects.end(name, length, from_end, deadline)
        if found is None or not (found[0].version.tag or "").startswith(UNSETTLED):
            return found
        # Another content within the same tick would look like this one: read it when no such can come any more.
        entry, start, data = found
        again = bytearray(len(data))
        self.read_into(name, entry.version, start, memoryview(again), deadline)
        return entry, start, bytes(again)

    def _fill(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        self._objects.fill(name, version, offset, view, deadline)

    def _listed(self, keys: Keys, deadline: Deadline) -> Iterator[Union[Entry, str]]:
        return listed(self._client, keys, deadline)

    def _buckets(self, deadline: Deadline) -> Iterator[Entry]:
        for bucket in self._client.call("list_buckets", deadline, "/").get("Buckets", ()):
            yield Entry(bucket["Name"], "directory", 0, created=epoch(bucket.get("CreationDate")))

    def _make_bucket(self, bucket: str, deadline: Deadline) -> None:
        region = self._client.region
        where = (
            {"CreateBucketConfiguration": {"LocationConstraint": region}} if region not in (None, "us-east-1") else {}
        )
        self._client.call("create_bucket", deadline, bucket, Bucket=bucket, **where)

    def _remove_bucket(self, bucket: str, deadline: Deadline) -> None:
        self._client.call("delete_bucket", deadline, bucket, Bucket=bucket)

    def _remove_keys(self, bucket: str, keys: List[str], deadline: Deadline) -> None:
        if len(keys) == 1:
            self._client.call("delete_object", deadline, f"{bucket}/{keys[0]}", Bucket=bucket, Key=keys[0])
            return
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self._client.call("delete_objects", deadline, bucket, Bucket=bucket, Delete=objects)
        failures = answer.get("Errors") or ()
        for failure in failures:
            code, message = str(failure.get("Code") or ""), str(failure.get("Message") or "")
            if len(failures) > 1:
                message = f"{message or 'no message'}; {len(failures) - 1} more were not removed either"
            raise refused(code, message, 0, f"{bucket}/{failure.get('Key')}")
        deadline.progress()

    def _copy_object(self, source: Entry, target: str, deadline: Deadline) -> None:
        # In the name of a copy's source some stores take this for the version to copy, however it is quoted.
        by_store = "?versionId=" not in source.name
        if by_store and (source.size or 0) <= LARGEST_COPY:
            copy_object(self._client, source, target, deadline)
            return
        if source.name == target:
            reason = "an object of more than 5 GB" if by_store else "a key like this cannot be copied onto itself, and"
            raise NotSupportedError(f"{target}: {reason} gets no new time")
        source = self.stat(source.name, deadline)  # listings do not tell all that it says of itself
        same = bucket_and_key(source.name)[0] == bucket_and_key(target)[0]
        writer = S3Writer(
            self._client,
            target,
            self.settings,
            said=carried(source.extra, same_bucket=same),
            size_hint=source.size,
        )
        timeout = writer.patience = deadline.wait()
        try:
            if by_store:
                writer.copy(source)
            else:
                pour(self, source, writer, block=self._block, timeout=timeout)
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def _append(self, name: str, old: Optional[Entry], spool: Spool, timeout: float) -> None:
        Appending(self, self._client, name, self.settings).attempt(old, spool, timeout)

    def _writer(self, name: str, check_free: Callable[[], None], exclusive: bool, size_hint: Optional[int]) -> Writer:
        return S3Writer(self._client, name, self.settings, check_free, exclusive=exclusive, size_hint=size_hint)


@functools.lru_cache(maxsize=64)  # it is asked for with each open
def _identity_at(endpoint: str) -> str:
    return store_identity("s3", {"endpoint_url": endpoint} if endpoint else {})
