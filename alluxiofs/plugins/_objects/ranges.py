"""Whether an HTTP answer is the range of the version that was asked for, by what its headers say."""

from __future__ import annotations

import re
from typing import Mapping, Optional

from alluxiofs.errors import BadAnswerError, FileChangedError
from alluxiofs.interfaces import Version

__all__ = ["changed", "check_range"]

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def changed(name: str) -> FileChangedError:
    """What a file is that is of another version than the one it was opened at."""
    return FileChangedError("the file has changed since it was opened", name)


def check_range(name: str, headers: Mapping[str, str], version: Version, offset: int, size: int) -> None:
    """Check that the body that follows is ``size`` bytes from ``offset`` on, of a file as long as the version.

    Parameters
    ----------
    name:
        For the message of an error.
    headers:
        Of the answer; their names in any letter case.
    version, offset, size:
        What was asked for.

    Raises
    ------
    FileChangedError
        If the file is longer or shorter than the version.
    BadAnswerError
        For any other body.
    """
    declared, length = headers.get("Content-Range"), _number(headers.get("Content-Length"))
    if declared is None:  # the whole file: right only if the whole was asked for
        _check_length(name, version, length)
        if offset != 0 or length not in (None, size):
            raise BadAnswerError(f"{name}: the store ignored the range, and sent all {length} bytes")
        return
    match = _RANGE.fullmatch(declared)
    if match is not None:
        _check_length(name, version, _number(match[3]))
    if match is None or (int(match[1]), int(match[2])) != (offset, offset + size - 1):
        raise BadAnswerError(f"{name}: {declared!r} was answered to bytes {offset}-{offset + size - 1}")
    if length not in (None, size):
        raise BadAnswerError(f"{name}: a body of {length} bytes where {size} were asked for")


def _check_length(name: str, version: Version, total: Optional[int]) -> None:
    if total is not None and version.length not in (None, total):
        raise changed(name)


def _number(text: Optional[str]) -> Optional[int]:
    return int(text) if text is not None and text.isdigit() else None
