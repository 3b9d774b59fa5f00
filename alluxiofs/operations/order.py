"""Which of two names is the local one: ``download`` has it first, and fsspec's own method of that name second."""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from glob import has_magic
from typing import TYPE_CHECKING, Any, Callable, List, Optional, TypeVar, cast

from alluxiofs.errors import ConfigurationError
from alluxiofs.operations.arguments import path_text
from alluxiofs.settings.secrets import shown

if TYPE_CHECKING:
    from alluxiofs.operations.transfer import Transfer

__all__ = ["local", "local_path_first"]

Download = TypeVar("Download", bound=Callable[..., bool])

_REMOTE_URL = re.compile(r"(?!(?:file|local)://)[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_OF_LOCAL_URLS = re.compile(r"(?:file|local):(?://|(?=/))", re.IGNORECASE)
_SAY_WHICH = "fsspec has the remote path first, download() the local one: write {}, or use get(rpath, lpath)"


def local(path: Any) -> str:
    """A local path without the ``file://`` that may stand before it."""
    text = path_text(path)
    found = _OF_LOCAL_URLS.match(text)
    return text[found.end() :] if found else text


def local_path_first(download: Download) -> Download:
    """Have a download that is given its paths by their position write to the local one, and to no other.

    The local path comes first. A URL that only the remote path can be is that one, wherever it stands. Of two plain
    names the second is read; where it is not there and the first is, the error says whose order that would be.
    """

    @functools.wraps(download)
    def in_order(self: Transfer, *paths: Any, **others: Any) -> bool:
        if len(paths) == 1 and "lpath" in others:
            return download(self, rpath=paths[0], **others)
        if len(paths) < 2 or "lpath" in others or "rpath" in others:
            return download(self, *paths, **others)
        first, second, *rest = paths
        if _has_remote(first):
            if _has_remote(second):
                raise ConfigurationError(
                    f"download({shown(first)}, {shown(second)}): both are URLs; {_advice('…', '…')}"
                )
            return download(self, second, first, *rest, **others)
        if _has_remote(second):
            return download(self, first, second, *rest, **others)
        recursive = bool(rest[0] if rest else others.get("recursive"))
        meant = False
        try:
            return download(self, first, second, *rest, **others)
        except (FileNotFoundError, IsADirectoryError) as error:
            with suppress(OSError):  # what was found out is what is told, if no more can be
                meant = _may_be_read(self, first, recursive)
            if not meant:
                raise
            raise type(error)(error.errno, f"{error.strerror}; {_advice(first, second)}", error.filename) from error

    return cast("Download", in_order)


def _advice(first: Any, second: Any) -> str:
    return _SAY_WHICH.format(f"download(rpath={shown(first)}, lpath={shown(second)})")


def _each(paths: Any) -> List[Any]:
    return list(paths) if isinstance(paths, (list, tuple)) else [paths]


def _has_remote(paths: Any) -> bool:
    return any(_REMOTE_URL.match(path_text(one)) is not None for one in _each(paths))


def _may_be_read(fs: Transfer, paths: Any, recursive: bool) -> bool:
    """Whether what a download reads may be this: a file, pattern or, ``recursive``, directory that is there."""
    kinds = [_kind(fs, one) for one in _each(paths)]
    return "file" in kinds or (recursive and "directory" in kinds)


def _kind(fs: Transfer, path: Any) -> Optional[str]:
    """What a path is in the filesystem; ``None`` where nothing can be read at it."""
    try:
        kind: str = fs.info(path)["type"]
    except (FileNotFoundError, PermissionError, NotADirectoryError, ValueError):  # the last: no name it could have
        return "file" if has_magic(path_text(path)) else None
    return kind
