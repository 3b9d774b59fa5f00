"""What a filesystem says of files, as the command shows it."""

from __future__ import annotations

from typing import Any, Dict

from alluxiofs.cli.output import as_utc
from alluxiofs.cli.session import Place, scheme_of

__all__ = ["as_data", "shown"]

_FIRST = ("name", "type", "size", "modified", "version", "ufs_path")
_SECONDS = ("created", "modified", "mtime")


def shown(place: Place, entry: Dict[str, Any]) -> str:
    """The name of an entry in the way that the user wrote the path above it: URLs for a URL, else names."""
    if scheme_of(place.given) and entry.get("ufs_path"):
        return str(entry["ufs_path"])
    return str(entry["name"])


def as_data(place: Place, entry: Dict[str, Any]) -> Dict[str, Any]:
    """An entry with a name that can be passed back in, times as times, and first what everybody looks for."""
    named = {**entry, "name": shown(place, entry)}
    data = {name: named[name] for name in (*filter(named.__contains__, _FIRST), *named)}
    for name in _SECONDS:
        if isinstance(data.get(name), (int, float)):
            data[name] = as_utc(data[name])
    return data
