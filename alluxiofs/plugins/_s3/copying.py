"""Copying objects within the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping

from alluxiofs.interfaces import Deadline, Entry
from alluxiofs.plugins._s3.client import bucket_and_key

if TYPE_CHECKING:
    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["CARRIED", "LARGEST_COPY", "carried", "copy_object", "origin_of", "spans"]

_COPIED = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
)
_LEFT = ("StorageClass", "WebsiteRedirectLocation")  # what a copy by the store leaves behind unless it is said anew
_OF_THE_BUCKET = ("BucketKeyEnabled", "SSEKMSKeyId", "ServerSideEncryption")  # another bucket has its own

CARRIED = (*_COPIED, *_LEFT, *_OF_THE_BUCKET)
"""Of what the store says of an object, what stays when it is made anew of its own content."""

LARGEST_COPY = 5 * 2**30
"""Bytes that one request can copy."""

_PART = 512 * 2**20
_MOST_PARTS = 5_000  # half of what an object may have: an append needs some for what it adds


def carried(said: Mapping[str, Any], *, same_bucket: bool = True, copied: bool = False) -> Dict[str, Any]:
    """What an object that is made anew is to say of itself, as parameters of the request that makes it.

    Parameters
    ----------
    said:
        What the store says of the old one.
    same_bucket:
        Whether it stays in its bucket: another one has its own encryption.
    copied:
        Whether the store copies it, and with it what it says of itself but for a few things.
    """
    fields = [*_LEFT] if copied else [*_COPIED, *_LEFT]
    return {field: said[field] for field in [*fields, *(_OF_THE_BUCKET * same_bucket)] if said.get(field)}


def copy_object(client: S3Client, source: Entry, target: str, deadline: Deadline) -> None:
    """Copy one version of an object of no more than :data:`LARGEST_COPY` to a name; onto itself it gets a new time.

    Raises
    ------
    FileChangedError
        If the source is of another version by now.
    """
    bucket, key = bucket_and_key(target)
    if source.name == target:  # this must change something: what it says of itself is said anew
        said = {"MetadataDirective": "REPLACE", **carried(source.extra)}
    else:
        same = bucket == bucket_and_key(source.name)[0]
        said = carried(source.extra, same_bucket=same, copied=True)
    client.call("copy_object", deadline, source.name, Bucket=bucket, Key=key, **origin_of(source), **said)


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
