"""Stores of older layouts: nobody reads them any more, and they take disk until somebody has them removed."""

from __future__ import annotations

import os
import re
from typing import Iterator

from attrs import frozen

from alluxiofs.pagestores.ondisk.layout import MAGIC, VERSION
from alluxiofs.pagestores.ondisk.making import remove_own

__all__ = ["OlderStore", "older_stores", "remove_older"]

_LAYOUT = re.compile(r"v(\d+)")


@frozen
class OlderStore:
    """A store of an older layout.

    Parameters
    ----------
    path:
        Its folder.
    size:
        Bytes of disk that its files take.
    """

    path: str
    size: int


def older_stores(folder: str) -> Iterator[OlderStore]:
    """Those in a folder of pages; what only has the name of one is none. A newer one is somebody's who has a newer
    release."""
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        number = _LAYOUT.fullmatch(name)
        if number and int(number[1]) < VERSION and _has_control(path):
            with os.scandir(path) as entries:
                taken = sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries)
            yield OlderStore(path, taken)


def remove_older(store: OlderStore) -> None:
    """Remove the files of a store of an older layout. A program of that version that still runs goes on without it.

    Raises
    ------
    PageStoreError
        If there was something else in it, which stays.
    """
    remove_own(store.path)


def _has_control(path: str) -> bool:
    try:
        with open(os.path.join(path, "control"), "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
