"""What workers say of files and directories."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Entry, Location, Version

__all__ = ["child_entry", "entry_of", "parse_entries", "parse_object"]

_MILLISECOND = 10**6
_KNOWN = frozenset(
    {"mType", "mLength", "mLastModificationTimeMs", "mCreationTimeMs", "mOwner", "mGroup", "mMode", "mName"}
)


def parse_object(body: bytes, where: str) -> Dict[str, Any]:
    """A JSON object. ``BadAnswerError`` if it is none."""
    found = _parse(body, where)
    if not isinstance(found, dict):
        raise BadAnswerError(f"{where}: the answer is no JSON object")
    return found


def parse_entries(body: bytes, where: str) -> List[Dict[str, Any]]:
    """What ``files`` and ``info`` answer: an array of descriptions. ``BadAnswerError`` if it is none."""
    found = _parse(body, where)
    if not isinstance(found, list) or not all(isinstance(one, dict) and _is_entry(one) for one in found):
        raise BadAnswerError(f"{where}: the answer does not describe files")
    return found


def entry_of(said: Mapping[str, Any], name: str) -> Entry:
    """An entry, by the name that the store's own client has for it."""
    is_file = said["mType"] == "file"
    modified = _time(said, "mLastModificationTimeMs")
    version = Version()
    if is_file:
        mtime = None if modified is None else modified * _MILLISECOND
        version = Version(None, said["mLength"], mtime, _MILLISECOND)
    created = _time(said, "mCreationTimeMs")
    return Entry(
        name,
        said["mType"],
        said["mLength"] if is_file else 0,
        version,
        None if created is None else created / 1000,
        None if modified is None else modified / 1000,
        _text(said, "mOwner"),
        _text(said, "mGroup"),
        said["mMode"] if type(said.get("mMode")) is int else None,
        {key: value for key, value in said.items() if key not in _KNOWN},
    )


def child_entry(said: Mapping[str, Any], above: Location) -> Optional[Entry]:
    """An entry of a listing; ``None`` for one whose name is not the file's: with a backslash, shown as a slash."""
    base = said["mName"]
    if "/" in base or not base:
        return None
    return entry_of(said, f"{above.name.rstrip('/')}/{base}" if above.name else base)


def _parse(body: bytes, where: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"{where}: the answer is no JSON: {error}") from error


def _is_entry(said: Mapping[str, Any]) -> bool:
    kind, length = said.get("mType"), said.get("mLength")
    if kind not in ("file", "directory") or not isinstance(said.get("mName"), str):
        return False
    return kind == "directory" or (type(length) is int and length >= 0)


def _time(said: Mapping[str, Any], field: str) -> Optional[int]:
    """A time, in milliseconds; workers say 0 or less where they know none."""
    value = said.get(field)
    return value if type(value) is int and value > 0 else None


def _text(said: Mapping[str, Any], field: str) -> Optional[str]:
    value = said.get(field)
    return value if isinstance(value, str) and value else None
