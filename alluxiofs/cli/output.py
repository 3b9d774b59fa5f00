"""The standard output: lines, bytes, JSON and tables, and what happens when nobody reads them."""

from __future__ import annotations

import datetime
import json
import sys
from typing import TYPE_CHECKING, Any, Optional, Union

from alluxiofs.cli.failures import OutputClosedError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["as_json", "printable", "size_text", "time_text", "write", "write_json", "write_line", "write_rich"]

_PIPE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe, where no terminal says how many there are."""


def write(data: Union[bytes, memoryview]) -> None:
    """Write bytes.

    Raises
    ------
    OutputClosedError
        If the reader has gone.
    """
    try:
        sys.stdout.buffer.write(data)
    except BrokenPipeError as error:
        raise OutputClosedError from error


def flush() -> None:
    """Hand on what is buffered; raises as :func:`write` does."""
    try:
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputClosedError from error


def printable(text: str) -> str:
    """A name as a terminal may see it: control characters could move its cursor or change its state."""
    return "".join(character if character.isprintable() else "?" for character in text)


def write_line(text: str) -> None:
    """Write one line; names that are no valid Unicode come out as the bytes that they are."""
    if sys.stdout.isatty():
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


def write_rich(*renderables: RenderableType) -> None:
    """Write tables and the like, in colour on a terminal only."""
    import io

    from rich.console import Console

    terminal = sys.stdout.isatty()
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


def time_text(moment: Any) -> str:
    """A time of last change as ``2024-05-06 07:08:09`` in UTC; ``"-"`` where it is not known."""
    if isinstance(moment, (int, float)):
        moment = datetime.datetime.fromtimestamp(moment, tz=datetime.timezone.utc)
    if not isinstance(moment, datetime.datetime):
        return "-"
    known: datetime.datetime = moment
    if known.tzinfo is not None:
        known = known.astimezone(datetime.timezone.utc)
    return known.strftime("%Y-%m-%d %H:%M:%S")
