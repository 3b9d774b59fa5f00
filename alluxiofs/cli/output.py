"""The standard output: lines, bytes, JSON and tables, and what happens when nobody reads them."""

from __future__ import annotations

import datetime
import errno
import json
import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Iterable, Optional, Union

from alluxiofs.cli.failures import OutputClosedError, OutputError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "age_text",
    "as_json",
    "as_utc",
    "count_text",
    "on_terminal",
    "printable",
    "size_text",
    "time_text",
    "write",
    "write_json",
    "write_json_array",
    "write_line",
    "write_rich",
]

_PIPE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe, where no terminal says how many there are."""


def write(data: Union[bytes, memoryview]) -> None:
    """Write bytes.

    Raises
    ------
    OutputClosedError
        If the reader has gone.
    OutputError
        If it cannot be written for another reason: the disk that it goes to is full …
    """
    try:
        _standard_output().write(data)
    except OSError as error:
        raise _failed(error) from error


def flush() -> None:
    """Hand on what is buffered; raises as :func:`write` does."""
    if sys.stdout is None:  # closed by whoever started this, and nothing was written
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        raise _failed(error) from error


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise OutputError(f"standard output: {os.strerror(errno.EBADF)}")
    return sys.stdout.buffer


def _failed(error: OSError) -> OutputError:
    if isinstance(error, BrokenPipeError):
        return OutputClosedError()
    return OutputError(f"standard output: {error.strerror or error}")


def on_terminal() -> bool:
    """Whether a person looks at the standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


def printable(text: str) -> str:
    """A name as a terminal may see it: control characters could move its cursor or change its state."""
    return "".join(character if character.isprintable() else "?" for character in text)


def write_line(text: str) -> None:
    """Write one line; names that are no valid Unicode come out as the bytes that they are."""
    if on_terminal():
        text = printable(text)
    write(text.encode("utf-8", "surrogateescape") + b"\n")


def as_json(value: Any, indent: Optional[int] = 2) -> str:
    """JSON of whatever filesystems put into their entries: times as ISO 8601, bytes as hexadecimal digits."""
    text: str = json.dumps(value, indent=indent, default=_jsonable, ensure_ascii=False)
    return text


def _jsonable(value: Any) -> Any:
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


def write_json(value: Any, indent: Optional[int] = 2) -> None:
    """Write a value as JSON, and end the line."""
    write(as_json(value, indent).encode("utf-8", "backslashreplace") + b"\n")


def write_json_array(values: Iterable[Any]) -> None:
    """Write one JSON array, an element a line, as its elements come."""
    before = "["
    for value in values:
        write(f"{before}\n  ".encode())
        write(as_json(value, None).encode("utf-8", "backslashreplace"))
        before = ","
    write(b"[]\n" if before == "[" else b"\n]\n")


def write_rich(*renderables: RenderableType) -> None:
    """Write tables and the like, in colour on a terminal only."""
    import io

    from rich.console import Console

    terminal = on_terminal()
    buffer = io.StringIO()
    here = Console()
    console = Console(
        file=buffer,
        force_terminal=terminal,
        width=here.width if terminal else _PIPE_WIDTH,
        color_system="auto" if terminal else None,
        highlight=False,
    )
    for renderable in renderables:
        console.print(renderable)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def size_text(size: Optional[int], human: bool = True) -> str:
    """Bytes as people read them: 1024-based, one decimal below ten (``"3.4M"``)."""
    if size is None:
        return "-"
    if not human or size < 1024:
        return str(size)
    value, units = size / 1024, "KMGTPE"
    while value >= 1023.5 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.1f}{units[0]}" if value < 9.95 else f"{value:.0f}{units[0]}"


def as_utc(seconds: float) -> datetime.datetime:
    """Seconds since the epoch as a time."""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc)


def count_text(count: int, what: str) -> str:
    """``"1 page"``, ``"2,000 pages"``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


_AGES = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def age_text(seconds: float) -> str:
    """A length of time as people say it, in its largest unit: ``"3 hours"``."""
    for unit, length in _AGES:
        if seconds >= length:
            return count_text(int(seconds // length), unit)
    return "a moment"


def time_text(moment: Any) -> str:
    """A time of last change as ``2024-05-06 07:08:09`` in UTC; ``"-"`` where it is not known."""
    if isinstance(moment, (int, float)):
        moment = as_utc(moment)
    if not isinstance(moment, datetime.datetime):
        return "-"
    known: datetime.datetime = moment
    if known.tzinfo is not None:
        known = known.astimezone(datetime.timezone.utc)
    return known.strftime("%Y-%m-%d %H:%M:%S")
