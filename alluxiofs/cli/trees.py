"""The two ends of a transfer: a path of this machine, or one behind a filesystem."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, FrozenSet, Iterator, Optional

from attrs import define

from alluxiofs.cli.failures import UsageError
from alluxiofs.cli.session import Place, scheme_of
from alluxiofs.errors import InvalidPathError, NotSupportedError, not_a_directory, not_found

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LocalTree", "Node", "RemoteTree", "Tree", "checked_relative"]


@define(frozen=True)
class Node:
    """One file or directory of a tree.

    Parameters
    ----------
    relative:
        Its path below the tree's root with ``/`` between the parts; empty for the root itself.
    is_directory:
        Or a file.
    size:
        Bytes of a file, where known.
    problem:
        Why it cannot be taken along; the others can.
    """

    relative: str
    is_directory: bool
    size: Optional[int] = None
    problem: Optional[Exception] = None


class Tree(ABC):
    """A file, or a directory with all that is below it, or what is going to be one."""

    given: str
    """As the user wrote it."""

    name: str
    """As the filesystem spells it."""

    @property
    @abstractmethod
    def base(self) -> str:
        """The last part of the name."""

    @abstractmethod
    def kind(self) -> Optional[str]:
        """``"file"``, ``"directory"``, or ``None`` if there is nothing."""

    @abstractmethod
    def walk(self) -> Iterator[Node]:
        """Everything below a directory: directories before what is in them."""

    @abstractmethod
    def below(self, relative: str) -> Self:
        """The tree at a path below this one."""

    @abstractmethod
    def make_directory(self) -> None:
        """Make it a directory; no error if it is one."""

    @abstractmethod
    def check_target(self) -> None:
        """Raise where a file could not be made under this name."""

    @abstractmethod
    def size(self) -> Optional[int]:
        """Bytes of a file."""

    def means_directory(self) -> bool:
        """Whether it is a directory, or written as one (with a slash at its end)."""
        return self.given.endswith("/") or self.kind() == "directory"


def checked_relative(relative: str, local: bool) -> str:
    """A path that does not leave the directory that it is put below.

    Names in an object store are any text: ``a/../../b`` is one, and so is ``a//b``.

    Raises
    ------
    InvalidPathError
        If it has an empty part, ``.``, ``..`` or a NUL, or, for this machine, what its system takes for more than a
        name.
    """
    for part in relative.split("/"):
        if part in ("", ".", "..") or "\0" in part or (local and (os.sep != "/" and {os.sep, ":"} & set(part))):
            raise InvalidPathError(f"{relative}: the name has a part ({part!r}) that cannot be the name of a file")
    return relative


class LocalTree(Tree):
    """On this machine."""

    def __init__(self, path: str) -> None:
        if scheme_of(path):
            raise UsageError(f"{path}: this is a URL, and here stands a path of this machine; 'cp' goes between URLs")
        self.given = path.replace(os.sep, "/")
        self.name = path
        self._path = Path(path)

    @property
    def base(self) -> str:
        return self._path.name or self._path.resolve().name

    def kind(self) -> Optional[str]:
        if self._path.is_dir():
            return "directory"
        return "file" if self._path.exists() else None

    def size(self) -> Optional[int]:
        return _regular(self._path).st_size

    def walk(self) -> Iterator[Node]:
        yield from self._walk(self._path, "", frozenset({_identity(self._path)}))

    def _walk(self, folder: Path, prefix: str, above: FrozenSet[object]) -> Iterator[Node]:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            relative = prefix + entry.name
            path = Path(entry.path)
            try:
                if not entry.is_dir():
                    yield Node(relative, is_directory=False, size=_regular(path).st_size)
                    continue
                way = _way_to(path, above)
                yield Node(relative, is_directory=True)
                yield from self._walk(path, f"{relative}/", way)
            except (OSError, NotSupportedError) as error:
                yield Node(relative, is_directory=False, problem=error)

    def below(self, relative: str) -> Self:
        return type(self)(str(self._path / checked_relative(relative, local=True)))

    def make_directory(self) -> None:
        self._path.mkdir(parents=True, exist_ok=True)

    def check_target(self) -> None:
        if self.given.endswith("/") and not self._path.is_dir():
            raise not_a_directory(self.given)
        if not self._path.parent.is_dir():
            raise not_found(str(self._path.parent))


def _identity(path: Path) -> object:
    status = path.stat()
    # Windows gives no inode numbers for some file systems
    return (status.st_dev, status.st_ino) if status.st_ino else str(path.resolve())


def _way_to(folder: Path, above: FrozenSet[object]) -> FrozenSet[object]:
    """The folders above what is in this one, which is none of those above itself."""
    identity = _identity(folder)
    if identity in above:
        raise OSError(f"{folder}: a symbolic link leads back to a folder that it is in")
    return above | {identity}


def _regular(path: Path) -> os.stat_result:
    """The status of a regular file; reading a pipe or a device would not end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise NotSupportedError(f"{path}: neither a file nor a directory")
    return status


class RemoteTree(Tree):
    """Behind a filesystem."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.fs = place.fs
        self.given = place.given
        self.name = place.name

    @property
    def base(self) -> str:
        return self.place.base

    def kind(self) -> Optional[str]:
        try:
            return str(self.fs.info(self.name)["type"])
        except FileNotFoundError:
            return None

    def size(self) -> Optional[int]:
        size = self.fs.info(self.name).get("size")
        return None if size is None else int(size)

    def walk(self) -> Iterator[Node]:
        root = self.name.rstrip("/") + "/"
        for name, entry in sorted(self.fs.find(self.name, withdirs=True, detail=True).items()):
            relative = name[len(root) :].rstrip("/")
            if name.startswith(root) and relative:  # some filesystems list the directory itself, too
                yield Node(relative, is_directory=entry["type"] == "directory", size=entry.get("size"))

    def below(self, relative: str) -> Self:
        name = f"{self.name.rstrip('/')}/{checked_relative(relative, local=False)}" if self.name else relative
        given = f"{self.given.rstrip('/')}/{relative}"
        return type(self)(Place(self.fs, name, given))

    def make_directory(self) -> None:
        self.fs.makedirs(self.name, exist_ok=True)

    def check_target(self) -> None:
        """The stores make missing parents themselves; many have no directories at all."""
