"""What the store says of an object, as an entry."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from alluxiofs.interfaces import Entry, Version
from alluxiofs.plugins._fsspec.versions import SECOND, epoch, settled
from alluxiofs.plugins._s3.copying import CARRIED

__all__ = ["SHOWN", "file_entry", "version_of"]

SHOWN = ("ETag", "LastModified", "VersionId", *CARRIED)
"""What users see of what the store says of an object."""


def file_entry(name: str, answer: Mapping[str, Any], size: Optional[int]) -> Entry:
    """The entry of an object, out of any answer that tells of it."""
    return Entry(
        name=name,
        kind="file",
        size=size,
        version=version_of(answer, size),
        modified=epoch(answer.get("LastModified")),
        extra={field: answer[field] for field in SHOWN if answer.get(field)},
    )


def version_of(answer: Mapping[str, Any], size: Optional[int]) -> Version:
    """The version in an answer of the store; times in whole seconds, for that is what all of its answers have. A store
    that gives no ETag has nothing else, and within the second of a change that is not enough."""
    tag = answer.get("ETag")
    modified = epoch(answer.get("LastModified"))
    mtime = None if modified is None else int(modified) * SECOND
    return settled(Version(f"etag:{tag}" if tag else None, size, mtime, SECOND))
