"""Making a store, and taking one away that is broken. What is not a store's own is never touched."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.control import Control, is_control, write_new
from alluxiofs.pagestores.ondisk.files import OWNERS
from alluxiofs.pagestores.ondisk.hints import BUCKET_BYTES, FIRST_BUCKETS

__all__ = ["make_store", "remove_own", "replace_store"]

_CELLS = re.compile(r"\d{1,2}\.(index|pages)")
_OWNER = re.compile(r"[0-9a-f]{16}")


def make_store(path: str) -> None:
    """Make a store in the place of a layout, unless another process is faster. It is made whole under another name, so
    that there is never half of one."""
    new = _make_beside(path)
    try:
        os.rename(new, path)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_store(path: str) -> None:
    """Have an empty store in the place of one that is broken.

    Raises
    ------
    PageStoreError
        If what is there cannot be told to be a store, which then stays as it is; or if there was something else in it,
        which stays under another name.
    """
    if not _was_store(path):
        raise PageStoreError(
            errno.EINVAL, "page store: this does not look like a page store; move it out of the way yourself", path
        )
    new, old = _make_beside(path), f"{path}.broken.{uuid.uuid4().hex}"
    try:
        os.rename(path, old)
        os.rename(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    remove_own(old)


def remove_own(path: str) -> None:
    """Remove the files of a store, and its folder.

    Raises
    ------
    PageStoreError
        If there was something else in it, which stays.
    """
    _remove_files(path)
    if os.path.isdir(path):
        raise PageStoreError(errno.ENOTEMPTY, "page store: emptied, but what is none of its own stays here", path)


def _make_beside(path: str) -> str:
    new = f"{path}.{uuid.uuid4().hex}"
    os.mkdir(new, 0o700)
    os.mkdir(f"{new}/{OWNERS}", 0o700)
    write_new(f"{new}/lock", b"")
    write_new(f"{new}/hints", bytes(FIRST_BUCKETS * BUCKET_BYTES))
    write_new(f"{new}/control", Control.initial(FIRST_BUCKETS))
    return new


def _was_store(path: str) -> bool:
    """A store has its control file, or an index."""
    try:
        if is_control(f"{path}/control"):
            return True
    except OSError:
        pass
    return any(_is_own(path, name) for name in os.listdir(path) if name.endswith(".index"))


def _is_own(path: str, name: str) -> bool:
    """Whether a file with a name of ours is ours: of the words that an index begins with one may be broken."""
    if name == "lock":
        return not os.path.getsize(f"{path}/{name}")
    if name in ("control", "hints"):
        return True
    size_class = name.partition(".")[0]
    right = layout.INDEX_MAGIC, int(size_class)
    with open(f"{path}/{size_class}.index", "rb") as file:
        data = file.read(layout.INDEX_HEADER.size)
    if not data:
        return True  # its beginning could not be written
    magic, _, number = layout.INDEX_HEADER.unpack(data.ljust(layout.INDEX_HEADER.size))
    return bool(magic == right[0] or number == right[1])


def _remove_files(path: str) -> None:
    owners = f"{path}/{OWNERS}"
    for name in os.listdir(owners) if os.path.isdir(owners) else ():
        if _OWNER.fullmatch(name) and not os.path.getsize(f"{owners}/{name}"):
            os.unlink(f"{owners}/{name}")
    names = [name for name in os.listdir(path) if _CELLS.fullmatch(name) or name in ("control", "hints", "lock")]
    for name in sorted(names, reverse=True):  # the pages before the index that tells whose they are
        try:
            if _is_own(path, name):
                os.unlink(f"{path}/{name}")
        except FileNotFoundError:
            pass  # pages without an index
    for folder in (owners, path):
        try:
            os.rmdir(folder)
        except OSError:
            pass  # not empty, or not there
