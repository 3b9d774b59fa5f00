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

    A ``KeyboardInterrupt`` may come between any two steps of Python, so between having the lock and knowing it. Hence
    there is nothing to know: whoever begins to :meth:`acquire` calls :meth:`release` in any case, twice to be sure.

    Parameters
    ----------
    path:
        The file to lock.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # Reentrant, for it then knows which thread has it. Nobody is let in twice.
        self._threads = threading.RLock()
        self._handle: Optional[Handle] = open_regular(path)
        self._owner: Optional[object] = None
        self._sulk_until = 0.0

    def acquire(self, owner: object, patience: float) -> bool:
        """Have the lock within ``patience`` seconds; ``False`` if the file is gone or another one.

        Parameters
        ----------
        owner:
            Stands for this one use of the lock; the same goes to :meth:`release`.
        patience:
            In seconds.

        Raises
        ------
        OSError
            With ``ETIMEDOUT`` if it cannot be had, which after a long wait is told at once for a while; ``EDEADLK`` if
            this very thread has it, which is in a finalizer or a signal handler then.
        """
        now = time.monotonic()
        if now < self._sulk_until or not self._threads.acquire(timeout=patience):
            raise OSError(errno.ETIMEDOUT, "another process holds the lock of the page store", self.path)
        if self._owner is not None:
            self._threads.release()
            raise OSError(errno.EDEADLK, "the lock of the page store is held by what this interrupts", self.path)
        self._owner = owner
        return self._lock_file(patience, now + patience)

    def is_held_by(self, owner: object) -> bool:
        """Whether this use of the lock has it."""
        return self._owner is owner

    def release(self, owner: object) -> None:
        """Let others have it, unless they do already."""
        if self._owner is not None and self._owner is not owner:
            return
        try:
            # It succeeds if this thread has it, and where nobody has it: then it does no harm.
            if self._threads.acquire(blocking=False):
                handle = self._handle
                if handle is not None:
                    fcntl.flock(handle.fd, fcntl.LOCK_UN)
                self._owner = None
        finally:
            self._release_threads()

    def _release_threads(self) -> None:
        try:
            while True:
                self._threads.release()
        except RuntimeError:
            pass  # this thread does not have it (any more)

    def is_there(self) -> bool:
        """Whether the file is still the one at its path."""
        try:
            found = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return self._handle is not None and (found.st_dev, found.st_ino) == self._handle.identity

    def abandon(self) -> None:
        """In the child of a fork: it shares the parent's lock, and must neither hold nor end it."""
        self._threads = threading.RLock()
        handle, self._handle, self._owner = self._handle, None, None
        if handle is not None:
            handle.close()  # a thread that is only the parent's may have been using it, and never lets go of it here

    def _lock_file(self, patience: float, end: float) -> bool:
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
        return self.is_there()
