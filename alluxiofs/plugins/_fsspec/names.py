"""Names in under stores: what is legal, what is one, what a file is called until it is whole."""

from __future__ import annotations

import errno
import re
import secrets
from typing import Container, Tuple

from alluxiofs.errors import InvalidPathError

__all__ = [
    "canonical_scheme",
    "check",
    "check_outside",
    "contained",
    "encodable",
    "is_temporary",
    "normalised",
    "split_scheme",
    "temporary",
]

_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "local": "file", "abfss": "abfs", "az": "abfs", "arrow_hdfs": "hdfs"}
_TEMPORARY = re.compile(r"\.alluxiofs-[0-9a-f]{16}\.part")


def canonical_scheme(protocol: str) -> str:
    """The one scheme that stands for all the aliases of it."""
    return _ALIASES.get(protocol, protocol)


def split_scheme(path: str, schemes: Container[str]) -> Tuple[str, str]:
    """One of ``schemes`` that a URL begins with, in whatever letter case, and what follows ``://``; a path that is none
    of their URLs has no scheme, and is as it was."""
    scheme, separator, rest = path.partition("://")
    return (scheme.lower(), rest) if separator and scheme.lower() in schemes else ("", path)


def check(path: str) -> str:
    """The path itself, if it can name a file at all."""
    if "\0" in path:
        raise InvalidPathError(f"the path {path!r} has a NUL in it")
    return path


def encodable(name: str) -> str:
    """The name itself, if it can be sent: what stands for odd bytes in names of local files cannot.

    Raises
    ------
    InvalidPathError
        If UTF-8 does not have it.
    """
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InvalidPathError(f"the path {name!r} is no Unicode: {error.reason}") from error
    return name


def normalised(name: str) -> str:
    """An absolute name of a store with real directories, without ``.``, ``..`` and empty parts.

    Raises
    ------
    InvalidPathError
        If it climbs above the root.
    """
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise InvalidPathError(f"the path {name!r} leaves the root of its store")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def contained(name: str) -> str:
    """A name of a store of keys, as it is: ``.``, ``..`` and empty parts are legal there, and mean nothing.

    Raises
    ------
    InvalidPathError
        If whoever did read ``..`` as a step up would end outside of the bucket; if it is no Unicode.
    """
    encodable(name)
    if ".." in name:
        bucket, _, key = name.partition("/")
        depth = 0
        for part in [".."] if bucket == ".." else key.split("/"):
            depth += -1 if part == ".." else part not in ("", ".")
            if depth < 0:
                raise InvalidPathError(f"the path {name!r} leaves its bucket")
    return name


def check_outside(source: str, target: str) -> None:
    """That a directory is not to be moved to a place in itself: ``OSError`` with ``EINVAL``."""
    if f"{target}/".startswith(f"{source.rstrip('/')}/"):
        raise OSError(errno.EINVAL, "a directory cannot be moved into itself", source)


def temporary(directory: str) -> str:
    """A new name, in a directory, for a file that is not whole yet. Short, whatever the file will be called."""
    base = f"{directory.rstrip('/')}/" if directory else ""
    return f"{base}.alluxiofs-{secrets.token_hex(8)}.part"


def is_temporary(name: str) -> bool:
    """Whether a name is one of :func:`temporary`: no file yet, so no listing has it."""
    return _TEMPORARY.fullmatch(name.rsplit("/", 1)[-1]) is not None
