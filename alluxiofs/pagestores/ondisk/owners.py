"""Who is alive: each process that writes holds the lock of a file of its own.

A number of a process says little to one in another container; a lock is gone with its process, seen from anywhere.
All methods are called under the folder's lock, so that nobody meets a file between its making and its lock.
"""

from __future__ import annotations

import os
import re
from typing import Optional

from alluxiofs.pagestores.ondisk.lock import is_locked, lock_now
from alluxiofs.pagestores.ondisk.mapped import Handle, open_regular

__all__ = ["Owners"]

_NAME = re.compile(r"[0-9a-f]{16}")


class Owners:
    """The living owners of cells and claims.

    Parameters
    ----------
    path:
        The folder of their files.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._handle: Optional[Handle] = None
        self._mine = 0

    @property
    def mine(self) -> int:
        """This process's number; 0 before it has one."""
        return self._mine

    def is_registered(self) -> bool:
        """Whether this process has a number whose file is still there."""
        return self._handle is not None and os.fstat(self._handle.fd).st_nlink > 0

    def register(self, number: int) -> None:
        """Have a number that nobody had before. The files of the dead go."""
        for name in os.listdir(self._path):
            if _NAME.fullmatch(name):
                self.is_alive(int(name, 16))
        handle = open_regular(self._file(number), os.O_RDONLY | os.O_CREAT | os.O_EXCL)
        lock_now(handle)
        self._handle, self._mine = handle, number

    def is_alive(self, number: int) -> bool:
        """Whether an owner still runs. What a dead one left here is removed."""
        if number == self._mine:
            return True
        path = self._file(number)
        try:
            if is_locked(path):
                return True
            if not os.path.getsize(path):  # what has something in it is none of ours
                os.unlink(path)
        except FileNotFoundError:
            pass
        return False

    def leave(self) -> None:
        """Be an owner no more."""
        if self._handle is not None:
            self._handle = None
            try:
                os.unlink(self._file(self._mine))
            except OSError:
                pass  # the next one to register finds it without a lock
        self._mine = 0

    def abandon(self) -> None:
        """In the child of a fork: the number is the parent's."""
        handle, self._handle, self._mine = self._handle, None, 0
        if handle is not None:
            handle.close()

    def _file(self, number: int) -> str:
        return f"{self._path}/{number:016x}"
