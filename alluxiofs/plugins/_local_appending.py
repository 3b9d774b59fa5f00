"""Appending to local files: all of it, or nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import IO, Any, Iterator, Optional

from alluxiofs.errors import DeadlineExceededError, FileChangedError, denied, failed_write
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.names import temporary
from alluxiofs.plugins._fsspec.spooling import Spool, SpoolingWriter
from alluxiofs.plugins._fsspec.waiting import Backoff
from alluxiofs.plugins._local_writers import NO_LINKS, check_target, take_after

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind: a change by another appender is seen, but not waited for
    fcntl = None  # type: ignore[assignment]

__all__ = ["AppendWriter"]

_ATTEMPTS = 10
_PAUSE = 0.001
_LONGEST_PAUSE = 0.05
_BLOCK = 1 << 20
_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


class AppendWriter(SpoolingWriter):
    """Collects what is to be appended; at commit a new file, of the old content and of that, takes the old one's place.

    The copy is made by the kernel, and costs next to nothing on file systems whose files can share blocks (Btrfs, XFS);
    elsewhere it takes the time, and for that long the space, of the whole file. It gets mode and owner as any file that
    replaces another (:class:`~alluxiofs.plugins._local_writers.ReplaceWriter`); other hard links of the old file, and
    whoever has it open, keep the old one.

    Those who append in this way, in whatever process, take turns by a lock (``flock``) on the file. If anybody else
    changes the file while it is copied, the copy is made again, a few times at most.
    """

    def __init__(self, name: str) -> None:
        target = os.path.realpath(name) if os.path.islink(name) else name
        directory = os.path.dirname(target)
        old = check_target(target)
        if old is None:
            os.makedirs(directory, exist_ok=True)
        elif not os.access(target, os.R_OK):
            raise denied(name, "an append copies the file, which needs the right to read it")
        if not os.access(directory, os.W_OK | os.X_OK):
            raise denied(name, "an append makes a new file, which needs the right to write its directory")
        super().__init__(target, directory)

    def _finish(self, spool: Spool) -> None:
        try:
            for _ in range(_ATTEMPTS):
                with _held(self._name, self.patience) as old:
                    if self._make(spool) if old is None else self._remake(spool, old):
                        return
        except OSError as error:
            failure = error if error.filename == self._name else failed_write(self._name, error)
            if failure is error:
                raise
            raise failure from error
        message = f"nothing was appended: somebody changed the file during each of {_ATTEMPTS} attempts"
        raise FileChangedError(message, self._name)

    def _make(self, spool: Spool) -> bool:
        """Make the file that was not there; whether that is so still."""
        with self._partial(0o666) as (partial, file):
            _write(spool, file)
            file.close()  # network file systems tell of a full disk here
            try:
                os.link(partial, self._name)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                # A file system without hard links: an empty file, to which everybody may append, is made first.
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self._name, _CREATE, 0o666))
                return False
            return True

    def _remake(self, spool: Spool, old: IO[bytes]) -> bool:
        """Put a longer file in the place of one; whether it was what it was until then."""
        if not spool.size:
            return True
        before = os.fstat(old.fileno())
        with self._partial(0o600) as (partial, file):
            if not _copy(old.fileno(), file.fileno(), before.st_size):
                return False
            _write(spool, file)
            take_after(file.fileno(), before)
            file.close()
            now = check_target(self._name)
            if now is None or _state(now) != _state(before):
                return False
            if sys.platform == "win32":
                old.close()  # no open file is replaced there
            os.replace(partial, self._name)
            return True

    @contextlib.contextmanager
    def _partial(self, mode: int) -> Iterator[Any]:
        """A new file beside the target: its name, and itself, open. It is gone afterwards, unless it was renamed."""
        partial = temporary(os.path.dirname(self._name))
        with os.fdopen(os.open(partial, _CREATE, mode), "wb", buffering=0) as file:
            try:
                yield partial, file
            finally:
                file.close()
                with contextlib.suppress(OSError):
                    os.unlink(partial)


@contextlib.contextmanager
def _held(name: str, patience: float) -> Iterator[Optional[IO[bytes]]]:
    """The file that has the name once it is locked, open; ``None`` if there is none. One holder of the lock is waited
    for so many seconds."""
    deadline = Deadline.after(patience)
    while True:
        try:
            file = open(name, "r+b", buffering=0)  # noqa: SIM115 closed below; to lock it, NFS wants it writable
        except FileNotFoundError:
            yield None
            return
        with file:
            _lock(file, name, deadline)
            try:
                if _still(file, name):
                    yield file
                    return
            finally:
                # Closing would not do: a child forked meanwhile has the same open file.
                if fcntl is not None and not file.closed:
                    with contextlib.suppress(OSError):
                        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
        deadline.progress()  # whoever held it has put another file in its place


def _lock(file: IO[bytes], name: str, deadline: Deadline) -> None:
    backoff = Backoff(_PAUSE, _LONGEST_PAUSE)
    while fcntl is not None:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if not deadline.remaining():
                message = f"{name}: somebody else has held the lock on this file for {deadline.span:g} s"
                raise DeadlineExceededError(message) from error
        except OSError:
            return  # a file system without locks: a change by another appender is seen, but not waited for
        else:
            return
        backoff.sleep()


def _still(file: IO[bytes], name: str) -> bool:
    """Whether the name is still that of the open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(name))
    except FileNotFoundError:
        return False


def _state(found: os.stat_result) -> Any:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _copy(source: int, target: int, size: int) -> bool:
    """Copy so many bytes from the start of one file to the start of another; whether there were so many."""
    done = _copy_in_kernel(source, target, size) if hasattr(os, "copy_file_range") else 0
    os.lseek(source, done, os.SEEK_SET)
    os.lseek(target, done, os.SEEK_SET)
    while done < size:
        block = os.read(source, min(_BLOCK, size - done))
        if not block:
            return False
        done += len(block)
        view = memoryview(block)
        while view:
            view = view[os.write(target, view) :]
    return True


def _copy_in_kernel(source: int, target: int, size: int) -> int:
    """How many bytes were copied without passing through here, or shared: some file systems cannot, or stop early."""
    done = 0
    while done < size:
        try:
            count = os.copy_file_range(source, target, size - done, done, done)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            return done
        if not count:
            return done
        done += count
    return done


def _write(spool: Spool, file: IO[bytes]) -> None:
    for block in spool.blocks():
        view = block
        while view:
            view = view[file.write(view) :]
