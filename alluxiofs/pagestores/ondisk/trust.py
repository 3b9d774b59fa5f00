"""Whether a folder is one that only its owner can have put something into."""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.ondisk.network import network_file_system

__all__ = ["is_trusted"]


def is_trusted(path: str, look: Callable[[str], os.stat_result]) -> bool:
    """Check a folder; ``False`` if there is none.

    Parameters
    ----------
    path:
        The folder.
    look:
        ``os.stat``, or ``os.lstat`` where a link must not lead elsewhere.

    Raises
    ------
    PageStoreError
        If it is not a folder, not the user's own, others may write to it, or it is on another machine.
    """
    try:
        found = look(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PageStoreError(error.errno, f"page store: {error.strerror}", path) from error
    if not stat.S_ISDIR(found.st_mode):
        raise PageStoreError(errno.ENOTDIR, "page store: this is not a folder; remove it or name another", path)
    if found.st_uid != os.geteuid():
        raise PageStoreError(
            errno.EPERM, f"page store: the folder belongs to user {found.st_uid}; name one of your own", path
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PageStoreError(
            errno.EPERM, "page store: others may write to the folder; chmod go-w it, or name another", path
        )
    shared = network_file_system(found.st_dev)
    if shared is not None:
        raise PageStoreError(
            errno.EINVAL, f"page store: {shared} is shared with other machines; name a folder on a disk", path
        )
    return True
