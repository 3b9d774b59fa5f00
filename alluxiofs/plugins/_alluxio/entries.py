"""What workers say of files and directories."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, Iterator, List, Optional

from alluxiofs.errors import BadAnswerError
from alluxiofs.interfaces import Entry, Location, Version

__all__ = ["child_entries", "entry_of", "parse_entries", "parse_object"]

_MILLISECOND = 10**6
_OF_A_DIRECTORY = Version()
_OBJECTS = frozenset({dict})


def parse_object(body: bytes, where: str) -> Dict[str, Any]:
    """A JSON object. ``BadAnswerError`` if it is none."""
    found = _parse(body, where)
    if not isinstance(found, dict):
        raise BadAnswerError(f"{where}: the answer is no JSON object")
    return found


def parse_entries(body: bytes, where: str) -> List[Dict[str, Any]]:
    """What ``files`` and ``info`` answer: an array of descriptions. ``BadAnswerError`` if it is none.

    Each of them is looked at when an entry is made of it: a listing has a hundred thousand.
    """
    found = _parse(body, where)
    if not isinstance(found, list) or not _OBJECTS.issuperset(map(type, found)):
        raise _no_files(where)
    return found


def entry_of(said: Dict[str, Any], name: str, where: str) -> Entry:
    """An entry, by the name that the store's own client has for it.

    The description is used up: what is not taken out of it is what else is known. A listing has a hundred thousand of
    them, and copies cost more than all the rest; so do calls.

    Raises
    ------
    BadAnswerError
        If it describes no file.
    """
    try:
        pop = said.pop
        kind, length, base = pop("mType"), pop("mLength", None), pop("mName", None)
    except KeyError:
        raise _no_files(where) from None
    modified, created = pop("mLastModificationTimeMs", None), pop("mCreationTimeMs", None)
    owner, group, mode = pop("mOwner", None), pop("mGroup", None), pop("mMode", None)
    if base is not None and type(base) is not str:
        raise _no_files(where)
    # Workers say 0 or less where they know no time.
    if type(modified) is not int or modified <= 0:
        modified = None
    if kind == "file":
        if type(length) is not int or length < 0:
            raise _no_files(where)
        version = Version(None, length, None if modified is None else modified * _MILLISECOND, _MILLISECOND)
    elif kind == "directory":
        version, length = _OF_A_DIRECTORY, 0
    else:
        raise _no_files(where)
    return Entry(
        name,
        kind,
        length,
        version,
        created / 1000 if type(created) is int and created > 0 else None,
        None if modified is None else modified / 1000,
        owner if owner and type(owner) is str else None,
        group if group and type(group) is str else None,
        mode if type(mode) is int else None,
        said,
    )


def child_entries(said: Iterable[Dict[str, Any]], above: Location, where: str) -> Iterator[Entry]:
    """The entries of a listing, but for those whose name is not the file's: with a backslash, shown as a slash."""
    prefix = f"{above.name.rstrip('/')}/" if above.name else ""
    for one in said:
        base = one.get("mName")
        if base is None:
            base = _last_of(one.get("mUfsPath") or one.get("mPath"))
        if type(base) is not str:
            raise _no_files(where)
        if "/" not in base and base:
            yield entry_of(one, prefix + base, where)


def _last_of(path: Any) -> Optional[str]:
    """The last part of a path, for a worker of the newer dialect may leave out the name."""
    return path.rstrip("/").rpartition("/")[2] if type(path) is str else None


def _no_files(where: str) -> BadAnswerError:
    return BadAnswerError(f"{where}: the answer does not describe files")


def _parse(body: bytes, where: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"{where}: the answer is no JSON: {error}") from error
