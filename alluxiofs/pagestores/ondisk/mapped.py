"""A file that is read through a mapping and written with ``pwrite``.

A store into a mapping kills the process where the disk is full, fails or has become read-only; ``pwrite`` says so. Both
see the same bytes at once, for both go through the pages that the system has of the file. Such a file never shrinks:
reading a mapping beyond the end of its file kills as well. Nor has it holes: see ``Section.enlarge``.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
from typing import Tuple

__all__ = ["NOFOLLOW", "Handle", "Mapped", "not_ours", "open_regular"]

NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def not_ours(path: str) -> OSError:
    """The error to raise for a file that a page store cannot have made, or that was broken since."""
    return OSError(
        errno.EINVAL,
        "this is no file of a page store of this version, or it is broken; 'alluxiofs cache clear' makes a new one in "
        "the place of a broken one, else move the folder it is in out of the way",
        path,
    )


class Handle:
    """An open file that closes itself when the last one who reads from it lets go of it.

    A descriptor closed while another thread is about to read from it may by then stand for another file. Whoever
    reads holds the handle, so the number cannot be used again before.
    """

    __slots__ = ("fd", "identity", "path")

    def __init__(self, path: str, fd: int, identity: Tuple[int, int]) -> None:
        self.path = path
        self.fd = fd
        self.identity = identity

    def close(self) -> None:
        """Close it now, where nobody can be about to read: in the child of a fork, which has one thread."""
        fd, self.fd = self.fd, -1
        os.close(fd)

    def __del__(self, close=os.close) -> None:  # type: ignore[no-untyped-def]  # bound here: globals go first at exit
        try:
            close(self.fd)
        except (OSError, AttributeError):  # interrupted before it had one
            pass


def open_regular(path: str, flags: int = os.O_RDONLY) -> Handle:
    """Open a file that must be a plain one."""
    fd = os.open(path, flags | NOFOLLOW, 0o600)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "this is not a plain file; move it out of the way", path)
    return Handle(path, fd, (status.st_dev, status.st_ino))


class Mapped:
    """The file at ``path``, for reading.

    Attributes
    ----------
    raw, words:
        The mapping, as bytes and as numbers of 64 bits. They are replaced when the file has grown; what was taken
        from here stays valid.
    size:
        Bytes that are mapped.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        handle = open_regular(path)
        self.identity = handle.identity
        self._map(handle)

    def grown(self) -> None:
        """Map it anew: it has become longer."""
        handle = open_regular(self.path)
        if handle.identity != self.identity:
            raise OSError(errno.ESTALE, "the file was replaced", self.path)
        self._map(handle)

    def _map(self, handle: Handle) -> None:
        size = os.fstat(handle.fd).st_size & ~63
        if not size:
            raise not_ours(self.path)
        raw = mmap.mmap(handle.fd, size, access=mmap.ACCESS_READ)
        self.words = memoryview(raw).cast("Q")
        self.raw = raw
        self.size = size
