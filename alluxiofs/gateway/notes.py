"""Stats and listings as bytes that another process can read: what is noted beside the pages of a page store.

A note is a mark of this format, the XXH3 of what follows, and JSON in ASCII, one list a line: what the note is about
and from when, then the entries: one as its values in order, several by column. An entry is noted only where every value
of it comes back as it was; what is not a whole note of this format is none. Nothing in a note is ever run.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from itertools import repeat
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import xxhash
from attrs import frozen

from alluxiofs.interfaces import Entry, Version

__all__ = ["Moment", "Told", "decode", "decode_moment", "encode", "encode_moment"]

_MARK = b"axm3"
_HEADER = len(_MARK) + 8
_parsed = json.JSONDecoder().raw_decode
_TEXT, _NUMBER, _TIME = (str,), (int, type(None)), (float, int, type(None))
_TEXT_OR_NONE = (str, type(None))
_PLAIN = {str, int, bool, type(None)}
_AS_THEY_ARE = {*_PLAIN, float}
_COLUMNS: Sequence[Tuple[str, Tuple[type, ...]]] = (
    ("kind", _TEXT),
    ("size", _NUMBER),
    ("created", _TIME),
    ("modified", _TIME),
    ("owner", _TEXT_OR_NONE),
    ("group", _TEXT_OR_NONE),
    ("mode", _NUMBER),
)
_VERSION_COLUMNS: Sequence[Tuple[str, Tuple[type, ...]]] = (
    ("tag", _TEXT_OR_NONE),
    ("length", _NUMBER),
    ("mtime", _NUMBER),
    ("mtime_precision", (int,)),
)
_ROW: Sequence[Tuple[type, ...]] = (_TEXT, *(types for _, types in (*_COLUMNS, *_VERSION_COLUMNS)), (dict,))


@frozen
class Moment:
    """When something was asked or done, for every process of the machine to compare.

    Parameters
    ----------
    start:
        Which start of the machine; empty where it cannot be told.
    monotonic:
        ``time.monotonic()``: common to all processes, and set by nobody.
    wall:
        ``time.time()``: tells starts of a machine apart, and containers whose monotonic clocks differ.
    """

    start: str
    monotonic: float
    wall: float


class _LossyError(Exception):
    """A value would not come back as it is."""


def encode(key: str, asked: Moment, entries: Sequence[Entry]) -> Optional[bytes]:
    """A note of entries; ``None`` if some value in them would not come back as it is.

    Parameters
    ----------
    key:
        What the note is about, to be sure that it is found again under no other.
    asked:
        When the source was asked for them: not after that they were so.
    entries:
        In the order in which they are to come back.
    """
    try:
        content = _told_entry(entries[0]) if len(entries) == 1 else [len(entries), *_packed(entries)]
        return _sealed([key, *_row(asked)], content)
    except (_LossyError, ValueError, OverflowError, RecursionError):
        return None


@frozen
class Told:
    """What a note says.

    Parameters
    ----------
    about:
        What it is about: nothing is believed that is found under the key of something else.
    asked:
        When the source was asked.
    """

    about: str
    asked: Moment
    _content: str

    def entries(self) -> Optional[Tuple[Entry, ...]]:
        """What it answered; ``None`` if that is nothing of :func:`encode`."""
        try:
            content = _list(self._content)
            if type(content[0]) is str:
                return (_read_entry(content),)
            count, *packed = content
            return tuple(_unpacked(count, *packed))
        except (ValueError, TypeError, LookupError, StopIteration, OverflowError, RecursionError, AttributeError):
            return None


def decode(note: bytes) -> Optional[Told]:
    """What a note says; ``None`` if this is no note of :func:`encode`. Costs little, however many entries there are."""
    try:
        (about, *asked), content = _opened(note)
        return Told(about, Moment(*_checked_moment(asked)), content) if type(about) is str else None
    except (ValueError, TypeError, RecursionError):
        return None


def encode_moment(moment: Moment) -> bytes:
    """A note of a moment."""
    return _sealed(_row(moment))


def decode_moment(note: bytes) -> Optional[Moment]:
    """The moment of a note, or ``None`` if it is no note of :func:`encode_moment`."""
    try:
        return Moment(*_checked_moment(_opened(note)[0]))
    except (ValueError, TypeError, RecursionError):
        return None


def _sealed(*lists: List[Any]) -> bytes:
    """Lists, one a line, behind a mark and a checksum."""
    lines = [json.dumps(content, separators=(",", ":"), allow_nan=False) for content in lists]
    text = "\n".join(lines).encode("ascii")
    return _MARK + xxhash.xxh3_64_digest(text) + text


def _opened(note: bytes) -> Tuple[List[Any], str]:
    """The first list, and the line of the second one."""
    text = note[_HEADER:]
    if note[: len(_MARK)] != _MARK or xxhash.xxh3_64_digest(text) != note[len(_MARK) : _HEADER]:
        raise ValueError("not a note of this format")
    head, _, content = text.decode("ascii").partition("\n")
    return _list(head), content


def _list(line: str) -> List[Any]:
    content, end = _parsed(line)
    if type(content) is not list or end != len(line):
        raise TypeError("not a list")
    return content


def _row(moment: Moment) -> List[Any]:
    return [moment.start, moment.monotonic, moment.wall]


def _checked_moment(row: List[Any]) -> Tuple[str, float, float]:
    start, monotonic, wall = row
    if type(start) is not str or type(monotonic) is not float or type(wall) is not float:
        raise TypeError("not a moment")
    return start, monotonic, wall


# --- one entry: its values in order, for one is read for each file that is opened -----------------------------------


def _told_entry(entry: Entry) -> List[Any]:
    version = entry.version
    if type(entry) is not Entry or type(version) is not Version or type(entry.extra) is not dict:
        raise _LossyError
    row = [entry.name, *(getattr(entry, column) for column, _ in _COLUMNS)]
    row += [getattr(version, column) for column, _ in _VERSION_COLUMNS]
    for value, types in zip(row, _ROW):
        if type(value) not in types or (type(value) is float and not math.isfinite(value)):
            raise _LossyError
    return [*row, _told(entry.extra)["d"]]


def _read_entry(row: List[Any]) -> Entry:
    if len(row) != len(_ROW):
        raise ValueError("another number of values")
    for value, types in zip(row, _ROW):
        if type(value) not in types:
            raise TypeError("a value of another type")
    name, kind, size, created, modified, owner, group, mode, tag, length, mtime, precision, told = row
    extra = {name: value if type(value) in _AS_THEY_ARE else _read(value) for name, value in told.items()}
    version = Version(tag, length, mtime, precision)
    return Entry(name, kind, size, version, created, modified, owner, group, mode, extra)


# --- entries by column: a listing has many of the same -----------------------------------------------------------


def _packed(entries: Sequence[Entry]) -> Iterable[Any]:
    if not all(type(entry) is Entry and type(entry.version) is Version for entry in entries):
        raise _LossyError
    names = [entry.name for entry in entries]
    if not all(type(name) is str for name in names):
        raise _LossyError
    before = _common(names)
    yield before
    yield [name[len(before) :] for name in names]
    for column, types in _COLUMNS:
        yield _column([getattr(entry, column) for entry in entries], types)
    versions = [entry.version for entry in entries]
    for column, types in _VERSION_COLUMNS:
        yield _column([getattr(version, column) for version in versions], types)
    # What else is known: for each set of names the values by column, and for each entry which set of names it has.
    shapes: Dict[Tuple[str, ...], int] = {}
    rows: List[List[Any]] = []
    which: List[int] = []
    for entry in entries:
        if type(entry.extra) is not dict:
            raise _LossyError
        shape = shapes.setdefault(tuple(entry.extra), len(shapes))
        if shape == len(rows):
            rows.append([])
        rows[shape].append(entry.extra.values())
        which.append(shape)
    if not all(type(name) is str for shape_names in shapes for name in shape_names):
        raise _LossyError
    yield [[names, list(map(_told_column, zip(*values)))] for names, values in zip(shapes, rows)]
    yield which


def _common(names: List[str]) -> str:
    """What all names begin with."""
    if not names:
        return ""
    low, high = min(names), max(names)
    return low[: next((at for at, (one, other) in enumerate(zip(low, high)) if one != other), len(low))]


def _column(values: List[Any], types: Tuple[type, ...]) -> Any:
    """The values, or the value where all are the same one. That none of them is a list tells the two apart."""
    kinds = set(map(type, values))
    if not kinds <= set(types):
        raise _LossyError
    if float in kinds and not all(value is None or math.isfinite(value) for value in values):
        raise _LossyError
    # 0.0 equals -0.0, and is another one.
    alike = len(kinds) == 1 and float not in kinds and values.count(values[0]) == len(values)
    return values[0] if alike else values


def _unpacked(count: int, before: str, names: List[str], *columns: Any) -> Iterable[Entry]:
    *plain, shapes, which = columns
    if type(before) is not str or not len(names) == len(which) == count:
        raise ValueError("columns of different lengths")
    described = (*_COLUMNS, *_VERSION_COLUMNS)
    if len(plain) != len(described):
        raise ValueError("another number of columns")
    filled = [_filled(column, types, count) for column, (_, types) in zip(plain, described)]
    kinds, sizes, *others = filled[: len(_COLUMNS)]
    versions = map(Version, *filled[len(_COLUMNS) :])
    # A set of names that is empty has no columns, and so no rows.
    rows = [zip(*map(_read_column, columns)) if names else repeat(()) for names, columns in shapes]
    extras = [dict(zip(shapes[shape][0], next(rows[shape]))) for shape in which]
    return map(Entry, [before + name for name in names], kinds, sizes, versions, *others, extras)


def _filled(column: Any, types: Tuple[type, ...], count: int) -> Iterable[Any]:
    alike = type(column) is not list
    values: List[Any] = [column] if alike else column
    if not set(map(type, values)) <= set(types):
        raise TypeError("a value of another type")
    if not alike and len(values) != count:
        raise ValueError("columns of different lengths")
    return repeat(column, count) if alike else values


# --- what else is known of a file: JSON, but for times and dicts, which are marked ---------------------------------


def _told_column(values: Tuple[Any, ...]) -> Any:
    """The values, or the text where all are the same one."""
    kinds = set(map(type, values))
    if kinds == {str} and values.count(values[0]) == len(values):
        return values[0]
    return values if kinds <= _PLAIN else list(map(_told, values))


def _told(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float and math.isfinite(value):
        return value
    if kind is list:
        return [_told(inner) for inner in value]
    if kind is dict and all(type(name) is str for name in value):
        return {"d": {name: _told(inner) for name, inner in value.items()}}
    if kind is datetime and not value.fold:
        return {"t": _told_time(value)}
    raise _LossyError


def _told_time(value: datetime) -> str:
    """A time that is in no zone, in UTC by whatever name, or at a fixed distance from it."""
    zone = value.tzinfo
    if type(zone) is timezone:
        if zone.tzname(None) != timezone(zone.utcoffset(None)).tzname(None):
            raise _LossyError  # it has a name of its own
    elif zone is not None:
        if value.utcoffset() != timedelta(0) or value.tzname() != "UTC":
            raise _LossyError
        return f"{value.replace(tzinfo=None).isoformat()}+00:00"  # twice as fast as asking the zone once more
    return value.isoformat()


def _read_column(column: Any) -> Iterable[Any]:
    if type(column) is str:
        return repeat(column)
    return column if set(map(type, column)) <= _AS_THEY_ARE else map(_read, column)


def _read(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        ((mark, inner),) = value.items()
        if mark == "t":
            return datetime.fromisoformat(inner)
        if mark == "d":
            return {name: _read(each) for name, each in inner.items()}
        raise ValueError(f"an unknown mark: {mark!r}")
    return [_read(inner) for inner in value] if kind is list else value
