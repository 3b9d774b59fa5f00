"""obstore, where this process can use it.

Its runtime keeps threads that no fork copies: in a child of a process that has loaded it, every call would wait for
ever. There it is refused.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, Callable, Optional

from attrs import define

from alluxiofs import forks
from alluxiofs.errors import MissingExtraError, NotSupportedError

__all__ = ["OLDEST_PYTHON", "Library", "check_installed", "library"]

OLDEST_PYTHON = (3, 11)
_EXTENSION = "obstore._obstore"

_made: Optional[Library] = None
_of_parent = False
"""Whether a process that this one is a copy of has loaded the library."""


@define(frozen=True)
class Library:
    """What is used of obstore, all of one load of it.

    Parameters
    ----------
    s3_store, gcs_store:
        The classes of stores.
    get, head, put, copy, delete, sign, open_writer, list_all, list_level:
        Its functions; the last two list with and without what is further below.
    """

    s3_store: Callable[..., Any]
    gcs_store: Callable[..., Any]
    get: Callable[..., Any]
    head: Callable[..., Any]
    put: Callable[..., Any]
    copy: Callable[..., Any]
    delete: Callable[..., Any]
    sign: Callable[..., Any]
    open_writer: Callable[..., Any]
    list_all: Callable[..., Any]
    list_level: Callable[..., Any]


def check_installed() -> None:
    """That there is an obstore.

    Raises
    ------
    MissingExtraError
        With the line that installs it, or the Python that it is for.
    """
    if sys.version_info < OLDEST_PYTHON:
        needed, found = ".".join(map(str, OLDEST_PYTHON)), ".".join(map(str, sys.version_info[:2]))
        raise MissingExtraError(
            f"under_store='obstore' needs Python {needed} or later, and pip install 'alluxiofs[fast]' there; this is "
            f"Python {found}: leave under_store out, and the protocol's own under store serves it"
        )
    if importlib.util.find_spec("obstore") is None:
        raise MissingExtraError("under_store='obstore' needs obstore: pip install 'alluxiofs[fast]'")


def library() -> Library:
    """The library, loaded at the first call in a process.

    Raises
    ------
    NotSupportedError
        In a process that was forked from one that has loaded it.
    """
    global _made
    if _made is None:
        if _of_parent:
            raise NotSupportedError(
                "under_store='obstore' cannot be used in a process that was forked from one that has used it: its "
                "threads do not survive a fork. Start processes with 'spawn' or 'forkserver', or leave under_store "
                "out, and the protocol's own under store serves it"
            )
        _made = _described(importlib.import_module(_EXTENSION))
    return _made


def _described(module: Any) -> Library:
    return Library(
        s3_store=module._store.S3Store,
        gcs_store=module._store.GCSStore,
        get=module.get,
        head=module.head,
        put=module.put,
        copy=module.copy,
        delete=module.delete,
        sign=module.sign,
        open_writer=module.open_writer,
        list_all=module.list,
        list_level=module.list_with_delimiter,
    )


def _after_fork() -> None:
    global _made, _of_parent
    _of_parent = _of_parent or _EXTENSION in sys.modules
    _made = None


forks.in_child(_after_fork)
