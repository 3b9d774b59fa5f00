"""Writers of local files: whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from typing import IO, Any, Iterator, Optional

from alluxiofs.errors import denied, exists, failed_write, is_a_directory
from alluxiofs.interfaces import Writer
from alluxiofs.plugins._fsspec.names import temporary

try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind: appends of several processes are not kept apart
    fcntl = None  # type: ignore[assignment]

__all__ = ["AppendWriter", "ReplaceWriter", "check_target", "publish"]

_SPOOL = 16 * 1024 * 1024
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


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
        if error.errno not in _NO_LINKS:
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
        if check_target(self._name) is not None and exclusive:
            raise exists(name)
        os.makedirs(os.path.dirname(self._name), exist_ok=True)
        self._partial = temporary(os.path.dirname(self._name))
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor: Optional[int] = os.open(self._partial, flags, 0o666)
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
                old = check_target(self._name)
                if old is not None:
                    self._take_after(descriptor, old)
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

    @staticmethod
    def _take_after(descriptor: int, old: os.stat_result) -> None:
        if not hasattr(os, "fchown"):
            return
        mine = os.fstat(descriptor)
        if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


class AppendWriter(Writer):
    """Collects what is to be appended, and appends it at commit; a failure cuts the file back to what it was."""

    def __init__(self, name: str) -> None:
        check_target(name)
        self._name = name
        directory = os.path.dirname(name)
        os.makedirs(directory, exist_ok=True)
        self._spool: Optional[IO[bytes]] = tempfile.SpooledTemporaryFile(max_size=_SPOOL, dir=directory)  # noqa: SIM115 closed by commit or abort

    def write(self, data: memoryview) -> None:
        if self._spool is None:
            raise ValueError("write to a file that was committed or given up")
        try:
            self._spool.write(data)
        except OSError as error:
            raise failed_write(self._name, error) from error

    def commit(self) -> None:
        spool, self._spool = self._spool, None
        if spool is None:
            raise ValueError("a file can be committed once")
        with spool:
            spool.seek(0)
            new = not os.path.exists(self._name)
            with open(self._name, "ab", buffering=0) as file, _locked(file):
                length = os.fstat(file.fileno()).st_size
                try:
                    _copy(spool, file)
                except BaseException as error:
                    os.truncate(file.fileno() if os.truncate in os.supports_fd else self._name, length)
                    if new:
                        os.unlink(self._name)
                    if isinstance(error, OSError):
                        raise failed_write(self._name, error) from error
                    raise

    def abort(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()


def _copy(source: IO[bytes], file: Any) -> None:
    while True:
        block = source.read(shutil.COPY_BUFSIZE)  # type: ignore[attr-defined]  # there since 3.8, not in the stubs
        if not block:
            return
        view = memoryview(block)
        while view:
            view = view[file.write(view) :]


@contextlib.contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    """Other appenders of ours wait, so that cutting back takes nothing of theirs. Closing the file unlocks it."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # file systems without locks
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
    yield
