"""The under stores: whether they can be asked, and what files there are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Iterator, List, Optional, Tuple

from alluxiofs.cli.doctor.findings import Finding, Grade, failed
from alluxiofs.errors import AlluxioFSError, ConfigurationError, MissingExtraError
from alluxiofs.interfaces import Deadline, Entry, Location

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway

__all__ = ["Files", "examine_stores"]

_LIMIT = 20.0  # seconds: clients try several times before they give up
_LOOKED_AT = 200  # entries

Files = List[Tuple[Location, Entry]]


def examine_stores(gateway: Gateway, path: Optional[str], files: Files) -> Iterator[Finding]:
    """Look at a path in its store, or at the root of each store. Files that are found go into ``files``."""
    mounts = gateway.parts.mounts
    if not mounts:
        yield Finding(
            "under store",
            Grade.TOLD,
            "none is named: what workers cannot serve cannot be read",
            "name one with target_protocol: reads then go on when workers fail",
        )
        return
    if path is not None:
        yield _look(gateway, gateway.locate(path), files, named=True)
        return
    for mount in mounts:
        name = mount.store.strip(mount.prefix) if mount.prefix else mount.store.root
        yield _look(gateway, Location(mount.prefix, name, mount.store.url(name)), files, named=False)


def _look(gateway: Gateway, location: Location, files: Files, named: bool) -> Finding:
    store = gateway.store_of(location)
    what = f"under store {store.name}"
    shown = location.url
    try:
        entry = store.stat(location.name, Deadline.after(_LIMIT)) if named else Entry(location.name, "directory")
        if entry.is_file:
            files.append((location, entry))
            return Finding(what, Grade.OK, f"{shown}: a file of {entry.size} bytes")
        entries = list(itertools.islice(store.list(location.name, Deadline.after(_LIMIT)), _LOOKED_AT))
    except (OSError, AlluxioFSError) as error:
        if isinstance(error, PermissionError) and not named and store.capabilities.remote:
            return Finding(
                what,
                Grade.WARNING,
                f"{shown}: it may not be listed, which says little: {error}",
                "name a path that you may read: alluxiofs doctor URL",
            )
        return failed(what, error, _advice(error, store.target.protocol))
    files += [(gateway.child(location, one.name), one) for one in entries if one.is_file]
    more = "or more " if len(entries) == _LOOKED_AT else ""
    return Finding(what, Grade.OK, f"{shown}: {len(entries)} {more}entries")


def _advice(error: BaseException, protocol: str) -> Optional[str]:
    if isinstance(error, (ConfigurationError, MissingExtraError)):
        return None
    if isinstance(error, FileNotFoundError):
        return "there is no such path, folder or bucket: is it spelt as the store has it, and is it the right endpoint?"
    if isinstance(error, PermissionError):
        return (
            "the store knows these credentials not, or not for this path: look at key, secret and token in "
            "target_options, and at what the environment and files of the client's own say"
        )
    if isinstance(error, (TimeoutError, ConnectionError)):
        return "the store cannot be reached from here: look at endpoint_url in target_options, and at proxies"
    return f"the client of {protocol!r} says so; what it is made with is target_options"
