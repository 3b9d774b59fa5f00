"""Objects as entries, and ranges of one version of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, Mapping, Optional, Tuple

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Entry, Version
from alluxiofs.plugins._fsspec.versions import SECOND, settled
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._objects.ranges import changed
from alluxiofs.plugins._obstore.client import Bucket
from alluxiofs.plugins._obstore.failures import WITHOUT_RANGE, said

__all__ = ["entry_of", "fetch", "first_or_last", "version_of"]

_AT_ONCE = 1 << 20  # bytes that are taken in one piece; of more than that each arrival counts as progress
_PIECE = 1 << 18


def version_of(meta: Mapping[str, Any]) -> Version:
    """The version in what the store says of an object; times in whole seconds, for headers have no other."""
    tag, modified, size = meta.get("e_tag"), meta.get("last_modified"), meta["size"]
    mtime = int(modified.timestamp()) * SECOND if isinstance(modified, datetime) else None
    version = Version(f"etag:{tag}" if tag else None, size, mtime, SECOND)
    return version if tag else settled(version)


def entry_of(bucket: str, meta: Mapping[str, Any]) -> Entry:
    """An object as the store describes it."""
    modified = meta.get("last_modified")
    extra: Dict[str, Any] = {"ETag": meta.get("e_tag"), "LastModified": modified, "VersionId": meta.get("version")}
    return Entry(
        name=f"{bucket}/{meta['path']}",
        kind="file",
        size=meta["size"],
        version=version_of(meta),
        modified=modified.timestamp() if isinstance(modified, datetime) else None,
        extra={field: value for field, value in extra.items() if value},
    )


def fetch(bucket: Bucket, key: str, name: str, version: Version, offset: int, destination: Destination) -> None:
    """Fill ``destination`` with bytes of a version, from ``offset`` on.

    The store is asked for this very ETag, and what it answers is checked all the same: some ignore conditions.
    """
    stop = offset + destination.size
    options: Dict[str, Any] = {"range": (offset, stop)}
    kind, _, tag = (version.tag or "").partition(":")
    if kind == "etag" and not tag.startswith("W/"):
        options["if_match"] = tag if tag.startswith('"') else f'"{tag}"'
    try:
        answer = bucket.library.get(bucket.store, key, options=options)
    except Exception as error:
        refused = said(error)
        if refused is not None and (refused.status == 412 or (refused.status == 416 and version.length is not None)):
            raise changed(name) from error
        raise
    if version.same_as(version_of(answer.meta)) is False:
        raise changed(name)
    _check_range(name, answer.range, offset, stop)
    if destination.size <= _AT_ONCE:
        destination.put(answer.bytes())
    else:
        for piece in answer.stream(min_chunk_size=_PIECE):
            destination.put(piece)
    if destination.missing:
        raise BadAnswerError(f"{name}: the body ended {destination.missing} bytes short of {destination.size}")


def first_or_last(
    bucket: Bucket, key: str, name: str, length: int, from_end: bool
) -> Optional[Tuple[Mapping[str, Any], int, bytes]]:
    """What the store says of an object, where its first or last bytes begin, and those; ``None`` if it says that it has
    no such range, as of one that is empty, or sends all of it."""
    span = {"suffix": length} if from_end else (0, length)
    try:
        answer = bucket.library.get(bucket.store, key, options={"range": span})
    except Exception as error:
        refused = said(error)
        if (refused is not None and refused.status == 416) or WITHOUT_RANGE.search(str(error)):
            return None
        raise
    meta: Mapping[str, Any] = answer.meta
    size = meta["size"]
    start = max(0, size - length) if from_end else 0
    _check_range(name, answer.range, start, start + min(length, size))
    data = bytes(answer.bytes())
    if len(data) != min(length, size):
        raise BadAnswerError(f"{name}: a body of {len(data)} bytes where {min(length, size)} were announced")
    return meta, start, data


def _check_range(name: str, found: Tuple[int, int], start: int, stop: int) -> None:
    if tuple(found) != (start, stop):
        first, last = found[0], found[1] - 1
        raise BadAnswerError(f"{name}: bytes {first}-{last} were answered to bytes {start}-{stop - 1}")
