"""Copying objects within the store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Dict, Iterator, List

from alluxiofs.interfaces import Deadline, Entry
from alluxiofs.plugins._s3.client import bucket_and_key

if TYPE_CHECKING:
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["CARRIED", "LARGEST_COPY", "copy_object", "origin_of", "spans"]

CARRIED = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Metadata",
    "StorageClass",
)
"""Of what the store says of an object, what stays when it is made anew of its own content."""

LARGEST_COPY = 5 * 2**30
"""Bytes that one request can copy."""

_PART = 512 * 2**20
_MOST_PARTS = 5_000  # half of what an object may have: an append needs some for what it adds
_GIVING_UP = 30.0


def copy_object(client: S3Client, source: Entry, target: str, deadline: Deadline) -> None:
    """Copy one version of an object to a name; each request that was answered counts as progress.

    Raises
    ------
    FileChangedError
        If the source is of another version by now.
    """
    bucket, key = bucket_and_key(target)
    place = {"Bucket": bucket, "Key": key}
    origin = origin_of(source)
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
        for number, span in enumerate(spans(size), 1):
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


def origin_of(source: Entry) -> Dict[str, Any]:
    """The parameters of a request that copies a version of an object."""
    bucket, key = bucket_and_key(source.name)
    origin: Dict[str, Any] = {"CopySource": {"Bucket": bucket, "Key": key}}
    if source.version.tag is not None:
        origin["CopySourceIfMatch"] = source.version.tag.partition(":")[2]
    return origin


def spans(size: int) -> Iterator[str]:
    """The ranges that an object is copied in, of equal length but for the last, which is no shorter than 5 MiB unless
    the object is: only the last part of an upload may be shorter, and it need not be the last."""
    count = min(-(-size // _PART), _MOST_PARTS)
    length = -(-size // max(count, 1))
    for start in range(0, size, max(length, 1)):
        yield f"bytes={start}-{min(start + length, size) - 1}"
