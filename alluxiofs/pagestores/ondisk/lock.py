"""One process and one of its threads at a time."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from typing import Optional

from alluxiofs.pagestores.ondisk.mapped import Handle, open_regular

if sys.platform != "win32":
    import fcntl

__all__ = ["FolderLock", "is_locked", "lock_now"]

_FIRST_PAUSE = 0.0001
_LONGEST_PAUSE = 0.002
_LONG = 5.0
_SULK = 10.0


def lock_now(handle: Handle) -> bool:
    """Lock an open file for as long as it is open, unless somebody else has.

    ``flock`` and not a byte-range lock: those vanish when any descriptor of the file is closed.
    """
    try:
        fcntl.flock(handle.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: str) -> bool:
    """Whether somebody holds the lock of a file that is there."""
    handle = open_regular(path)
    if not lock_now(handle):
        return True
    fcntl.flock(handle.fd, fcntl.LOCK_UN)
    return False


class FolderLock:
    """The lock of a folder. It is gone with the process that holds it, whatever ends that.

    Threads of one process share the open file, and so its lock: a lock of their own keeps them apart.

    Parameters
    ----------
    path:
        The file to lock.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._threads = threading.Lock()
        self._handle: Optional[Handle] = open_regular(path)
        self._sulk_until = 0.0

    def acquire(self, patience: float) -> None:
        """Have the lock within ``patience`` seconds.

        Raises
        ------
        OSError
            With ``ETIMEDOUT`` if it cannot be had, which after a long wait is told at once for a while; ``ENOENT`` if
            the file is gone or another one.
        """
        now = time.monotonic()
        if now < self._sulk_until or not self._threads.acquire(timeout=patience):
            raise OSError(errno.ETIMEDOUT, "another process holds the lock of the page store", self.path)
        try:
            self._lock_file(patience, now + patience)
        except BaseException:
            self._threads.release()
            raise

    def release(self) -> None:
        """Let others have it."""
        try:
            if self._handle is not None:
                fcntl.flock(self._handle.fd, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def is_there(self) -> bool:
        """Whether the file is still the one at its path."""
        try:
            found = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return self._handle is not None and (found.st_dev, found.st_ino) == self._handle.identity

    def abandon(self) -> None:
        """In the child of a fork: it shares the parent's lock, and must neither hold nor end it."""
        self._threads = threading.Lock()
        self._handle = None

    def _lock_file(self, patience: float, end: float) -> None:
        handle, pause = self._handle, _FIRST_PAUSE
        if handle is None:
            raise OSError(errno.ESTALE, "the lock is another process's", self.path)
        while not lock_now(handle):
            if time.monotonic() > end:
                if patience >= _LONG:
                    self._sulk_until = time.monotonic() + _SULK
                raise OSError(errno.ETIMEDOUT, "another process holds the lock of the page store", self.path)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        there = False
        try:
            there = self.is_there()
        finally:
            if not there:
                fcntl.flock(handle.fd, fcntl.LOCK_UN)
        if not there:
            raise OSError(errno.ENOENT, "the lock was removed", self.path)
