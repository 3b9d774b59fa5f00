"""Who asks an under store: what one tenant may see is never shown to another.

Page keys need no such thing, for nobody gets at a page without a stat that the under store has answered. A stat or a
listing that another process has asked for is such an answer itself, so it is shared only among those who would have got
the same one.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import attrs

from alluxiofs.interfaces import UnderStore
from alluxiofs.settings.secrets import is_secret_name

__all__ = ["tenant_of"]

# Where clients of storage systems look for credentials and endpoints when nobody has named any.
_VARIABLES = (
    "ALIBABA_",
    "AWS_",
    "AZURE_",
    "BOTO",
    "CLOUDSDK_",
    "FSSPEC_",
    "GCE_",
    "GCSFS_",
    "GOOGLE_",
    "HADOOP_",
    "HF_",
    "HOME",
    "HUGGING",
    "KRB5",
    "NO_PROXY",
    "OSS_",
    "S3_",
    "XDG_CONFIG_HOME",
)
_FILES = (
    "~/.aws/config",
    "~/.aws/credentials",
    "~/.config/gcloud/application_default_credentials.json",
    "~/.config/gcloud/configurations/config_default",
    "~/.config/gcloud/credentials.db",
    "~/.netrc",
    "~/.ossutilconfig",
)


class _UntoldError(Exception):
    """Two such values cannot be told apart by what they are made of."""


def tenant_of(store: UnderStore) -> Optional[bytes]:
    """A digest (SHA-256) of all that an under store's answers may depend on: which store it is, by whom it is asked,
    with which credentials and settings. ``None`` if that cannot be told, as for a client with objects among its
    arguments.

    Credentials that the options do not name are told by the environment and by the times of the files that hold them.
    """
    target = store.target
    kind = type(store)
    try:
        parts = [
            store.identity(),
            f"{kind.__module__}.{kind.__qualname__}",
            os.getuid() if hasattr(os, "getuid") else None,
            target.protocol,
            _plain(target.options),
            None if target.client is None else _client(target.client),
            _plain(_fields(store.settings)),
            _plain(_configuration()),
            sorted(_environment()),
            [(path, _state(os.path.expanduser(path))) for path in _FILES],
        ]
    except _UntoldError:
        return None
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).digest()


def _client(client: Any) -> List[Any]:
    """A ready client: its class, and what it was made of."""
    kind = type(client)
    try:
        return [f"{kind.__module__}.{kind.__qualname__}", _plain(client.storage_args), _plain(client.storage_options)]
    except AttributeError as error:  # it is no fsspec filesystem, or one without a word about itself
        raise _UntoldError from error


def _configuration() -> Mapping[str, Any]:
    """What fsspec adds to the arguments of clients."""
    from fsspec.config import conf

    configured: Mapping[str, Any] = conf
    return configured


def _fields(settings: Any) -> Dict[str, Any]:
    if settings is None:
        return {}
    if not attrs.has(type(settings)):
        raise _UntoldError
    return {field.name: getattr(settings, field.name) for field in attrs.fields(type(settings))}


def _environment() -> Iterator[Tuple[str, str, Any]]:
    for name, value in os.environ.items():
        if name.upper().startswith(_VARIABLES) or is_secret_name(name):
            yield name, value, _state(value) if os.path.isabs(value) else None


def _state(path: str) -> Any:
    """What changes when a file is replaced or written."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _plain(value: Any) -> Any:
    """A value whose JSON is another one if the value is."""
    if isinstance(value, enum.Enum):
        return ["enum", value.name]
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, os.PathLike):
        return ["path", os.fspath(value)]
    if isinstance(value, (list, tuple)):
        return ["list", *(_plain(inner) for inner in value)]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: _plain(inner) for name, inner in value.items()}
    raise _UntoldError
