"""The under stores, and the path that was named: whether they can be asked, and what files there are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, List, Optional, Tuple

from attrs import define

from alluxiofs.cli.doctor.findings import Finding, Grade, failed
from alluxiofs.cli.notices import collected_warnings
from alluxiofs.cli.output import count_text
from alluxiofs.errors import AlluxioFSError, ConfigurationError, MissingExtraError, NotSupportedError
from alluxiofs.interfaces import Deadline, Entry, Location

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway

__all__ = ["Files", "examine_at_workers", "examine_stores"]

_LIMIT = 20.0  # seconds: clients try several times before they give up
_LOOKED_AT = 200  # entries of a folder that was named
_FOLDERS, _OF_EACH = 20, 20  # that are looked at below it, and entries of each
_ADVICE_OF_NAMES = "name the under store with {}: it can be asked for every name"

Files = List[Tuple[Location, Entry]]


@define(frozen=True)
class _Asked:
    """Who is asked what there is."""

    stat: Callable[[Location, Deadline], Entry]
    list: Callable[[Location, Deadline], Iterable[Entry]]


@define(frozen=True)
class _Below:
    """What came of looking into the folders of a folder."""

    folders: int
    """That were looked at."""
    failure: Optional[Exception]
    """Why the first of those was not listed that could not be."""


def examine_stores(gateway: Gateway, path: Optional[str], files: Files) -> Iterator[Finding]:
    """Look at a path in its store, or at the root of each store. Files that are found go into ``files``."""
    mounts = gateway.parts.mounts
    if not mounts:
        yield Finding(
            "under store",
            Grade.TOLD,
            "none is named: what workers cannot serve cannot be read",
            f"name one with {_protocol_of(path)}: reads then go on when workers fail",
        )
        return
    if path is not None:
        yield _look_in_store(gateway, gateway.locate(path), files, named=True)
        return
    for mount in mounts:
        name = mount.store.strip(mount.prefix) if mount.prefix else mount.store.root
        yield _look_in_store(gateway, Location(mount.prefix, name, mount.store.url(name)), files, named=False)


def examine_at_workers(gateway: Gateway, path: str, files: Files) -> Finding:
    """Look at a path as all commands do where no under store is named: by asking the workers."""
    asked = _Asked(
        lambda location, deadline: gateway.stat(location, deadline=deadline),
        lambda location, _: gateway.list(location),
    )
    what = "path"
    with collected_warnings():  # what they say is what is found
        try:
            return _look(gateway, asked, gateway.locate(path), files, what)
        except NotSupportedError as error:
            return failed(
                what, error, f"name the under store with {_protocol_of(path)}: it can be asked for every name"
            )
        except FileNotFoundError as error:
            return failed(what, error, "the workers know of no such path: is it spelt as the cluster names it?")
        except (OSError, AlluxioFSError) as error:
            return failed(what, error, "the workers are asked, for no under store is named")


def _protocol_of(path: Optional[str]) -> str:
    """The argument that names the under store, whose protocol the URL may say."""
    scheme, separator, _ = (path or "").rpartition("::")[2].partition("://")
    return f"target_protocol={scheme.lower()!r}" if separator else "target_protocol"


def _look_in_store(gateway: Gateway, location: Location, files: Files, named: bool) -> Finding:
    store = gateway.store_of(location)
    what = f"under store {store.name}"
    asked = _Asked(
        lambda one, deadline: store.stat(one.name, deadline),
        lambda one, deadline: store.list(one.name, deadline),
    )
    try:
        return _look(gateway, asked, location, files, what, named)
    except (OSError, AlluxioFSError) as error:
        if isinstance(error, PermissionError) and not named and store.capabilities.remote:
            return Finding(
                what,
                Grade.WARNING,
                f"{location.url}: it may not be listed, which says little: {error}",
                "name a path that you may read: alluxiofs doctor URL",
            )
        return failed(what, error, _advice(error, store.target.protocol))


def _look(gateway: Gateway, asked: _Asked, location: Location, files: Files, what: str, named: bool = True) -> Finding:
    """What a path is. Files go into ``files``: it, or those in it and in folders below it."""
    shown = location.url
    if named:
        entry = asked.stat(location, Deadline.after(_LIMIT))
        if entry.is_file:
            files.append((location, entry))
            length = "unknown length" if entry.size is None else count_text(entry.size, "byte")
            return Finding(what, Grade.OK, f"{shown}: a file of {length}")
    entries = list(itertools.islice(asked.list(location, Deadline.after(_LIMIT)), _LOOKED_AT))
    files += [(gateway.child(location, one.name), one) for one in entries if one.is_file]
    folders = [gateway.child(location, one.name) for one in entries if not one.is_file]
    more = "or more " if len(entries) == _LOOKED_AT else ""
    text = f"{shown}: {len(entries)} {more}{'entry' if len(entries) == 1 else 'entries'}"
    if not folders or not named:  # nobody has asked for all that a store has
        return Finding(what, Grade.OK, text)
    below = _descend(gateway, asked, folders, files)
    text = f"{text}, {len(folders)} of them {'a folder' if len(folders) == 1 else 'folders'}"
    looked = f"{count_text(below.folders, 'folder')} below"
    if files:
        found = f"{count_text(len(files), 'file')} {'was' if len(files) == 1 else 'were'} found in it and {looked}"
        return Finding(what, Grade.OK, f"{text}; {found}")
    text = f"{text}; no file was found in {looked}"
    if below.failure is None:
        return Finding(what, Grade.OK, text, "name a file, or a folder with files in it")
    advice = "name a file, or a folder that can be listed"
    if isinstance(below.failure, NotSupportedError):
        advice = _ADVICE_OF_NAMES.format(_protocol_of(shown))
    return Finding(what, Grade.WARNING, f"{text}: {below.failure}", advice)


def _descend(gateway: Gateway, asked: _Asked, folders: List[Location], files: Files) -> _Below:
    """Look into some of the folders, and the folders in them before the next: files of tables are partitions down."""
    whole = Deadline.after(_LIMIT)
    waiting = folders[::-1]
    looked, failure = 0, None
    while waiting and looked < _FOLDERS and whole.remaining():
        location = waiting.pop()
        looked += 1
        try:
            entries = list(itertools.islice(asked.list(location, Deadline.after(whole.remaining())), _OF_EACH))
        except (OSError, AlluxioFSError) as error:
            failure = failure or error
            continue
        files += [(gateway.child(location, one.name), one) for one in entries if one.is_file]
        waiting += [gateway.child(location, one.name) for one in reversed(entries) if not one.is_file]
    return _Below(looked, failure)


def _advice(error: BaseException, protocol: str) -> Optional[str]:
    if isinstance(error, (ConfigurationError, MissingExtraError)):
        return None
    if isinstance(error, FileNotFoundError):
        return "there is no such path, folder or bucket: is it spelt as the store has it, and is it the right endpoint?"
    if isinstance(error, PermissionError):
        return (
            "there are no credentials, or the store does not know them, or not for this path: look at key, secret and "
            "token in target_options, and at what the environment and files of the client's own say"
        )
    if isinstance(error, (TimeoutError, ConnectionError)):
        return "the store cannot be reached from here: look at endpoint_url in target_options, and at proxies"
    return f"the client of {protocol!r} says so; what it is made with is target_options"
