"""Clients that users pass in, as they can be used in this process."""

from __future__ import annotations

import os
from typing import Any, TypeVar

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs import forks
from alluxiofs.errors import ConfigurationError

__all__ = ["usable"]

C = TypeVar("C", bound=AbstractFileSystem)


def usable(client: C) -> C:
    """A ready client, or in a forked child one of the same arguments: threads, loops, connections and the places in
    open files are the parent's.

    Raises
    ------
    ConfigurationError
        For one that is asynchronous: it has no loop that a blocking call could wait for.
    """
    if getattr(client, "asynchronous", False):
        raise ConfigurationError("fs: a filesystem made with asynchronous=True leaves no event loop to wait on")
    if not _inherited(client):
        return client
    options = {name: _usable_in(value) for name, value in client.storage_options.items() if name != "loop"}
    made: C = type(client)(*map(_usable_in, client.storage_args), **{**options, "skip_instance_cache": True})
    return made


def _usable_in(argument: Any) -> Any:
    return usable(argument) if isinstance(argument, AbstractFileSystem) else argument


def _inherited(client: AbstractFileSystem) -> bool:
    if isinstance(client, (LocalFileSystem, MemoryFileSystem)):  # nothing of theirs is shared with the parent
        return False
    made_in = getattr(client, "_pid", None) if getattr(client, "async_impl", False) else None
    # Who is not asynchronous does not say where it was made: in a child it may have been before the fork.
    return forks.count > 0 if made_in is None else bool(made_in != os.getpid())
