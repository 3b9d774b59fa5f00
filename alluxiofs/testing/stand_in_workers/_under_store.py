"""What stands behind the stand-in workers: a folder of this machine, or any fsspec filesystem."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Iterator, List, Optional, Union

from attrs import define

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Stored", "UnderFilesystem", "UnderFolder", "UnderStorage", "asked"]


@define(frozen=True)
class Stored:
    """A file or directory of the under store.

    Parameters
    ----------
    name:
        Below the root, with slashes between its parts; empty for the root itself.
    length:
        Bytes; 0 for a directory.
    mtime_ms:
        When it was changed, in milliseconds since the epoch.
    """

    name: str
    is_file: bool
    length: int
    mtime_ms: int

    @property
    def base(self) -> str:
        return self.name.rsplit("/", 1)[-1]


@contextlib.contextmanager
def asked() -> Iterator[None]:
    """Have all that goes wrong with an under store be an ``OSError``: its client may raise what it likes, of kinds that
    no other process knows."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"the under store failed: {type(error).__name__}: {error}") from error


class UnderFolder:
    """A folder of this machine."""

    def __init__(self, folder: Union[str, os.PathLike[str]]) -> None:
        self.folder = os.path.realpath(folder)
        if not os.path.isdir(self.folder):
            raise FileNotFoundError(f"{self.folder}: there is no such folder for the stand-in workers to serve")

    @property
    def url(self) -> str:
        return "file://" + Path(self.folder).as_posix()

    def stat(self, name: str) -> Optional[Stored]:
        try:
            found = os.stat(self._path(name))
        except (OSError, ValueError):  # ValueError: a name with a zero byte in it
            return None
        return self._stored(name, found)

    def list(self, name: str) -> List[Stored]:
        """The children, in the order in which the system gives them; nothing for what is no directory."""
        before = f"{name}/" if name else ""
        try:
            with os.scandir(self._path(name)) as found:
                return [self._stored(before + one.name, one.stat()) for one in found]
        except OSError:
            return []

    def open(self, name: str) -> BinaryIO:
        return open(self._path(name), "rb", buffering=0)

    def write(self, name: str, data: BinaryIO) -> None:
        path = self._path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".being-written", "wb") as target:
            shutil.copyfileobj(data, target)
        os.replace(path + ".being-written", path)

    def make_directory(self, name: str) -> None:
        os.makedirs(self._path(name))

    def remove(self, name: str, recursive: bool) -> None:
        path = self._path(name)
        if not os.path.isdir(path):
            os.unlink(path)
        elif recursive:
            shutil.rmtree(path)
        else:
            os.rmdir(path)

    def move(self, name: str, target: str) -> None:
        path = self._path(target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(self._path(name), path)

    def copy(self, name: str, target: str) -> None:
        source, path = self._path(name), self._path(target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, path)
        else:
            shutil.copyfile(source, path)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, *name.split("/")) if name else self.folder

    @staticmethod
    def _stored(name: str, found: os.stat_result) -> Stored:
        is_file = not stat.S_ISDIR(found.st_mode)
        return Stored(name, is_file, found.st_size if is_file else 0, found.st_mtime_ns // 1_000_000)


class UnderFilesystem:
    """A folder of an fsspec filesystem."""

    def __init__(self, fs: AbstractFileSystem, folder: str) -> None:
        self.fs = fs
        self.folder: str = fs._strip_protocol(folder).rstrip("/")

    @property
    def url(self) -> str:
        url: str = self.fs.unstrip_protocol(self.folder)
        return url.rstrip("/")

    @asked()
    def stat(self, name: str) -> Optional[Stored]:
        self.fs.invalidate_cache()
        try:
            return self._stored(self.fs.info(self._path(name)))
        except FileNotFoundError:
            return None

    @asked()
    def list(self, name: str) -> List[Stored]:
        """The children; nothing for what is no directory."""
        self.fs.invalidate_cache()
        try:
            listed = self.fs.ls(self._path(name), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [one for one in map(self._stored, listed) if one.name != name]

    @asked()
    def open(self, name: str) -> BinaryIO:
        opened: BinaryIO = self.fs.open(self._path(name), "rb")
        return opened

    @asked()
    def write(self, name: str, data: BinaryIO) -> None:
        self.fs.makedirs(self.fs._parent(self._path(name)), exist_ok=True)
        with self.fs.open(self._path(name), "wb") as target:
            shutil.copyfileobj(data, target)

    @asked()
    def make_directory(self, name: str) -> None:
        self.fs.makedirs(self._path(name), exist_ok=False)

    @asked()
    def remove(self, name: str, recursive: bool) -> None:
        if not recursive and self.fs.isdir(self._path(name)):
            self.fs.rmdir(self._path(name))
        else:
            self.fs.rm(self._path(name), recursive=recursive)

    @asked()
    def move(self, name: str, target: str) -> None:
        self.fs.mv(self._path(name), self._path(target), recursive=self.fs.isdir(self._path(name)))

    @asked()
    def copy(self, name: str, target: str) -> None:
        self.fs.copy(self._path(name), self._path(target), recursive=self.fs.isdir(self._path(name)))

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}" if name else self.folder

    def _stored(self, info: Any) -> Stored:
        name = info["name"].rstrip("/")[len(self.folder) :].strip("/")
        is_file = info["type"] == "file"
        return Stored(name, is_file, info["size"] if is_file else 0, _milliseconds(info))


def _milliseconds(info: Any) -> int:
    for key in ("mtime", "LastModified", "modified", "last_modified", "created"):
        value = info.get(key)
        if isinstance(value, datetime.datetime):
            return int(value.timestamp() * 1000)
        if isinstance(value, (int, float)):
            return int(value * 1000)
    return 0


UnderStorage = Union[UnderFolder, UnderFilesystem]
