"""The under store ``oss``: Alibaba Cloud's Object Storage Service, on ossfs."""

from __future__ import annotations

import contextlib
import errno
import functools
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from attrs import define

from alluxiofs.errors import BadAnswerError, NotSupportedError
from alluxiofs.interfaces import Context, Deadline, Entry, Target, Version, Writer
from alluxiofs.plugins._fsspec.appending import check_unchanged, pour, rewrite
from alluxiofs.plugins._fsspec.identity import store_identity
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._fsspec.versions import epoch
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._objects.settings import PartsSettings
from alluxiofs.plugins._objects.store import Keys, ObjectStore, bucket_and_key
from alluxiofs.plugins._oss.client import OssClient
from alluxiofs.plugins._oss.reading import CARRIED, entry_of, fetch, fetch_end, told
from alluxiofs.plugins._oss.writer import OssWriter

__all__ = ["OssUnderStore"]

_SIGNING = 60.0
_GIVING_UP = 30.0
_PAGE = 1000  # keys of a listing, the most there are
_LARGEST_COPY = 2**30  # bytes that one request can copy
_COPIED_PART = 512 * 2**20


class OssUnderStore(ObjectStore):
    """Alibaba Cloud's Object Storage Service.

    A version is ETag, length and time of change in whole seconds, and reads are on condition of the ETag. A directory
    is what the keys under it have in common; one without a key under it does not exist, and making it does nothing.
    """

    name = "oss"
    protocols = ("oss",)
    scheme = "oss"

    @define(frozen=True)
    class Settings(PartsSettings):
        """How objects are written.

        Parameters
        ----------
        part_size:
            Bytes that are sent at a time; a larger object is uploaded in parts. At least 100 KB.
        """

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self._client = OssClient(target)

    def identity(self) -> str:
        return store_identity("oss", {"endpoint": self._client.endpoint.partition("://")[2] or self._client.endpoint})

    def sign(self, name: str, expiration: int) -> str:
        bucket, key = bucket_and_key(name)
        deadline = Deadline.after(_SIGNING)
        return str(self._client.call("sign_url", deadline, name, bucket, "GET", key, expiration, slash_safe=True))

    def close(self) -> None:
        self._client.close()

    # --- the requests -------------------------------------------------------------------------------------------

    def _object(self, name: str, bucket: str, key: str, deadline: Deadline) -> Entry:
        headers = self._client.call("head_object", deadline, name, bucket, key).resp.headers
        length = headers.get("Content-Length")
        if length is None or not length.isdigit():
            raise BadAnswerError(f"{name}: the store does not say how long it is")
        return entry_of(name, int(length), headers.get("ETag"), headers.get("Last-Modified"), headers)

    def _end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[Tuple[Entry, int, bytes]]:
        return self._client.run(lambda: fetch_end(self._client, name, length, from_end, deadline), deadline, name)

    def _fill(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        destination = Destination(view, deadline)
        self._client.run(
            lambda: fetch(self._client, name, version, offset, destination, deadline), deadline, name, destination
        )

    def _listed(self, keys: Keys, deadline: Deadline) -> Iterator[Union[Entry, str]]:
        name = f"{keys.bucket}/{keys.prefix}".rstrip("/")
        token, limit = "", keys.limit or _PAGE
        while True:
            page = self._client.call(
                "list_objects_v2",
                deadline,
                name,
                keys.bucket,
                prefix=keys.prefix,
                delimiter=keys.delimiter,
                continuation_token=token,
                max_keys=limit,
            )
            yield from page.prefix_list
            for found in page.object_list:
                shown = {
                    "ETag": found.etag,
                    "x-oss-object-type": found.type,
                    "x-oss-storage-class": found.storage_class,
                }
                yield entry_of(f"{keys.bucket}/{found.key}", found.size, found.etag, found.last_modified, shown)
            if not page.is_truncated or (keys.limit is not None and (page.prefix_list or page.object_list)):
                return
            if not page.next_continuation_token or page.next_continuation_token == token:
                raise BadAnswerError(f"{name}: a listing that is not at its end says no way to go on")
            token, limit = page.next_continuation_token, _PAGE
            deadline.progress()

    def _buckets(self, deadline: Deadline) -> Iterator[Entry]:
        marker = ""
        while True:
            page = self._client.call("list_buckets", deadline, "/", "", marker=marker, max_keys=_PAGE)
            for bucket in page.buckets:
                yield Entry(bucket.name, "directory", 0, created=epoch(bucket.creation_date))
            if not page.is_truncated:
                return
            marker = page.next_marker
            deadline.progress()

    def _make_bucket(self, bucket: str, deadline: Deadline) -> None:
        self._client.call("create_bucket", deadline, bucket, bucket, again=False)

    def _remove_bucket(self, bucket: str, deadline: Deadline) -> None:
        self._client.call("delete_bucket", deadline, bucket, bucket)

    def _remove_keys(self, bucket: str, keys: List[str], deadline: Deadline) -> None:
        if len(keys) == 1:
            self._client.call("delete_object", deadline, f"{bucket}/{keys[0]}", bucket, keys[0])
            return
        answer = self._client.call("batch_delete_objects", deadline, bucket, bucket, keys)
        left = set(keys) - set(answer.deleted_keys)
        if left:  # the answer names what was removed, and gives no reason for the rest
            raise OSError(errno.EIO, f"{len(left)} objects were not removed", f"{bucket}/{min(left)}")
        deadline.progress()

    def _copy_object(self, source: Entry, target: str, deadline: Deadline) -> None:
        if "?versionId=" in source.name:
            # In the name of a copy's source this can be taken for the version to copy, however it is quoted.
            self._copy_by_hand(source, target, deadline)
            return
        from_bucket, from_key = bucket_and_key(source.name)
        bucket, key = bucket_and_key(target)
        condition = {}
        tag = (source.version.tag or "").partition(":")[2]
        if tag:
            condition["x-oss-copy-source-if-match"] = tag if tag.startswith('"') else f'"{tag}"'
        if (source.size or 0) > _LARGEST_COPY:
            if source.name == target:
                raise NotSupportedError(f"{target}: an object of more than 1 GB cannot get a new time")
            self._copy_in_parts(source, target, condition, deadline)
            return
        same: Dict[str, str] = {}
        if source.name == target:  # this must change something: what is said of it is said anew
            same = {**_said(self._object(target, bucket, key, deadline)), "x-oss-metadata-directive": "REPLACE"}
        self._client.call(
            "copy_object", deadline, source.name, bucket, from_bucket, from_key, key, headers={**condition, **same}
        )

    def _copy_by_hand(self, source: Entry, target: str, deadline: Deadline) -> None:
        said = _said(self._object(source.name, *bucket_and_key(source.name), deadline))
        writer = OssWriter(self._client, target, self.settings, said=said, size_hint=source.size)
        timeout = writer.patience = deadline.wait()
        try:
            pour(self, source, writer, block=self._block, timeout=timeout)
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def _copy_in_parts(self, source: Entry, target: str, condition: Dict[str, str], deadline: Deadline) -> None:
        from oss2.models import PartInfo

        from_bucket, from_key = bucket_and_key(source.name)
        bucket, key = bucket_and_key(target)
        size, name = source.size or 0, source.name
        said = _said(self._object(name, from_bucket, from_key, deadline))  # which the store copies with the whole only
        upload = self._client.call("init_multipart_upload", deadline, target, bucket, key, headers=said).upload_id
        parts = []
        try:
            for number, start in enumerate(range(0, size, _COPIED_PART), 1):
                span = (start, min(start + _COPIED_PART, size) - 1)
                arguments = (from_bucket, from_key, span, key, upload, number)
                answer = self._client.call("upload_part_copy", deadline, name, bucket, *arguments, headers=condition)
                parts.append(PartInfo(number, answer.etag))
                deadline.progress()
            self._client.call("complete_multipart_upload", deadline, target, bucket, key, upload, parts)
        except BaseException:
            with contextlib.suppress(Exception):  # what led here matters more
                giving_up = Deadline.after(_GIVING_UP)
                self._client.call("abort_multipart_upload", giving_up, target, bucket, key, upload)
            raise

    def _append(self, name: str, old: Optional[Entry], spool: Spool, timeout: float) -> None:
        """The new object says of itself what the old one did. A new name is taken on condition that it is free. The
        store has no condition for the content of what is replaced: that is looked at right before."""
        check = functools.partial(check_unchanged, self, name, old, timeout)
        said = {} if old is None else _said(old)
        writer = OssWriter(self._client, name, self.settings, check, exclusive=old is None, said=said)
        rewrite(self, old, writer, spool, block=self._block, timeout=timeout)

    def _writer(self, name: str, check_free: Callable[[], None], exclusive: bool, size_hint: Optional[int]) -> Writer:
        return OssWriter(self._client, name, self.settings, check_free, exclusive=exclusive, size_hint=size_hint)

    def _forget(self, name: str) -> None:
        self._client.forget(name)


def _said(entry: Entry) -> Dict[str, str]:
    """What an object says of itself, as headers of the request that makes it anew."""
    return {**{field: entry.extra[field] for field in CARRIED if entry.extra.get(field)}, **told(entry.extra)}
