"""Reading a range of one version of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional, Tuple

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Entry, Version
from alluxiofs.plugins._fsspec.versions import SECOND, epoch
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._objects.ranges import changed, check_range, end_of, length_of
from alluxiofs.plugins._objects.store import bucket_and_key

if TYPE_CHECKING:
    from alluxiofs.interfaces import Deadline
    from alluxiofs.plugins._oss.client import OssClient

__all__ = ["CARRIED", "entry_of", "fetch", "fetch_end", "told"]

_CHUNK = 1 << 20

CARRIED = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Expires",
    "x-oss-storage-class",
)
"""What is said of an object, and stays when it is copied onto itself; beside what users say (``x-oss-meta-…``)."""

_STANDARD = {"x-oss-range-behavior": "standard"}  # otherwise a range beyond the end is the whole object
_SHOWN = ("ETag", "x-oss-object-type", "x-oss-version-id", *CARRIED)


def told(headers: Mapping[str, str]) -> dict[str, str]:
    """What users say of an object."""
    return {name: value for name, value in headers.items() if name.lower().startswith("x-oss-meta-")}


def entry_of(name: str, size: Optional[int], tag: Optional[str], modified: Any, headers: Mapping[str, str]) -> Entry:
    """An object; times in whole seconds, for that is what all answers have."""
    seconds = epoch(modified)
    mtime = None if seconds is None else int(seconds) * SECOND
    extra = {field: headers[field] for field in _SHOWN if headers.get(field)}
    return Entry(
        name=name,
        kind="file",
        size=size,
        version=Version(f"etag:{tag}" if tag else None, size, mtime, SECOND),
        modified=seconds,
        extra={**extra, **told(headers)},
    )


def fetch(
    client: OssClient, name: str, version: Version, offset: int, destination: Destination, deadline: Deadline
) -> None:
    """Fill ``destination`` with bytes of a version, from ``offset`` on.

    The store is asked for this very ETag, and what it answers is checked all the same. Bytes are taken as they are
    stored, whatever encoding is said of them.
    """
    from oss2.exceptions import OssError

    bucket, key = bucket_and_key(name)
    headers = dict(_STANDARD)
    kind, _, tag = (version.tag or "").partition(":")
    if kind == "etag" and not tag.startswith("W/"):
        headers["If-Match"] = tag if tag.startswith('"') else f'"{tag}"'
    span = (offset, offset + destination.size - 1)
    try:
        answer = client.ask("get_object", deadline, bucket, key, byte_range=span, headers=headers)
    except OssError as error:
        if error.status == 412 or (error.status == 416 and version.length is not None):
            raise changed(name) from error
        raise
    response = answer.resp.response
    try:
        _fill(response, name, version, offset, destination)
    except BaseException:
        response.close()  # what is left of the body is no answer to the next request
        raise
    response.raw.release_conn()


def fetch_end(
    client: OssClient, name: str, length: int, from_end: bool, deadline: Deadline
) -> Optional[Tuple[Entry, int, bytes]]:
    """An object as it is now, where its first or last bytes begin, and they; ``None`` where it has no such range, for
    it is empty."""
    from oss2.exceptions import OssError

    bucket, key = bucket_and_key(name)
    span = (None, length) if from_end else (0, length - 1)
    try:
        answer = client.ask("get_object", deadline, bucket, key, byte_range=span, headers=dict(_STANDARD))
    except OssError as error:
        if error.status == 416:
            return None
        raise
    response = answer.resp.response
    headers = response.headers
    try:
        start, count, size = end_of(
            name, answer.status, headers.get("Content-Range"), length_of(headers), length, from_end
        )
        data = bytearray(count)
        _pour(response.raw, name, Destination(memoryview(data), deadline))
    except BaseException:
        response.close()  # what is left of the body is no answer to the next request
        raise
    response.raw.release_conn()
    return entry_of(name, size, headers.get("ETag"), headers.get("Last-Modified"), headers), start, bytes(data)


def _fill(response: Any, name: str, version: Version, offset: int, destination: Destination) -> None:
    headers = response.headers
    found = entry_of(name, None, headers.get("ETag"), headers.get("Last-Modified"), {}).version
    if version.same_as(found) is False:
        raise changed(name)
    check_range(name, response.status_code, headers, version, offset, destination.size)
    _pour(response.raw, name, destination)


def _pour(body: Any, name: str, destination: Destination) -> None:
    while destination.missing:
        chunk = body.read(min(destination.missing, _CHUNK), decode_content=False)
        if not chunk:
            raise BadAnswerError(f"{name}: the body ended {destination.missing} bytes short of {destination.size}")
        destination.put(chunk)
    if body.read(1, decode_content=False):
        raise BadAnswerError(f"{name}: the body has more than the {destination.size} bytes that were asked for")
