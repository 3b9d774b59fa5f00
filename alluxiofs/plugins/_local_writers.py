"""Writers of local files: whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Optional

from alluxiofs.errors import denied, exists, failed_write, is_a_directory
from alluxiofs.interfaces import Writer
from alluxiofs.plugins._fsspec.names import temporary

__all__ = ["NO_LINKS", "ReplaceWriter", "check_target", "publish", "take_after"]

NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
"""What file systems say that have no hard links."""


def check_target(name: str) -> Optional[os.stat_result]:
    """What is there now at a name that is to be written, ``None`` if nothing.

    Replacing a file would get around its read-only mark and would turn a device into a file, so both are asked first.
    """
    try:
        found = os.stat(name)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise is_a_directory(name)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", name)
    if not os.access(name, os.W_OK):
        raise denied(name, "the file is read-only")
    return found


def publish(partial: str, name: str, *, exclusive: bool) -> None:
    """Give a file that is whole its name, in one step."""
    if not exclusive:
        os.replace(partial, name)
        return
    try:
        os.link(partial, name)
    except FileExistsError as error:
        raise exists(name) from error
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # A file system without hard links: the name is taken first, exclusively, and what it stands for replaced.
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(partial, name)
    else:
        os.unlink(partial)


class ReplaceWriter(Writer):
    """Writes a file beside the target, which takes the target's place at commit.

    A new file gets the mode that the umask gives; one that replaces another gets its mode, and its owner where we may
    set it. Extended attributes and hard links of the old file stay with the old file. Nothing is synced to the disk:
    as with every ordinary write, a power cut within seconds can lose it; the end of this process cannot.
    """

    def __init__(self, name: str, *, exclusive: bool) -> None:
        # What a link leads to is replaced, not the link.
        self._name = os.path.realpath(name) if os.path.islink(name) else name
        self._exclusive = exclusive
        self._old = check_target(self._name)
        if self._old is not None and exclusive:
            raise exists(name)
        os.makedirs(os.path.dirname(self._name), exist_ok=True)
        self._partial = temporary(os.path.dirname(self._name))
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        try:
            # Who may not read the old file may not read what is to replace it either.
            mode = 0o666 if self._old is None else 0o600
            self._descriptor: Optional[int] = os.open(self._partial, flags, mode)
        except OSError as error:
            raise failed_write(self._name, error) from error

    def write(self, data: memoryview) -> None:
        if self._descriptor is None:
            raise ValueError("write to a file that was committed or given up")
        view = data.cast("B") if data.nbytes else data
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            raise failed_write(self._name, error) from error

    def commit(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            raise ValueError("a file can be committed once")
        try:
            try:
                old = check_target(self._name) or self._old
                if old is not None:
                    take_after(descriptor, old)
            finally:
                os.close(descriptor)  # network file systems tell of a full disk here
            publish(self._partial, self._name, exclusive=self._exclusive)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(self._partial)
            if isinstance(error, OSError) and error.filename != self._name:
                raise failed_write(self._name, error) from error
            raise

    def abort(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with contextlib.suppress(OSError):
            os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(self._partial)


def take_after(descriptor: int, old: os.stat_result) -> None:
    """Give an open file the mode of the one that it replaces, and its owner where we may set it."""
    if not hasattr(os, "fchown"):
        return
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
