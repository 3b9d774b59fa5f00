"""What tells one store from another of the same URLs, without a secret in it."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import time
from typing import TYPE_CHECKING, Any, Dict, Mapping

from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.settings.secrets import without_secrets

if TYPE_CHECKING:
    from alluxiofs.interfaces import Target

__all__ = ["client_identity", "memory_identity", "store_identity"]

# What these name can change, or be in memory, without a new name.
_ELSEWHERE = frozenset({"fo", "target_protocol", "remote_protocol"})
_STARTED = f"{os.getpid()}-{time.time_ns()}"
_TUNING = frozenset(
    {
        "asynchronous",
        "auto_mkdir",
        "batch_size",
        "block_size",
        "cache_regions",
        "cache_timeout",
        "config_kwargs",
        "default_block_size",
        "default_cache_type",
        "default_fill_cache",
        "fixed_upload_size",
        "listings_expiry_time",
        "local_expiry_check",
        "loop",
        "max_concurrency",
        "max_paths",
        "retries",
        "session",
        "skip_instance_cache",
        "timeout",
        "use_listings_cache",
    }
)


def store_identity(scheme: str, options: Mapping[str, Any]) -> str:
    """A short text that is the same for equal stores, in every process.

    Parameters
    ----------
    scheme:
        The canonical one.
    options:
        Plain values. Secrets and what only tunes (timeouts, block sizes, caches) do not count.
    """
    counted = _counted(options)
    if not counted:
        return scheme
    text = json.dumps(counted, sort_keys=True)
    return f"{scheme}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def client_identity(scheme: str, target: Target, unique: str) -> str:
    """The identity of whatever a client reaches.

    A ready client counts with its class and all its arguments, by their names. A filesystem among them counts like
    that too. Where nobody can tell what a store is made of (an archive, a filesystem over one that is not there yet,
    an object that is no filesystem among the arguments) no other component gets the same identity.

    Parameters
    ----------
    scheme:
        The canonical one.
    target:
        Options or a ready client.
    unique:
        What no other component has.
    """
    try:
        if target.client is None:
            return store_identity(scheme, _described(_counted(target.options)))
        return store_identity(scheme, _described(target.client))
    except _UntoldError:
        return f"{scheme}-{unique}"


def memory_identity(client: MemoryFileSystem) -> str:
    """Of one dict of files, in this process and no other."""
    return f"memory-{os.getpid()}-{_STARTED}-{id(client.store)}"


class _UntoldError(Exception):
    """Two such objects cannot be told apart by what they are made of."""


def _counted(options: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in without_secrets(options).items() if name not in _TUNING}


def _described(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [_described(inner) for inner in value]
    if isinstance(value, MemoryFileSystem):
        return {"class": "memory", "store": memory_identity(value)}
    if isinstance(value, AbstractFileSystem):
        kind = type(value)
        return {"class": f"{kind.__module__}.{kind.__qualname__}", "arguments": _described(_arguments(value))}
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        if _ELSEWHERE.intersection(value):
            raise _UntoldError
        return {name: _described(inner) for name, inner in value.items()}
    raise _UntoldError


def _arguments(client: AbstractFileSystem) -> Dict[str, Any]:
    """What a client was made of, by name, without secrets."""
    try:
        bound = inspect.signature(type(client).__init__).bind_partial(client, *client.storage_args)
    except (TypeError, ValueError) as error:
        raise _UntoldError from error
    named = dict(list(bound.arguments.items())[1:])
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in bound.signature.parameters.values()):
        surplus = [value for value in named.values() if isinstance(value, tuple)]
        if any(surplus):  # which of them are secret only their names would tell
            raise _UntoldError
    return _counted({**named, **client.storage_options})
