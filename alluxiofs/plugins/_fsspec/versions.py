"""Versions out of what fsspec clients say of a file, each by the field names of its own store."""

from __future__ import annotations

import email.utils
import re
import time
from datetime import datetime, timezone
from typing import Any, Mapping, Optional, Tuple

import attrs

from alluxiofs.interfaces import Deadline, Version
from alluxiofs.interfaces.values import UNSETTLED

__all__ = ["SECOND", "epoch", "settled", "unsettled_kind", "version_of", "wait_until_settled"]

SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_MICROSECOND = 1_000

# Strongest first: a generation changes with every write, an ETag at least with the content, hashes with the content.
_TAGS = (
    ("generation", "generation"),
    ("ETag", "etag"),
    ("etag", "etag"),
    ("content_hash", "hash"),
    ("md5Hash", "md5"),
    ("content_md5", "md5"),
    ("md5", "md5"),
    ("sha256", "sha256"),
    ("sha", "sha"),
    ("checksum", "checksum"),
    ("crc32c", "crc32c"),
)
_TIMES = (
    "mtime",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "modified",
    "updated",
    "timeModified",
    "modification_time",
    "modificationTime",
)
_WHOLE_SECONDS = frozenset({"LastModified", "Last-Modified"})  # HTTP's dates; a listing's fractions are not in them
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*(Z|[+-]\d\d:?\d\d)?")
_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138: larger numbers count milliseconds
_COARSE_CLOCK = 50_000_000  # kernels stamp files with a clock that ticks 100 to 1000 times a second
_TICK = 20_000_000  # the slowest of those, twice


def version_of(info: Mapping[str, Any]) -> Version:
    """The version in a client's ``info``: the strongest tag it has, its length, its time of change."""
    mtime, precision = None, 1
    for field in _TIMES:
        found = _time(info.get(field))
        if found is not None:
            mtime, precision = found
            if field in _WHOLE_SECONDS:
                precision = max(precision, SECOND)
            mtime = mtime // precision * precision
            break
    size = info.get("size")
    return Version(_tag(info), size if isinstance(size, int) else None, mtime, precision)


def settled(version: Version, identity: str = "-", coarse: int = _COARSE_CLOCK) -> Version:
    """The version, marked with a tag of its own if a time alone cannot stand for the content yet.

    A file that changed a moment ago can change again without a new time or length (git calls this "racily clean").
    Nothing kept under the marked version is found again, for no other has its tag; its kind is unique too, so that
    comparing it with a later stat goes by length and time as ever.

    Parameters
    ----------
    version:
        As the source gave it.
    identity:
        What else tells two files apart (an inode number); the value of the tag.
    coarse:
        Nanoseconds between two ticks of the clock that stamps files.
    """
    if version.tag is not None or version.mtime is None:
        return version
    kind = unsettled_kind(version.mtime, version.mtime_precision, coarse)
    return version if kind is None else attrs.evolve(version, tag=f"{kind}:{identity}")


def unsettled_kind(changed: int, precision: int = 1, coarse: int = _COARSE_CLOCK) -> Optional[str]:
    """The kind of tag that marks a version as :func:`settled` does; ``None`` if its time can stand for the content.

    Parameters
    ----------
    changed, precision:
        The time of change, and what lies between two such times at least, in nanoseconds.
    coarse:
        As for :func:`settled`.
    """
    now = time.time_ns()
    return None if now - changed >= max(2 * precision, coarse) else f"{UNSETTLED}{now}"


def wait_until_settled(version: Version, deadline: Deadline) -> None:
    """Wait until a change of the file would give it another version than this one, if that is not so already.

    What is read before could be mixed with what is written within the same tick of the clock that stamps the file,
    and no later look at its version would show it. One tick after the stat that :func:`settled` marked is enough,
    however far that clock is from this one's. It is waited for at most once, when the first bytes are read.

    Parameters
    ----------
    version:
        As :func:`settled` gave it.
    deadline:
        Of the read.

    Raises
    ------
    DeadlineExceededError
        If it passes first.
    """
    kind = (version.tag or "").partition(":")[0]
    if version.mtime is None or not kind.startswith(UNSETTLED):
        return
    looked = int(kind[len(UNSETTLED) :])
    precision = version.mtime_precision
    rest = min(looked + precision, version.mtime + 2 * precision) + _TICK - time.time_ns()
    if rest > 0:
        time.sleep(min(rest / SECOND, (precision + _TICK) / SECOND, deadline.wait()))
        deadline.wait()


def epoch(value: Any) -> Optional[float]:
    """Any form of a time in seconds since the epoch, UTC, or ``None``."""
    found = _time(value)
    return None if found is None else found[0] / SECOND


def _tag(info: Mapping[str, Any]) -> Optional[str]:
    for field, kind in _TAGS:
        value = info.get(field)
        if isinstance(value, (bytes, bytearray)):
            value = value.hex()
        if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip('"'):
            return f"{kind}:{value}"
    return None


def _time(value: Any) -> Optional[Tuple[int, int]]:
    """Nanoseconds since the epoch, and the nanoseconds that two such times lie apart at least."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return (value * _MILLISECOND, _MILLISECOND) if value > _MILLISECONDS_FROM else (value * SECOND, SECOND)
    if isinstance(value, float):
        seconds = value / 1000 if value > _MILLISECONDS_FROM else value
        return round(seconds * 1_000_000) * _MICROSECOND, _MICROSECOND
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
        since = aware - datetime(1970, 1, 1, tzinfo=timezone.utc)
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * _MICROSECOND, _MICROSECOND
    return _parsed(value) if isinstance(value, str) else None


def _parsed(text: str) -> Optional[Tuple[int, int]]:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        try:
            told = email.utils.parsedate_to_datetime(text)
            # Without a zone, or with -0000, it is UTC all the same.
            return int((told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp()) * SECOND, SECOND
        except (TypeError, ValueError):
            return None
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    whole = int(datetime.fromisoformat(f"{day}T{clock}{zone}").timestamp()) * SECOND
    digits = (fraction or "")[:9]
    return whole + int(digits.ljust(9, "0")), int(10 ** (9 - len(digits)))
