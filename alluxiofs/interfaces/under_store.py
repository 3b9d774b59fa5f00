"""Extension point: the storage that owns the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Iterator, Mapping, Optional, Tuple

import attrs
from attrs import define

from alluxiofs.errors import NotSupportedError
from alluxiofs.interfaces.component import Component, Context, Deadline
from alluxiofs.interfaces.memory import NewBytes
from alluxiofs.interfaces.values import Entry, Version

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Target", "UnderStore", "UnderStoreCapabilities", "Writer"]


@define(frozen=True)
class Target:
    """What an under store stands for.

    Parameters
    ----------
    protocol:
        As the user wrote it (``s3``, ``s3a``, ``memory`` …).
    options:
        For the client, passed on as they are. Never shown.
    client:
        A ready fsspec filesystem, instead of the two above.
    """

    protocol: str
    options: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    client: Optional[AbstractFileSystem] = attrs.field(default=None, repr=False)


@define(frozen=True)
class UnderStoreCapabilities:
    """What a store can do, and what its versions are made of.

    Parameters
    ----------
    version:
        Parts of a version that it always knows: of ``"tag"``, ``"length"``, ``"mtime"``.
    conditional_read:
        A read asks for a version, and the store itself refuses another one.
    append:
        It can append to a file in place.
    atomic_rename:
        A move is one step, also over an existing file.
    directories:
        Empty directories exist.
    native_copy:
        A copy does not pass through this machine.
    parallel_ranges:
        Several ranges of one file can be read at a time, and it pays.
    recursive_list:
        Everything below a directory can be listed at once (``list(recursive=True)``).
    stat_and_read:
        One request tells what a file is and gives its first or its last bytes (``stat_and_read``).
    remote:
        It is behind a network: worth keeping pages of.
    writable:
        It can be written at all.
    """

    version: Tuple[str, ...] = ("length",)
    conditional_read: bool = False
    append: bool = False
    atomic_rename: bool = False
    directories: bool = True
    native_copy: bool = False
    parallel_ranges: bool = True
    recursive_list: bool = False
    stat_and_read: bool = False
    remote: bool = True
    writable: bool = True


class Writer(ABC):
    """A file being written: it appears whole at :meth:`commit`, or never. Used by one thread at a time."""

    patience: float = 60.0
    """Seconds that one wait takes at most: for an answer of the store, or for others who have the file to themselves (a
    lock, another append). What the store was asked for the writer with: the gateway asks with its ``deadline``."""

    @abstractmethod
    def write(self, data: memoryview) -> None:
        """Take bytes; the view is the caller's again when the call returns."""

    @abstractmethod
    def commit(self) -> None:
        """Make the file what was written. An error leaves the old file, and what was written so far is given up."""

    @abstractmethod
    def abort(self) -> None:
        """Give up what was written; the old file stays. Raises nothing that matters less than what led here. May be
        called twice, and after :meth:`commit`, when it does nothing."""


class UnderStore(Component, ABC):
    """A storage system. Names are as its own client spells them; :meth:`strip` makes them of whatever users write.

    Every method may raise an *answer* (``FileNotFoundError`` …), a :class:`~alluxiofs.errors.TemporaryError` or any
    other ``OSError``, which counts as permanent (:func:`alluxiofs.errors.kind_of`); the store's own message is part of
    it, its secrets are not. Every wait ends with the deadline. Methods are called from many threads.

    Parameters
    ----------
    target:
        Protocol, client options or a ready client.
    settings, context:
        As for every component.
    """

    protocols: ClassVar[Tuple[str, ...]] = ()
    """The protocols that this class serves unless a user names another one. ``"*"``: whatever no other serves."""

    capabilities: UnderStoreCapabilities = UnderStoreCapabilities()

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self.target = target

    # --- names: pure, no I/O ----------------------------------------------------------------------------------

    root: str = ""
    """The name of the root directory."""

    def schemes(self) -> Tuple[str, ...]:
        """The URL schemes by which users may name its files, the canonical one among them."""
        named = (self.target.protocol, *(protocol for protocol in self.protocols if protocol != "*"))
        return tuple(dict.fromkeys(named))

    @abstractmethod
    def strip(self, path: str) -> str:
        """The canonical name of a path or URL of this store: scheme off, no slash at the end.

        Raises
        ------
        InvalidPathError
            If it has a NUL, or climbs out of the root.
        """

    @abstractmethod
    def url(self, name: str) -> str:
        """The canonical full URL of a name (``s3://bucket/key``, whatever alias of the scheme was used)."""

    def parent(self, name: str) -> str:
        """The name of the directory that a name is in; the root is its own parent."""
        head = name.rsplit("/", 1)[0] if "/" in name else self.root
        return head or self.root

    @abstractmethod
    def identity(self) -> str:
        """What tells this store from another of the same URLs (its endpoint …); no secrets. Part of page keys."""

    # --- reading ----------------------------------------------------------------------------------------------

    @abstractmethod
    def stat(self, name: str, deadline: Deadline) -> Entry:
        """What is there now, not what a client's cache remembers. ``FileNotFoundError`` if there is nothing."""

    def stat_and_read(
        self, name: str, length: int, deadline: Deadline, *, from_end: bool = False
    ) -> Tuple[Entry, int, bytes]:
        """What is there now, and of a file its first ``length`` bytes (``from_end``: its last), in one request where
        there is a file. Only with the capability of the same name.

        Returns
        -------
        The entry, where the bytes begin, and the bytes: fewer than ``length`` only if the file has no more, none of a
        directory. They are of the version that the entry tells: one answer said both.

        Raises
        ------
        FileNotFoundError
            If there is nothing of this name.
        BadAnswerError
            For a body that is short, long or of another range.
        """
        raise self._cannot("tell what a file is and read it in one request")

    @abstractmethod
    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        """The children of a directory, in any order, each once, without the directory itself; of a file the file.

        ``recursive`` (only with the capability): all files below, at any depth, and nothing but files.

        Raises
        ------
        FileNotFoundError
            If there is nothing of this name.
        """

    @abstractmethod
    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        """Fill ``view`` with the bytes of this version that start at ``offset``; the range lies within the file.

        All of the view is filled or an error is raised, and nothing writes to it after the call has ended.

        A body that comes in pieces is told with each of them (``deadline.moved``), so that a large range over a slow
        link has the time it needs.

        Raises
        ------
        FileChangedError
            If the file is of another version by now, as far as the store can tell before or after the read.
        FileNotFoundError
            If it is gone.
        BadAnswerError
            For a body that is short, long or of another range.
        """

    def read(self, name: str, version: Version, offset: int, size: int, deadline: Deadline) -> bytes:
        """The bytes that :meth:`read_into` would fill a view of ``size`` with, as an object of their own; raises the
        same. For a store that has them so already: then no memory is cleared first to be filled."""
        holder = NewBytes(size)
        with holder.getbuffer() as view:
            self.read_into(name, version, offset, view, deadline)
        return holder.getvalue()

    # --- writing; a store that cannot leaves these as they are --------------------------------------------------

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        """Write a whole file anew. ``exclusive``: ``FileExistsError``, at the latest at commit, if there is one.
        ``size_hint``: bytes that will come, where known. ``patience``: seconds that one wait takes at most, from the
        first look on; the writer has it (:attr:`Writer.patience`). A missing parent directory is made."""
        raise self._cannot("write")

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        """Add to the end of a file, all or nothing; a missing file is made. ``patience`` is that of :meth:`create`."""
        raise self._cannot("append")

    def remove(self, name: str, deadline: Deadline) -> None:
        """Remove a file. ``FileNotFoundError`` if there is none, ``IsADirectoryError`` for a directory."""
        raise self._cannot("remove")

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        """Remove a directory. Without ``recursive`` it must be empty (``OSError`` with ``ENOTEMPTY``)."""
        raise self._cannot("remove directories")

    def make_directory(self, name: str, deadline: Deadline, parents: bool = True, exist_ok: bool = True) -> None:
        """Make a directory, where the store has such; else do nothing but check what can be checked."""
        raise self._cannot("make directories")

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        """Move one file or directory to a name, over a file that is there. A failure leaves one of the two whole."""
        raise self._cannot("move")

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        """Copy one file to a name, over a file that is there, all or nothing. ``preserve``: times and mode too,
        where the store can."""
        raise self._cannot("copy")

    def touch(self, name: str, deadline: Deadline, truncate: bool = True) -> None:
        """Make an empty file; an existing one is emptied, or, without ``truncate``, gets a new time."""
        raise self._cannot("touch")

    def make_writable(self, name: str, deadline: Deadline) -> None:
        """Take the read-only mark off a file, where the store has one and the user may; else do nothing."""

    def sign(self, name: str, expiration: int) -> str:
        """A URL that anyone can read for ``expiration`` seconds."""
        raise self._cannot("sign")

    def _cannot(self, what: str) -> NotSupportedError:
        return NotSupportedError(f"under store {self.name!r} ({self.target.protocol}) cannot {what}")
