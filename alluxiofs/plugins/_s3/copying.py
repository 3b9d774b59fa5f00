"""Copying objects within the store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Dict, List

from alluxiofs.interfaces import Deadline, Entry
from alluxiofs.plugins._s3.client import bucket_and_key

if TYPE_CHECKING:
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["LARGEST_COPY", "copy_object"]

LARGEST_COPY = 5 * 2**30
"""Bytes that one request can copy."""

_PART = 512 * 2**20
_GIVING_UP = 30.0


def copy_object(client: S3Client, source: Entry, target: str, deadline: Deadline) -> None:
    """Copy one version of an object to a name; each request that was answered counts as progress.

    Raises
    ------
    FileChangedError
        If the source is of another version by now.
    """
    bucket, key = bucket_and_key(target)
    from_bucket, from_key = bucket_and_key(source.name)
    place = {"Bucket": bucket, "Key": key}
    origin: Dict[str, Any] = {"CopySource": {"Bucket": from_bucket, "Key": from_key}}
    if source.version.tag is not None:
        origin["CopySourceIfMatch"] = source.version.tag.partition(":")[2]
    if (source.size or 0) <= LARGEST_COPY:
        client.call("copy_object", deadline, source.name, **place, **origin)
    else:
        _copy_in_parts(client, source, place, origin, deadline)
    deadline.progress()
    client.forget(target)


def _copy_in_parts(
    client: S3Client, source: Entry, place: Dict[str, str], origin: Dict[str, Any], deadline: Deadline
) -> None:
    name, size = source.name, source.size or 0
    upload = client.call("create_multipart_upload", deadline, name, **place)["UploadId"]
    place = {**place, "UploadId": upload}
    parts: List[Dict[str, Any]] = []
    try:
        for number, start in enumerate(range(0, size, _PART), 1):
            span = f"bytes={start}-{min(start + _PART, size) - 1}"
            answer = client.call(
                "upload_part_copy", deadline, name, **place, **origin, CopySourceRange=span, PartNumber=number
            )
            parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
            deadline.progress()
        client.call("complete_multipart_upload", deadline, name, **place, MultipartUpload={"Parts": parts})
    except BaseException:
        with contextlib.suppress(Exception):  # what led here matters more
            client.call("abort_multipart_upload", Deadline.after(_GIVING_UP), name, **place)
        raise
