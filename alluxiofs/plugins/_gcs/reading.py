"""Reading a range of one generation of an object."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Mapping, Optional, Tuple

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Entry, Version
from alluxiofs.plugins._fsspec.versions import epoch, version_of
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._gcs.failures import refused
from alluxiofs.plugins._objects.ranges import changed, check_range, end_of, length_of, span_of
from alluxiofs.plugins._objects.store import bucket_and_key
from alluxiofs.settings.secrets import without_secrets

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from alluxiofs.interfaces import Deadline
    from alluxiofs.plugins._gcs.client import Connection

__all__ = [
    "AS_STORED",
    "CARRIED",
    "FIELDS",
    "check_part",
    "content_url",
    "entry_of",
    "fetch",
    "fetch_end",
    "generation_of",
    "joined",
    "resource_url",
    "unread",
]

_CHUNK = 1 << 20
_DOWNLOAD = "download/storage/v1"
AS_STORED = "gzip"
"""The encoding to accept: what is stored compressed comes as it is stored. Uncompressed on the way it would have
another length, and no ranges."""

_SHOWN = ("cacheControl", "contentEncoding", "contentType", "crc32c", "etag", "generation", "md5Hash", "metadata")
_TOLD = ("name", "size", "updated", "timeCreated", "storageClass", *_SHOWN)
FIELDS = ",".join(_TOLD)
"""Of the many fields that an object has, those that are looked at."""


def entry_of(bucket: str, resource: Mapping[str, Any]) -> Entry:
    """An object as the store describes it. Its generation changes with every write of it, and with nothing else."""
    try:
        size = int(resource["size"])
        name = f"{bucket}/{resource['name']}"
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswerError(f"{bucket}: an object is described without its name or size") from error
    modified = version_of({"updated": resource.get("updated")})
    generation = resource.get("generation")
    tag = None if generation is None else f"generation:{generation}"
    extra = {field: resource[field] for field in (*_SHOWN, "storageClass") if resource.get(field)}
    return Entry(
        name=name,
        kind="file",
        size=size,
        version=Version(tag, size, modified.mtime, modified.mtime_precision),
        created=epoch(resource.get("timeCreated")),
        modified=epoch(resource.get("updated")),
        extra=without_secrets(extra),
    )


CARRIED = (
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "customTime",
    "metadata",
    "storageClass",
)
"""What an object says of itself that stays when it is made anew of its own content."""


def resource_url(connection: Connection, name: str) -> str:
    """Where the store tells what an object is."""
    bucket, key = bucket_and_key(name)
    return connection.url("b", bucket, "o", key, fields=FIELDS)


def content_url(connection: Connection, name: str, generation: Optional[str] = None) -> str:
    """Where the bytes of an object are; on condition that it is of this generation."""
    bucket, key = bucket_and_key(name)
    return connection.url("b", bucket, "o", key, service=_DOWNLOAD, alt="media", ifGenerationMatch=generation)


def generation_of(version: Version) -> Optional[str]:
    """The generation on whose condition a version is read, if it has one."""
    kind, _, generation = (version.tag or "").partition(":")
    return generation if kind == "generation" else None


def check_part(status: int, headers: Mapping[str, str], name: str, version: Version, offset: int, size: int) -> None:
    """Check that the body of an answer is this range of this version.

    Times count only where no generation was asked for: they change with what is said of an object too.

    Parameters
    ----------
    status, headers:
        Of the answer; of its headers those that say what the body is.
    name, version, offset, size:
        What was asked for.

    Raises
    ------
    FileChangedError
        If it is of another version.
    BadAnswerError
        If it is another range.
    """
    generation = generation_of(version)
    if generation is not None:
        another = headers.get("X-Goog-Generation") not in (None, generation)
    else:
        another = version.same_as(version_of({"Last-Modified": headers.get("Last-Modified")})) is False
    if another:
        raise changed(name)
    check_range(name, status, headers, version, offset, size)


def unread(status: int, body: bytes, name: str, version: Version) -> Exception:
    """The error for an answer without bytes of a version, its cause set."""
    error = refused(status, body, name, "GET")
    if status != 412 and (status != 416 or version.length is None):
        return error
    failure = changed(name)
    failure.__cause__ = error
    return failure


async def fetch(connection: Connection, name: str, version: Version, offset: int, destination: Destination) -> None:
    """Fill ``destination`` with bytes of a version, from ``offset`` on.

    The store is asked for this very generation, and which one it sends is looked at all the same.
    """
    url = content_url(connection, name, generation_of(version))
    headers = {"Range": f"bytes={offset}-{offset + destination.size - 1}", "Accept-Encoding": AS_STORED}
    async with connection.opened("GET", url, headers=headers) as response:
        if response.status not in (200, 206):
            raise unread(response.status, await response.read(), name, version)
        check_part(response.status, response.headers, name, version, offset, destination.size)
        await _pour(response, name, destination)


End = Tuple[Optional[str], Tuple[int, int, int], bytes]
"""The generation of which bytes are, where they begin, how many they and all are, and the bytes."""


async def fetch_end(
    connection: Connection, name: str, length: int, from_end: bool, deadline: Deadline
) -> Optional[Tuple[Entry, int, bytes]]:
    """An object as it is now, where its first or last bytes begin, and they; ``None`` where bytes of the generation
    that the store tells of were not to be had.

    The answer with the bytes does not say all that is said of an object (not when it was made, nor what users say):
    that is asked for at the same time, and the bytes count if both answers are of one generation.
    """
    reading = asyncio.ensure_future(_end(connection, name, length, from_end, deadline))
    try:
        told = await connection.send("GET", resource_url(connection, name), name)
        entry = entry_of(bucket_and_key(name)[0], told.json())
        found = await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    return joined(entry, found)


def joined(entry: Entry, found: Optional[End]) -> Optional[Tuple[Entry, int, bytes]]:
    """What two answers say of an object, if they are of one generation."""
    if found is None:
        return None
    generation, (start, _, size), data = found
    if generation is None or entry.version.tag != f"generation:{generation}" or entry.size != size:
        return None
    return entry, start, data


async def _end(connection: Connection, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[End]:
    headers = {"Range": span_of(length, from_end), "Accept-Encoding": AS_STORED}
    async with connection.opened("GET", content_url(connection, name), headers=headers) as response:
        told = response.headers
        if response.status == 416:
            return None
        if response.status not in (200, 206):
            raise refused(response.status, await response.read(), name, "GET")
        spans = end_of(name, response.status, told.get("Content-Range"), length_of(told), length, from_end)
        data = bytearray(spans[1])
        await _pour(response, name, Destination(memoryview(data), deadline))
        return told.get("X-Goog-Generation"), spans, bytes(data)


async def _pour(response: ClientResponse, name: str, destination: Destination) -> None:
    while destination.missing:
        chunk = await response.content.read(min(destination.missing, _CHUNK))
        if not chunk:
            raise BadAnswerError(f"{name}: the body ended {destination.missing} bytes short of {destination.size}")
        destination.put(chunk)
    if await response.content.read(1):
        raise BadAnswerError(f"{name}: the body has more than the {destination.size} bytes that were asked for")
