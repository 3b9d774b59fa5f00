"""What ``listdir`` and ``get_file_status`` of alluxiofs 1 tell of a path."""

from __future__ import annotations

from typing import Optional

from attrs import define

from alluxiofs.interfaces import Entry, Location

__all__ = ["AlluxioPathStatus"]

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


@define(frozen=True)
class AlluxioPathStatus:
    """One file or directory, by the names that alluxiofs 1 had. New programs use ``fs.info(path)``.

    Parameters
    ----------
    type:
        ``"file"`` or ``"directory"``.
    name:
        The last part of the path.
    path:
        In Alluxio, where the worker says it, else the under store's.
    ufs_path:
        The full URL.
    last_modification_time_ms, created:
        Milliseconds since the epoch; 0 where nobody says.
    length:
        Bytes; 0 for a directory.
    human_readable_file_size:
        The same as text.
    owner, group:
        Empty where nobody says.
    mode:
        The permission bits; ``None`` where nobody says.
    content_hash:
        What the version's tag says; empty where there is none.
    last_access_time_ms, completed, persisted, in_alluxio_percentage:
        What a worker says of it; 0 or ``None`` where nobody does.
    """

    type: str
    name: str
    path: str
    ufs_path: str
    last_modification_time_ms: int
    length: int
    human_readable_file_size: str
    created: int = 0
    owner: str = ""
    group: str = ""
    mode: Optional[int] = None
    content_hash: str = ""
    last_access_time_ms: int = 0
    completed: Optional[bool] = None
    persisted: Optional[bool] = None
    in_alluxio_percentage: int = 0

    @property
    def size(self) -> int:
        """``length``, as 1.1 called it."""
        return self.length

    @property
    def mtime(self) -> int:
        """``last_modification_time_ms``, as 1.1 called it."""
        return self.last_modification_time_ms

    @property
    def creation_time_ms(self) -> int:
        """``created``, as 1.0 called it."""
        return self.created

    @classmethod
    def of(cls, entry: Entry, location: Location) -> AlluxioPathStatus:
        """What an entry says, which is at a location."""
        length = entry.size or 0
        tag = entry.version.tag
        said_hash = entry.extra.get("mContentHash")
        return cls(
            entry.kind,
            location.url.rstrip("/").rsplit("/", 1)[-1],
            entry.extra.get("mPath") or location.url.partition("://")[2],
            location.url,
            _milliseconds(entry.modified),
            length,
            entry.extra.get("mHumanReadableFileSize") or _human(length),
            _milliseconds(entry.created),
            entry.owner or "",
            entry.group or "",
            entry.mode,
            said_hash or (tag.partition(":")[2] if tag else ""),
            entry.extra.get("mLastAccessTimeMs") or 0,
            entry.extra.get("mCompleted"),
            entry.extra.get("mPersisted"),
            entry.extra.get("mInAlluxioPercentage") or 0,
        )


def _milliseconds(seconds: Optional[float]) -> int:
    return 0 if seconds is None else round(seconds * 1000)


def _human(length: int) -> str:
    """As workers write it: ``5000B``, ``75.72KB``."""
    size, power = float(length), 0
    while size > 5 * 1024 and power + 1 < len(_UNITS):
        size, power = size / 1024, power + 1
    return f"{size:.2f}{_UNITS[power]}" if power else f"{length}B"
