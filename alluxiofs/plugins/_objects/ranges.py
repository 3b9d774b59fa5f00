"""Whether an HTTP answer is the range of the version that was asked for, by what its headers say."""

from __future__ import annotations

import re
from typing import Callable, Mapping, Optional, Tuple

from alluxiofs.errors import BadAnswerError, FileChangedError
from alluxiofs.interfaces import Version

__all__ = ["changed", "check_range", "check_span", "end_of", "length_of", "span_of"]

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def changed(name: str) -> FileChangedError:
    """What a file is that is of another version than the one it was opened at."""
    return FileChangedError("the file has changed since it was opened", name)


def check_range(
    name: str, status: Optional[int], headers: Mapping[str, str], version: Version, offset: int, size: int
) -> None:
    """Check that the body that follows is ``size`` bytes from ``offset`` on, of a file as long as the version.

    Parameters
    ----------
    name:
        For the message of an error.
    status, headers:
        Of the answer; the status where it is known, the names of headers in any letter case.
    version, offset, size:
        What was asked for.

    Raises
    ------
    FileChangedError
        If the file is longer or shorter than the version.
    BadAnswerError
        For any other body.
    """
    declared, length = headers.get("Content-Range"), length_of(headers)
    check_span(name, status, declared, length, offset, size, lambda total: _check_length(name, version, total))


def check_span(
    name: str,
    status: Optional[int],
    declared: Optional[str],
    length: Optional[int],
    offset: int,
    size: int,
    check_version: Callable[[Optional[int]], None],
) -> None:
    """Check that a body is ``size`` bytes from ``offset`` on.

    Parameters
    ----------
    name:
        For the message of an error.
    status, declared, length:
        What the answer says: its status, its ``Content-Range``, and the length of its body, where known.
    offset, size:
        What was asked for; the caller counts the bytes.
    check_version:
        Is told the length of the whole file, where the answer tells it, and raises if that is of another version: then
        this is what matters, whatever else is wrong.

    Raises
    ------
    BadAnswerError
        For any other body.
    """
    if declared is None and status == 206:  # in chunks it does not tell its length either
        raise BadAnswerError(f"{name}: a part of the object without a Content-Range, which may be any part")
    if declared is None:  # the whole file: right only if the whole was asked for
        check_version(size if length is None else length)
        if offset != 0 or length not in (None, size):
            raise BadAnswerError(f"{name}: the store ignored the range, and sent all {length} bytes")
        return
    match = _RANGE.fullmatch(declared)
    if match is not None:
        check_version(_number(match[3]))
    if match is None or (int(match[1]), int(match[2])) != (offset, offset + size - 1):
        raise BadAnswerError(f"{name}: {declared!r} was answered to bytes {offset}-{offset + size - 1}")
    if length not in (None, size):
        raise BadAnswerError(f"{name}: a body of {length} bytes where {size} were asked for")


def span_of(length: int, from_end: bool) -> str:
    """The range of so many bytes of one end of an object."""
    return f"bytes=-{length}" if from_end else f"bytes=0-{length - 1}"


def end_of(
    name: str, status: Optional[int], declared: Optional[str], told: Optional[int], length: int, from_end: bool
) -> Tuple[int, int, int]:
    """Where the bytes begin that were answered to :func:`span_of`, how many they are, and how many the object has.

    Parameters
    ----------
    name:
        For the message of an error.
    status, declared, told:
        What the answer says: its status, where known, its ``Content-Range``, and the length of its body.
    length, from_end:
        What was asked for.

    Raises
    ------
    BadAnswerError
        If they are not those of this end of the object.
    """
    if declared is None and status == 206:
        raise BadAnswerError(f"{name}: a part of the object without a Content-Range, which may be any part")
    if declared is None:
        # The whole object: what an object that is no longer may be sent as.
        if told is None or told > length:
            raise BadAnswerError(f"{name}: the store ignored the range, and sent all {told} bytes")
        return 0, told, told
    if told == 0 and declared.endswith("/0"):  # MinIO calls the end of an empty object bytes 0 to -1
        return 0, 0, 0
    match = _RANGE.fullmatch(declared)
    if match is None or match[3] == "*":
        raise BadAnswerError(f"{name}: {declared!r} was answered to the request for {length} bytes of an end")
    first, last, size = int(match[1]), int(match[2]), int(match[3])
    start = max(0, size - length) if from_end else 0
    if (first, last) != (start, min(start + length, size) - 1):
        raise BadAnswerError(f"{name}: {declared!r} was answered to the request for {length} bytes of an end")
    if told is not None and told != last + 1 - first:
        raise BadAnswerError(f"{name}: a body of {told} bytes for {declared!r}")
    return first, last + 1 - first, size


def length_of(headers: Mapping[str, str]) -> Optional[int]:
    """The length of the body, where the headers tell it."""
    return _number(headers.get("Content-Length"))


def _check_length(name: str, version: Version, total: Optional[int]) -> None:
    if total is not None and version.length not in (None, total):
        raise changed(name)


def _number(text: Optional[str]) -> Optional[int]:
    return int(text) if text is not None and text.isdecimal() else None
