"""The under store ``s3``: Amazon S3 and whatever speaks its protocol, on s3fs."""

from __future__ import annotations

import errno
import functools
import os
from typing import Any, Iterator, List, Optional, Tuple

from attrs import define

from alluxiofs.errors import (
    BadAnswerError,
    FileChangedError,
    NotSupportedError,
    denied,
    exists,
    is_a_directory,
    not_a_directory,
    not_found,
)
from alluxiofs.interfaces import Context, Deadline, Entry, Target, UnderStore, UnderStoreCapabilities, Version, Writer
from alluxiofs.interfaces.values import UNSETTLED
from alluxiofs.plugins._fsspec.appending import RewritingWriter, pour
from alluxiofs.plugins._fsspec.identity import store_identity
from alluxiofs.plugins._fsspec.names import check, contained, split_scheme
from alluxiofs.plugins._fsspec.versions import epoch, wait_until_settled
from alluxiofs.plugins._s3.appending import Appending
from alluxiofs.plugins._s3.client import S3Client, bucket_and_key
from alluxiofs.plugins._s3.copying import LARGEST_COPY, carried, copy_object
from alluxiofs.plugins._s3.entries import file_entry
from alluxiofs.plugins._s3.failures import refused
from alluxiofs.plugins._s3.listing import listed
from alluxiofs.plugins._s3.objects import Objects
from alluxiofs.plugins._s3.writer import S3Writer
from alluxiofs.settings.types import Seconds, Size

__all__ = ["S3UnderStore"]

_SIGNING = 60.0
_KEYS_AT_ONCE = 1000  # what one request may remove


class S3UnderStore(UnderStore):
    """Amazon S3, and whatever else speaks its protocol.

    A version is ETag, length and time of change in whole seconds, and reads are on condition of the ETag. A directory
    is what the keys under it have in common; one without a key under it does not exist, and making it does nothing.
    """

    name = "s3"
    protocols = ("s3", "s3a")
    capabilities = UnderStoreCapabilities(
        version=("tag", "length", "mtime"),
        conditional_read=True,
        directories=False,
        native_copy=True,
        recursive_list=True,
        stat_and_read=True,
    )

    @define(frozen=True)
    class Settings:
        """How objects are written.

        Parameters
        ----------
        part_size:
            Bytes that are sent at a time; a larger object is uploaded in parts. At least 5 MB.
        parts_in_flight:
            Parts of one object on their way at a time.
        write_timeout:
            Seconds that one request may take while an object is written.
        """

        part_size: Size = Size("8MB")
        parts_in_flight: int = 3
        write_timeout: Seconds = Seconds(120)

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self._client = S3Client(target)
        self._objects = Objects(self._client)

    # --- names ------------------------------------------------------------------------------------------------

    def strip(self, path: str) -> str:
        _, name = split_scheme(check(path), self.protocols)
        return contained(name.strip("/"))

    def url(self, name: str) -> str:
        return f"s3://{name}"

    def identity(self) -> str:
        return _identity_at(self._client.endpoint)

    # --- reading ----------------------------------------------------------------------------------------------

    def stat(self, name: str, deadline: Deadline) -> Entry:
        if not name:
            return Entry(name, "directory", 0)
        if bucket_and_key(name)[1]:
            try:
                return self._objects.entry(name, deadline)
            except FileNotFoundError:
                pass
        return self._directory(name, deadline)

    def stat_and_read(
        self, name: str, length: int, deadline: Deadline, *, from_end: bool = False
    ) -> Tuple[Entry, int, bytes]:
        key = bucket_and_key(name)[1]
        if not key or length <= 0:
            return self.stat(name, deadline), 0, b""
        try:
            found = self._objects.end(name, length, from_end, deadline)
        except FileNotFoundError:
            return self._directory(name, deadline), 0, b""
        if found is None:
            entry = self.stat(name, deadline)
            if entry.size:
                raise BadAnswerError(f"{name}: no byte of it was to be had, though it has {entry.size}")
            return entry, 0, b""
        entry, start, data = found
        if (entry.version.tag or "").startswith(UNSETTLED):
            # Another content within the same tick would look like this one: read it when no such can come any more.
            again = bytearray(len(data))
            self.read_into(name, entry.version, start, memoryview(again), deadline)
            data = bytes(again)
        return entry, start, data

    def _directory(self, name: str, deadline: Deadline) -> Entry:
        """What is there if no object is."""
        bucket, key = bucket_and_key(name)
        prefix = {"Prefix": f"{key}/"} if key else {}
        listing = self._client.call("list_objects_v2", deadline, name, Bucket=bucket, MaxKeys=1, **prefix)
        if key and not listing.get("KeyCount", len(listing.get("Contents", ()))):
            raise not_found(name)
        return Entry(name, "directory", 0)

    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        if not name:
            yield from self._buckets(deadline, recursive)
            return
        bucket, key = bucket_and_key(name)
        found = not key
        for item in listed(self._client, name, deadline, delimiter="" if recursive else "/"):
            found = True
            own = f"{bucket}/{item.get('Key') or item['Prefix']}"
            if "Prefix" in item:
                own = own[:-1]
                if own.endswith("/"):
                    continue  # keys with an empty part are read by name; a directory without a name is none
                yield Entry(own, "directory", 0)
            elif not own.endswith("/"):  # a key that ends so only marks a directory
                yield file_entry(own, item, item.get("Size"))
        if not found:
            entry = self.stat(name, deadline)
            if entry.is_file:
                yield entry

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        if not len(view):
            return
        wait_until_settled(version, deadline)
        try:
            self._objects.fill(name, version, offset, view, deadline)
        except (FileChangedError, FileNotFoundError):
            self._client.forget(name)
            raise

    # --- writing ----------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        timeout = min(self.settings.write_timeout, patience)
        self._check_key(name, Deadline.after(timeout))

        def check_free() -> None:
            if exclusive and self._exists(name, Deadline.after(timeout)):
                raise exists(name)

        check_free()
        writer = S3Writer(
            self._client,
            name,
            check_free,
            exclusive=exclusive,
            part_size=self.settings.part_size,
            size_hint=size_hint,
            in_flight=self.settings.parts_in_flight,
            timeout=self.settings.write_timeout,
        )
        writer.patience = patience
        return writer

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        """A new object of the old content and the new, on condition that the old one is what it was."""
        self._check_key(name, Deadline.after(min(self.settings.write_timeout, patience)))
        appending = Appending(self, self._client, name, self.settings)
        return RewritingWriter(self, name, appending.attempt, self.settings.write_timeout, patience)

    def remove(self, name: str, deadline: Deadline) -> None:
        if not self.stat(name, deadline).is_file:
            raise is_a_directory(name)
        self._remove_key(name, deadline)

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        if not name:
            raise denied("/", "all buckets at once cannot be removed")
        if self.stat(name, deadline).is_file:
            raise not_a_directory(name)
        bucket, key = bucket_and_key(name)
        marker = f"{key}/" if key else ""
        keys: List[str] = []
        for item in listed(self._client, name, deadline, delimiter=""):
            if not recursive and item["Key"] != marker:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
            keys.append(item["Key"])
            if len(keys) == _KEYS_AT_ONCE:
                self._remove_keys(bucket, keys, deadline)
                keys = []
        if keys:
            self._remove_keys(bucket, keys, deadline)
        if not key:
            self._client.call("delete_bucket", deadline, name, Bucket=bucket)
        self._client.forget(name)

    def make_directory(self, name: str, deadline: Deadline, parents: bool = True, exist_ok: bool = True) -> None:
        try:
            found = self.stat(name, deadline)
        except FileNotFoundError:
            bucket, key = bucket_and_key(name)
            if not key or (parents and not self._exists(bucket, deadline)):
                self._make_bucket(bucket, deadline)
            elif not parents:
                self.stat(self.parent(name), deadline)
            return
        if found.is_file or not exist_ok:
            raise exists(name)

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        """Copy, then remove: all is there before anything is gone here."""
        entry = self.stat(source, deadline)
        if source == target:
            return
        if entry.is_file:
            self._copy(entry, target, deadline)
            self._remove_key(source, deadline)
            return
        if f"{target}/".startswith(f"{source}/"):
            raise OSError(errno.EINVAL, "a directory cannot be moved into itself", source)
        for file in self.list(source, deadline, recursive=True):
            self._copy(file, target + file.name[len(source) :], deadline)
        self.remove_directory(source, deadline, recursive=True)

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        entry = self.stat(source, deadline)
        if not entry.is_file:
            raise is_a_directory(source)
        if source != target:
            self._copy(entry, target, deadline)

    def touch(self, name: str, deadline: Deadline, truncate: bool = True) -> None:
        if truncate or not self._exists(name, deadline):
            self.create(name, patience=deadline.wait()).commit()
            return
        if "?versionId=" in name:
            raise NotSupportedError(f"{name}: a key like this cannot be copied onto itself, so it gets no new time")
        # An object gets a new time by being copied onto itself, which must change something: what it says of itself is
        # said anew.
        bucket, key = bucket_and_key(name)
        head = self._client.call("head_object", deadline, name, Bucket=bucket, Key=key)
        if head["ContentLength"] > LARGEST_COPY:
            raise NotSupportedError(f"{name}: an object of more than 5 GB cannot get a new time")
        self._client.call(
            "copy_object",
            deadline,
            name,
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": bucket, "Key": key},
            CopySourceIfMatch=head["ETag"],
            MetadataDirective="REPLACE",
            **carried(head),
        )
        self._client.forget(name)

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

    # --- within -----------------------------------------------------------------------------------------------

    def _check_key(self, name: str, deadline: Deadline) -> None:
        """That a file may be called so; of a bucket, that is a directory if there is one."""
        if not bucket_and_key(name)[1]:
            self.stat(name, deadline)
            raise is_a_directory(name or "/")

    def _copy(self, source: Entry, target: str, deadline: Deadline) -> None:
        self._check_key(target, deadline)
        # In the name of a copy's source some stores take this for the version to copy, however it is quoted.
        by_store = "?versionId=" not in source.name
        if by_store and (source.size or 0) <= LARGEST_COPY:
            copy_object(self._client, source, target, deadline)
            return
        source = self.stat(source.name, deadline)  # listings do not tell all that it says of itself
        same = bucket_and_key(source.name)[0] == bucket_and_key(target)[0]
        writer = S3Writer(
            self._client,
            target,
            lambda: None,
            exclusive=False,
            said=carried(source.extra, same_bucket=same),
            part_size=self.settings.part_size,
            size_hint=source.size,
            in_flight=self.settings.parts_in_flight,
            timeout=self.settings.write_timeout,
        )
        timeout = writer.patience = deadline.wait()
        try:
            if by_store:
                writer.copy(source)
            else:
                pour(self, source, writer, block=self.settings.part_size, timeout=timeout)
            writer.commit()
        except BaseException:
            writer.abort()
            raise
        deadline.progress()

    def _exists(self, name: str, deadline: Deadline) -> bool:
        try:
            self.stat(name, deadline)
        except FileNotFoundError:
            return False
        return True

    def _buckets(self, deadline: Deadline, recursive: bool) -> Iterator[Entry]:
        answer = self._client.call("list_buckets", deadline, "/")
        for bucket in answer.get("Buckets", ()):
            entry = Entry(bucket["Name"], "directory", 0, created=epoch(bucket.get("CreationDate")))
            if recursive:
                yield from self.list(entry.name, deadline, recursive=True)
            else:
                yield entry

    def _make_bucket(self, bucket: str, deadline: Deadline) -> None:
        region = self._client.region
        where = (
            {"CreateBucketConfiguration": {"LocationConstraint": region}} if region not in (None, "us-east-1") else {}
        )
        self._client.call("create_bucket", deadline, bucket, Bucket=bucket, **where)
        self._client.forget(bucket)

    def _remove_key(self, name: str, deadline: Deadline) -> None:
        bucket, key = bucket_and_key(name)
        self._client.call("delete_object", deadline, name, Bucket=bucket, Key=key)
        self._client.forget(name)

    def _remove_keys(self, bucket: str, keys: List[str], deadline: Deadline) -> None:
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self._client.call("delete_objects", deadline, bucket, Bucket=bucket, Delete=objects)
        failures = answer.get("Errors") or ()
        for failure in failures:
            code, message = str(failure.get("Code") or ""), str(failure.get("Message") or "")
            if len(failures) > 1:
                message = f"{message or 'no message'}; {len(failures) - 1} more were not removed either"
            raise refused(code, message, 0, f"{bucket}/{failure.get('Key')}")
        deadline.progress()


@functools.lru_cache(maxsize=64)  # it is asked for with each open
def _identity_at(endpoint: str) -> str:
    return store_identity("s3", {"endpoint_url": endpoint} if endpoint else {})
