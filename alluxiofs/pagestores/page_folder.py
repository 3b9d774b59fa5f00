"""One folder of pages: names, trust, writing and removing. It knows the file system and keeps nothing in memory.

``FOLDER/v1/ab/abcd…/3f.page``: the first byte of the key, the key, the index, all in hexadecimal. From page 1024 on
pages are in folders of 1024 inside that of the key (``abcd…/4/1003.page``), so that no folder gets huge.
``FOLDER/v1/tmp`` has the files that are being written; each is locked by its writer, so that one without a lock is
known to have lost it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import uuid
from typing import Callable, Iterator, Optional, Tuple

from attrs import define

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.page_file import HEADER_BYTES, header_of, is_recognisable

if sys.platform != "win32":
    import fcntl

__all__ = ["Found", "PageFolder", "is_gone"]

_LAYOUT = "v1"
_TEMPORARY = "tmp"
_GROUP = 1024
_HEX = r"(?:0|[1-9a-f][0-9a-f]{0,15})"
_PAGE_NAME = re.compile(rf"({_HEX})\.page")
_GROUP_NAME = re.compile(_HEX)
_KEY_NAME = re.compile(r"[0-9a-f]{32}")
_TEMPORARY_NAME = re.compile(r"[0-9a-f]{32}\.tmp")
_ATTEMPTS = 20
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})
# A pipe somebody put in the place of a page must not make us wait for its other end.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def is_gone(error: OSError) -> bool:
    """Whether an error means that there is no such page, rather than that the disk fails."""
    return error.errno in _GONE


@define(frozen=True)
class Found:
    """A file in the place of a page, as a scan saw it. ``used`` is in nanoseconds since the epoch."""

    key: bytes
    index: int
    size: int
    used: int


class PageFolder:
    """The pages below one folder.

    Parameters
    ----------
    path:
        The folder. It is made, and others above it, when the first page is written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._layout = f"{path}/{_LAYOUT}"
        self._temporary = f"{self._layout}/{_TEMPORARY}"
        self._trusted = False
        self._made = False

    # --- names --------------------------------------------------------------------------------------------------

    def folder_of(self, key: bytes, index: int) -> str:
        """Where a page is."""
        name = key.hex()
        folder = f"{self._layout}/{name[:2]}/{name}"
        return folder if index < _GROUP else f"{folder}/{index // _GROUP:x}"

    def path_of(self, key: bytes, index: int) -> str:
        """The file of a page."""
        return f"{self.folder_of(key, index)}/{index:x}.page"

    def folders_above(self, folder: str) -> Iterator[str]:
        """A folder of pages and those above it, up to the layout's, which stays."""
        while len(folder) > len(self._layout):
            yield folder
            folder = folder.rpartition("/")[0]

    # --- trust --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse a folder that others could put something into. Nothing is made; a missing folder is fine.

        Raises
        ------
        PageStoreError
            If it is not a folder, not the user's own, or others may write to it.
        """
        if not self._trusted:
            self._trusted = self._is_trusted(self.path, os.stat) and self._is_trusted(self._layout, os.lstat)

    @staticmethod
    def _is_trusted(path: str, look: Callable[[str], os.stat_result]) -> bool:
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
        return True

    # --- reading ------------------------------------------------------------------------------------------------

    def open(self, key: bytes, index: int) -> int:
        """A descriptor to read a page from."""
        return os.open(self.path_of(key, index), _READ)

    def size_of(self, key: bytes, index: int) -> Optional[int]:
        """Bytes of the file of a page; ``None`` if there is no such file, or it cannot be seen."""
        try:
            found = os.lstat(self.path_of(key, index))
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def scan(self) -> Iterator[Found]:
        """All files that have the name and place of a page."""
        for prefix in _folders(self._layout):
            for name in _folders(prefix):
                if _KEY_NAME.fullmatch(os.path.basename(name)) and name.startswith(f"{prefix}/{prefix[-2:]}"):
                    yield from self.scan_key(bytes.fromhex(os.path.basename(name)))

    def scan_key(self, key: bytes) -> Iterator[Found]:
        """The same of one key."""
        folder = self.folder_of(key, 0)
        yield from self._scan_group(key, folder, 0)
        for group in _folders(folder):
            name = os.path.basename(group)
            if _GROUP_NAME.fullmatch(name) and name != "0":
                yield from self._scan_group(key, group, int(name, 16))

    @staticmethod
    def _scan_group(key: bytes, folder: str, group: int) -> Iterator[Found]:
        for entry in _entries(folder):
            matched = _PAGE_NAME.fullmatch(entry.name)
            index = int(matched[1], 16) if matched else -1
            if index // _GROUP != group:
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield Found(key, index, found.st_size, max(found.st_mtime_ns, found.st_atime_ns))

    # --- writing ------------------------------------------------------------------------------------------------

    def write(self, key: bytes, index: int, page: memoryview) -> bool:
        """Write a page: whole under a temporary name, then visible in one step. Nothing is left of a failure.
        ``False`` if something has its place already, which stays."""
        self._make()
        if os.path.lexists(self.path_of(key, index)):
            return False
        temporary, fd = self._new_temporary()
        try:
            try:
                _write_all(fd, header_of(key, index, page), page)
                self._publish(temporary, key, index)
            finally:
                os.close(fd)
        except BaseException:
            _unlink(temporary)
            raise
        return True

    def _make(self) -> None:
        if self._made:
            return
        missing = []
        path = self._temporary
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for path in reversed(missing):
            _make_folder(path)
        self._trusted = False
        self.check()
        self._made = True

    def _new_temporary(self) -> Tuple[str, int]:
        for _ in range(_ATTEMPTS):
            path = f"{self._temporary}/{uuid.uuid4().hex}.tmp"
            try:
                fd = os.open(path, _WRITE, 0o600)
            except FileNotFoundError:
                # Below a layout that is there it may be made again. The layout may not: it is gone with its disk.
                _make_folder(self._temporary)
                continue
            if _lock(fd) and os.fstat(fd).st_nlink:
                return path, fd
            os.close(fd)  # whoever sweeps was faster than the lock, and has removed it
        raise OSError(errno.EBUSY, "no temporary file can be made", self._temporary)

    def _publish(self, temporary: str, key: bytes, index: int) -> None:
        folder, path = self.folder_of(key, index), self.path_of(key, index)
        for _ in range(_ATTEMPTS):
            try:
                os.rename(temporary, path)
            except FileNotFoundError:
                # The first page here, or another process removed the folder with the last page in it.
                for missing in reversed(list(self.folders_above(folder))):
                    _make_folder(missing)
            else:
                return
        raise OSError(errno.ENOENT, "the folder of the page does not last", folder)

    # --- removing -----------------------------------------------------------------------------------------------

    def remove(self, key: bytes, index: int) -> bool:
        """Remove a page, whole or broken. ``False``, and it stays, if what is there was never a page."""
        try:
            fd = self.open(key, index)
        except OSError as error:
            if is_gone(error):
                return error.errno != errno.ELOOP
            raise
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode) or not is_recognisable(os.pread(fd, HEADER_BYTES, 0), key):
                return False
        finally:
            os.close(fd)
        _unlink(self.path_of(key, index))
        return True

    def remove_written(self, key: bytes, index: int) -> None:
        """Remove a page that is known to be one."""
        _unlink(self.path_of(key, index))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder of pages if it is empty."""
        try:
            os.rmdir(folder)
        except OSError:
            pass  # not empty, or gone: both are as good

    def sweep(self) -> None:
        """Remove the temporary files of writers that are no more."""
        for entry in _entries(self._temporary):
            if not _TEMPORARY_NAME.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            try:
                fd = os.open(entry.path, _READ)
            except OSError:
                continue
            try:
                if _lock(fd, strict=True):
                    _unlink(entry.path)
            except OSError:
                pass  # what cannot be removed now is there for the next sweep
            finally:
                os.close(fd)


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        if not is_gone(error):
            raise


def _folders(folder: str) -> Iterator[str]:
    return (entry.path for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        if not is_gone(error):
            raise


def _write_all(fd: int, header: bytes, page: memoryview) -> None:
    # write() and no mapping: on a full disk it says so, where a store through a mapping kills the process.
    written = os.writev(fd, (header, page))
    whole = len(header) + len(page)
    while written < whole:
        written += os.write(fd, page[written - len(header) :] if written >= len(header) else header[written:])


def _lock(fd: int, strict: bool = False) -> bool:
    """Lock an open file for as long as it is open, if nobody else has. Where there are no locks: not if ``strict``."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS and not isinstance(error, BlockingIOError):
            raise
        return error.errno in _NO_LOCKS and not strict
    return True
