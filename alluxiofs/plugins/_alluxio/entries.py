"""What workers say of files and directories."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Entry, Location, Version

__all__ = ["child_entry", "entry_of", "parse_entries", "parse_object"]

_MILLISECOND = 10**6
_OF_A_DIRECTORY = Version()


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


def entry_of(said: Dict[str, Any], name: str) -> Entry:
    """An entry, by the name that the store's own client has for it.

    The description is used up: what is not taken out of it is what else is known. A listing has a hundred thousand of
    them, and copies cost more than all the rest.
    """
    pop = said.pop
    kind, length = pop("mType"), pop("mLength", None)
    modified, created = _time(pop("mLastModificationTimeMs", None)), _time(pop("mCreationTimeMs", None))
    owner, group, mode = _text(pop("mOwner", None)), _text(pop("mGroup", None)), pop("mMode", None)
    pop("mName", None)
    version = _OF_A_DIRECTORY
    if kind == "file":
        version = Version(None, length, None if modified is None else modified * _MILLISECOND, _MILLISECOND)
    return Entry(
        name,
        kind,
        length if kind == "file" else 0,
        version,
        None if created is None else created / 1000,
        None if modified is None else modified / 1000,
        owner,
        group,
        mode if type(mode) is int else None,
        said,
    )


def child_entry(said: Dict[str, Any], above: Location) -> Optional[Entry]:
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


def _time(value: Any) -> Optional[int]:
    """A time, in milliseconds; workers say 0 or less where they know none."""
    return value if type(value) is int and value > 0 else None


def _text(value: Any) -> Optional[str]:
    return value if value and type(value) is str else None
