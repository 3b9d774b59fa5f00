"""obstore, as this process can use it.

Its runtime keeps threads that no fork copies: in a child of a process that has used it, every call would wait for
ever. Such a child loads the library a second time. What is the same file is loaded once only, so it is loaded from a
copy, which is gone from the disk at once.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from attrs import define

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
    """The library, loaded at the first call in a process."""
    global _made
    if _made is None:
        _made = _described(_second_load() if _of_parent else importlib.import_module(_EXTENSION))
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


def _second_load() -> Any:
    """The library from a copy of its file. Modules of that name that others have imported stay what they are."""
    found = importlib.util.find_spec(_EXTENSION)
    if found is None or found.origin is None:
        raise NotSupportedError("obstore cannot be loaded again in a forked process; start processes with 'spawn'")
    before = _modules()
    try:
        return _from_copy(Path(found.origin))
    finally:
        for name in _modules():
            del sys.modules[name]
        sys.modules.update(before)


def _modules() -> Dict[str, Any]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "obstore"}


def _from_copy(origin: Path) -> Any:
    content = origin.read_bytes()
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("obstore"), "wb", buffering=0) as copy:
            _write(copy.write, content)
            return _load(f"/proc/self/fd/{copy.fileno()}")
    with tempfile.NamedTemporaryFile(suffix=origin.suffix, buffering=0) as named:
        _write(named.write, content)
        return _load(named.name)


def _write(write: Callable[[memoryview], Optional[int]], content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[write(left) or 0 :]


def _load(path: str) -> Any:
    loader = importlib.machinery.ExtensionFileLoader(_EXTENSION, path)
    spec = importlib.util.spec_from_file_location(_EXTENSION, path, loader=loader)
    if spec is None:
        raise NotSupportedError(f"obstore cannot be loaded from {path!r}; start processes with 'spawn'")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _after_fork() -> None:
    global _made, _of_parent
    _of_parent = _of_parent or _EXTENSION in sys.modules
    _made = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
