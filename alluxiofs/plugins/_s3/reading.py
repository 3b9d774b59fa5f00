"""Reading a range of one version of an object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Mapping, Optional

from alluxiofs.errors import BadAnswerError, FileChangedError
from alluxiofs.interfaces import Version
from alluxiofs.plugins._fsspec.versions import SECOND, epoch, settled
from alluxiofs.plugins._s3.client import bucket_and_key

if TYPE_CHECKING:
    from alluxiofs.plugins._fsspec.waiting import Destination

__all__ = ["fetch", "version_of"]

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_CHUNK = 1 << 20


def version_of(answer: Mapping[str, Any], size: Optional[int]) -> Version:
    """The version in an answer of the store; times in whole seconds, for that is what all of its answers have. A store
    that gives no ETag has nothing else, and within the second of a change that is not enough."""
    tag = answer.get("ETag")
    modified = epoch(answer.get("LastModified"))
    mtime = None if modified is None else int(modified) * SECOND
    return settled(Version(f"etag:{tag}" if tag else None, size, mtime, SECOND))


async def fetch(
    send: Callable[..., Awaitable[Dict[str, Any]]],
    name: str,
    version: Version,
    offset: int,
    destination: Destination,
) -> None:
    """Fill ``destination`` with bytes of a version, from ``offset`` on.

    The store is asked for this very ETag, and what it answers is checked all the same: some ignore conditions, ranges
    or both.
    """
    bucket, key = bucket_and_key(name)
    size = destination.size
    condition = {}
    kind, _, tag = (version.tag or "").partition(":")
    if kind == "etag" and not tag.startswith("W/"):
        condition["IfMatch"] = tag if tag.startswith('"') else f'"{tag}"'
    span = f"bytes={offset}-{offset + size - 1}"
    try:
        answer = await send("get_object", Bucket=bucket, Key=key, Range=span, **condition)
    except Exception as error:
        if _refused(error, version):
            raise FileChangedError("the file has changed since it was opened", name) from error
        raise
    body = answer["Body"]
    try:
        _check(answer, name, version, offset, size)
        while destination.missing:
            chunk = await body.read(min(destination.missing, _CHUNK))
            if not chunk:
                raise BadAnswerError(f"{name}: the body ended {destination.missing} bytes short of {size}")
            destination.put(chunk)
        if await body.read(1):
            raise BadAnswerError(f"{name}: the body has more than the {size} bytes that were asked for")
    finally:
        body.close()


def _refused(error: Exception, version: Version) -> bool:
    """Whether the store refuses the condition, or a range that the version had."""
    response = getattr(error, "response", None) or {}  # aiohttp's errors have one too, that may be None
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
    return status == 412 or (status == 416 and version.length is not None)


def _check(answer: Mapping[str, Any], name: str, version: Version, offset: int, size: int) -> None:
    declared = answer.get("ContentRange")
    total: Optional[int]
    if declared is None:
        # The whole object: right only if the whole was asked for.
        total = answer.get("ContentLength")
        if offset != 0 or (total is not None and total != size):
            _check_version(name, version, version_of(answer, total))
            raise BadAnswerError(f"{name}: the store ignored the range, and sent all {total} bytes")
    else:
        match = _RANGE.fullmatch(declared)
        if match is None or (int(match[1]), int(match[2])) != (offset, offset + size - 1):
            raise BadAnswerError(f"{name}: {declared!r} was answered to bytes {offset}-{offset + size - 1}")
        total = None if match[3] == "*" else int(match[3])
    _check_version(name, version, version_of(answer, total))
    length = answer.get("ContentLength")
    if length is not None and length != size:
        raise BadAnswerError(f"{name}: a body of {length} bytes where {size} were asked for")


def _check_version(name: str, version: Version, found: Version) -> None:
    if version.same_as(found) is False:
        raise FileChangedError("the file has changed since it was opened", name)
