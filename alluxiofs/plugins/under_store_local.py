"""The under store ``local``: files of this machine, by plain calls of the operating system."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import stat
import sys
from typing import Any, Callable, Iterator, Optional, TypeVar

from alluxiofs.errors import (
    BadAnswerError,
    FileChangedError,
    UnknownSettingError,
    denied,
    is_a_directory,
    nearest,
)
from alluxiofs.interfaces import Context, Deadline, Entry, Target, UnderStore, UnderStoreCapabilities, Version, Writer
from alluxiofs.plugins._fsspec.names import check, is_temporary, normalised, split_scheme, temporary
from alluxiofs.plugins._fsspec.options import COMMON_OPTIONS
from alluxiofs.plugins._fsspec.versions import SECOND, unsettled_kind
from alluxiofs.plugins._local_appending import AppendWriter
from alluxiofs.plugins._local_writers import ReplaceWriter, check_target, publish

try:
    import grp
    import pwd
except ImportError:  # Windows
    grp = pwd = None  # type: ignore[assignment]

__all__ = ["LocalUnderStore"]

T = TypeVar("T")

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_SETTLED = "file"  # the kind of tag of a file that would have another time if it changed now
_OPTIONS = COMMON_OPTIONS | {"auto_mkdir"}


class LocalUnderStore(UnderStore):
    """Files of this machine, or of what is mounted on it.

    A version is length and time of change in nanoseconds. A missing parent directory of what is written is made,
    whatever ``auto_mkdir`` says.
    """

    name = "local"
    protocols = ("file", "local")
    root = "/"
    capabilities = UnderStoreCapabilities(
        version=("tag", "length", "mtime"), atomic_rename=True, native_copy=True, remote=False
    )

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        for option in target.options:
            if option not in _OPTIONS:
                raise UnknownSettingError(
                    f"target_options: local files have no option {option!r}{nearest(option, _OPTIONS)}"
                )

    # --- names ------------------------------------------------------------------------------------------------

    def strip(self, path: str) -> str:
        scheme, path = split_scheme(path, self.protocols)
        for prefix in () if scheme else ("file:", "local:"):
            if path.startswith(prefix):
                path = path[len(prefix) :]
                break
        check(path)
        if path.startswith("~"):
            path = os.path.expanduser(path)
        if os.sep == "/":
            return normalised(path if path.startswith("/") else f"{os.getcwd()}/{path}")
        return os.path.abspath(path.lstrip("/") if path[2:3] == ":" else path).replace(os.sep, "/")

    def url(self, name: str) -> str:
        return f"file://{name}" if name.startswith("/") else f"file:///{name}"

    def identity(self) -> str:
        return ""

    # --- reading ----------------------------------------------------------------------------------------------

    def stat(self, name: str, deadline: Deadline) -> Entry:
        found = os.stat(name)
        return _entry(name, found, tells_size=not _without_blocks(name, found) or _is_empty(name))

    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        found = os.stat(name)
        if not stat.S_ISDIR(found.st_mode):
            yield _entry(name, found)
            return
        base = name if name.endswith("/") else f"{name}/"
        with os.scandir(name) as children:
            for child in children:
                if is_temporary(child.name):
                    continue
                with contextlib.suppress(FileNotFoundError):  # removed since the directory was read
                    below, found = base + child.name, _stat_child(child)
                    told = not _without_blocks(below, found)
                    yield _entry(below, found, is_link=child.is_symlink(), tells_size=told)

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        _of_version(name, version, lambda descriptor: _fill(descriptor, name, offset, view))

    def read(self, name: str, version: Version, offset: int, size: int, deadline: Deadline) -> bytes:
        return _of_version(name, version, lambda descriptor: _read(descriptor, name, offset, size))

    # --- writing ----------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        writer = ReplaceWriter(name, exclusive=exclusive)
        writer.patience = patience
        return writer

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        """A new file of the old content and the new, in the old one's place: in place it would be seen growing."""
        writer = AppendWriter(name)
        writer.patience = patience
        return writer

    def remove(self, name: str, deadline: Deadline) -> None:
        try:
            os.unlink(name)
        except PermissionError as error:
            # What Linux calls a directory, macOS and Windows call not permitted.
            if os.path.isdir(name) and not os.path.islink(name):
                raise is_a_directory(name) from error
            raise

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        if name == self.root:
            raise denied(name, "the root directory cannot be removed")
        if os.path.islink(name) and os.path.isdir(name):
            os.unlink(name)
        elif recursive:
            _remove_tree(name)
        else:
            os.rmdir(name)

    def make_directory(self, name: str, deadline: Deadline, parents: bool = True, exist_ok: bool = True) -> None:
        if parents:
            os.makedirs(name, exist_ok=exist_ok)
            return
        try:
            os.mkdir(name)
        except FileExistsError:
            if not exist_ok or not os.path.isdir(name):
                raise

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        os.stat(source)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.replace(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._move_across(source, target, deadline)

    def _move_across(self, source: str, target: str, deadline: Deadline) -> None:
        """A move to another file system: whole there before it is gone here."""
        if not os.path.isdir(source):
            self.copy(source, target, deadline)
            os.unlink(source)
            return
        partial = temporary(os.path.dirname(target))
        try:
            shutil.copytree(source, partial, symlinks=True)
            os.rename(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _remove_tree(source)

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        before = os.stat(source)
        if stat.S_ISDIR(before.st_mode):
            raise is_a_directory(source)
        target = os.path.realpath(target) if os.path.islink(target) else target
        old = check_target(target)
        if old is not None and os.path.samestat(before, old):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = temporary(os.path.dirname(target))
        try:
            shutil.copyfile(source, partial)  # within the kernel, where it can
            if _version(os.stat(source)).same_as(_version(before)) is False:
                raise FileChangedError("changed while it was copied", source)  # noqa: TRY301 the partial copy goes the same way
            if preserve:
                shutil.copystat(source, partial)
            elif old is not None:
                os.chmod(partial, stat.S_IMODE(old.st_mode))
            publish(partial, target, exclusive=False)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise

    def touch(self, name: str, deadline: Deadline, truncate: bool = True) -> None:
        if not truncate:
            with contextlib.suppress(FileNotFoundError):
                os.utime(name)
                return
        self.create(name).commit()

    def make_writable(self, name: str, deadline: Deadline) -> None:
        os.chmod(name, stat.S_IMODE(os.stat(name).st_mode) | stat.S_IWUSR)


def _remove_tree(name: str) -> None:
    """Remove a directory with what is in it. An error names what could not be removed, in full."""

    def failed(_function: Any, path: str, info: Any) -> None:
        error = info if isinstance(info, BaseException) else info[1]
        if isinstance(error, FileNotFoundError) and path != name:
            return  # somebody else has removed it
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror or str(error), path) from error
        raise error

    if sys.version_info >= (3, 12):
        shutil.rmtree(name, onexc=failed)
    else:
        shutil.rmtree(name, onerror=failed)


def _version(found: os.stat_result) -> Version:
    return Version(f"{_SETTLED}:{_state(found)}", found.st_size, found.st_mtime_ns)


def _state(found: os.stat_result) -> str:
    """Which file it is, and when anything of it changed last: unlike the time of its content, that time cannot be set
    back (``cp -p``, ``rsync -t``). It also changes with the mode or the number of links; better once too often."""
    return f"{found.st_dev}-{found.st_ino}-{found.st_ctime_ns}"


def _entry(name: str, found: os.stat_result, is_link: bool = False, tells_size: bool = True) -> Entry:
    directory = stat.S_ISDIR(found.st_mode)
    unknown = not tells_size or not (directory or stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode))
    return Entry(
        name=name,
        kind="directory" if directory else "file",
        size=0 if directory else None if unknown else found.st_size,
        version=Version() if directory or unknown else _settled(found),
        created=getattr(found, "st_birthtime", found.st_ctime),
        modified=found.st_mtime_ns / SECOND,
        owner=_user(found.st_uid),
        group=_group(found.st_gid),
        mode=stat.S_IMODE(found.st_mode),
        extra={
            "ino": found.st_ino,
            "nlink": found.st_nlink,
            "uid": found.st_uid,
            "gid": found.st_gid,
            **({"islink": True} if is_link else {}),
        },
    )


def _without_blocks(name: str, found: os.stat_result) -> bool:
    """Whether a file of no length may have content all the same: those of ``/proc`` and its like are made when they
    are read, and are on file systems that have no blocks."""
    if found.st_size or not stat.S_ISREG(found.st_mode) or not hasattr(os, "statvfs"):
        return False
    try:
        return os.statvfs(name).f_blocks == 0
    except OSError:
        return False


def _is_empty(name: str) -> bool:
    """Whether it is certain that a file has no content, without waiting for any."""
    try:
        descriptor = os.open(name, _READ | getattr(os, "O_NONBLOCK", 0))
        try:
            return not os.read(descriptor, 1)
        finally:
            os.close(descriptor)
    except OSError:
        return False


def _settled(found: os.stat_result) -> Version:
    """The version, marked where the file may change once more within the same tick of the clock."""
    kind = unsettled_kind(max(found.st_mtime_ns, found.st_ctime_ns)) or _SETTLED
    return Version(f"{kind}:{_state(found)}", found.st_size, found.st_mtime_ns)


def _stat_child(child: os.DirEntry[str]) -> os.stat_result:
    try:
        return child.stat()
    except OSError:
        if child.is_symlink():  # it leads nowhere, or in a circle; it can still be removed, so it is shown
            return child.stat(follow_symlinks=False)
        raise


def _check_version(name: str, version: Version, found: os.stat_result) -> None:
    current = _version(found)
    if version == current:
        return  # as nearly always, and the quickest to find out
    if stat.S_ISDIR(found.st_mode):
        raise is_a_directory(name)
    if version.same_as(current) is False:
        raise FileChangedError("the file has changed since it was opened", name)


def _of_version(name: str, version: Version, read: Callable[[int], T]) -> T:
    """What is read of an open file, if it is of this version.

    It is looked at once, after the read: what was another version before is another one still, for no time of change
    is ever had twice.
    """
    descriptor = os.open(name, _READ)
    try:
        try:
            found = read(descriptor)
        finally:  # also of what could not be read: of a file that has become shorter that is what matters
            _check_version(name, version, os.fstat(descriptor))
        return found
    finally:
        os.close(descriptor)


def _read(descriptor: int, name: str, offset: int, size: int) -> bytes:
    data = _read_at(descriptor, size, offset)
    if len(data) == size:
        return data
    rest = bytearray(size - len(data))  # a call gives two GiB at most; or the file has ended
    with memoryview(rest) as view:
        _fill(descriptor, name, offset + len(data), view)
    return data + rest


def _read_by_seeking(descriptor: int, size: int, offset: int) -> bytes:
    """For systems without ``pread``."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


_read_at = os.pread if hasattr(os, "pread") else _read_by_seeking


def _fill_in_place(descriptor: int, name: str, offset: int, view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        got = os.preadv(descriptor, [view[filled:]], offset + filled)
        if not got:
            raise BadAnswerError(f"{name}: the file ended after {filled} of {len(view)} bytes at {offset}")
        filled += got


def _fill_by_copy(descriptor: int, name: str, offset: int, view: memoryview) -> None:
    """For systems without ``preadv``."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    filled = 0
    while filled < len(view):
        data = os.read(descriptor, min(len(view) - filled, 1 << 20))
        if not data:
            raise BadAnswerError(f"{name}: the file ended after {filled} of {len(view)} bytes at {offset}")
        view[filled : filled + len(data)] = data
        filled += len(data)


_fill = _fill_in_place if hasattr(os, "preadv") else _fill_by_copy


@functools.lru_cache(maxsize=1024)
def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name if pwd is not None else str(number)
    except KeyError:
        return str(number)


@functools.lru_cache(maxsize=1024)
def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name if grp is not None else str(number)
    except KeyError:
        return str(number)
