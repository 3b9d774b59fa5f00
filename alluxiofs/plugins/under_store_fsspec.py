"""The under store ``fsspec``: any fsspec filesystem that has no under store of its own."""

from __future__ import annotations

import errno
import functools
import os
from datetime import datetime, timezone
from glob import has_magic
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Type
from urllib.parse import urlsplit
from uuid import uuid4

from attrs import define
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.errors import (
    BadAnswerError,
    FileChangedError,
    InvalidPathError,
    NotSupportedError,
    denied,
    exists,
    is_a_directory,
    not_a_directory,
)
from alluxiofs.interfaces import Context, Deadline, Entry, Target, UnderStore, UnderStoreCapabilities, Version, Writer
from alluxiofs.plugins._fsspec.appending import RewritingWriter, check_unchanged, found_file, rewrite
from alluxiofs.plugins._fsspec.client import Client, check_served
from alluxiofs.plugins._fsspec.failures import cause_to_show, says_nothing, translated
from alluxiofs.plugins._fsspec.identity import client_identity, memory_identity
from alluxiofs.plugins._fsspec.names import (
    canonical_scheme,
    check,
    check_outside,
    contained,
    is_temporary,
    normalised,
    split_scheme,
    temporary,
)
from alluxiofs.plugins._fsspec.replacing import replace
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._fsspec.versions import epoch, settled, version_of, wait_until_settled
from alluxiofs.plugins._fsspec.writers import BufferedWriter, CollectingWriter, MovingWriter, StreamingWriter
from alluxiofs.settings.secrets import hidden_text, is_secret_name, without_secrets
from alluxiofs.settings.types import Seconds

__all__ = ["FsspecUnderStore"]

# Their clients' files appear when they are closed, and not before; with any other client that is not certain.
_OBJECT_STORES = frozenset({"s3", "gs", "abfs"})
_STANDARD = frozenset({"name", "size", "type"})
_COPY_BLOCK = 4 * 1024 * 1024


class FsspecUnderStore(UnderStore):
    """Any fsspec filesystem, by its protocol or as a ready object.

    Versions are made of whatever the client's ``info`` has: ETag, generation, hash, time of change. As clients cannot
    read a given version, each read is followed by another look at the version.
    """

    name = "fsspec"
    protocols = ("*",)

    @define(frozen=True)
    class Settings:
        """How long to wait.

        Parameters
        ----------
        write_timeout:
            Seconds that one call to the client may take while a file is written.
        """

        write_timeout: Seconds = Seconds(120)

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self._client = Client(target)
        self._unique = uuid4().hex
        self._memory = issubclass(self._client.type, MemoryFileSystem)
        self._scheme = canonical_scheme(_protocol(self._client.type, target))
        check_served(self._scheme)
        self.root = self._client.names.root_marker
        self._hierarchical = self.root == "/"
        self.capabilities = UnderStoreCapabilities(
            version=("length", "mtime") if self._client.in_process else ("length",),
            directories=self._scheme not in _OBJECT_STORES,
            atomic_rename=self._client.in_process and self._client.overrides("mv"),
            native_copy=self._client.overrides("_cp_file") or self._client.overrides("cp_file"),
            parallel_ranges=self._client.shared_by_threads,
            recursive_list=self._client.overrides("_find") or self._client.overrides("find"),
            remote=not self._client.in_process,
            writable=self._client.writable,
        )

    # --- names ------------------------------------------------------------------------------------------------

    def strip(self, path: str) -> str:
        scheme, rest = split_scheme(check(path), self._client.schemes)
        if scheme:  # clients know it in lower case only
            path = f"{scheme}://{rest}"
        self._check_host(path)
        name = self._client.strip(path)
        if name.startswith("/") or self._hierarchical:
            return normalised(name)
        if self._scheme == "s3" and "?versionId=" in name:
            raise InvalidPathError(f"s3fs takes {name!r} for a version of another key; the under store 's3' does not")
        _, separator, rest = name.partition("://")  # HTTP's names are URLs
        contained(rest if separator else name)
        return name.rstrip("/") or self.root

    def url(self, name: str) -> str:
        if "://" in name:
            return name
        return f"{self._scheme}://{self._authority() if name.startswith('/') else ''}{name}"

    def identity(self) -> str:
        if self._memory:
            return memory_identity(self._client.raw)
        if self._scheme == "file" and type(self.target.client) in (type(None), LocalFileSystem):
            return ""
        return client_identity(self._scheme, self.target, self._unique)

    def schemes(self) -> tuple[str, ...]:
        declared = self._client.type.protocol
        every = (self._scheme, self.target.protocol, *([declared] if isinstance(declared, str) else declared))
        return tuple(dict.fromkeys(every))

    def _authority(self) -> str:
        """Host and port, for stores whose names have none (HDFS, SFTP): two hosts must not share URLs."""
        ready = self.target.client
        options = self.target.options if ready is None else ready.storage_options
        host, port = options.get("host"), options.get("port")
        return "" if not host else f"{host}:{port}" if port else str(host)

    def _check_host(self, path: str) -> None:
        """A URL of another host names no file of this one, though its client would take off any host."""
        authority = self._authority()
        if authority and "://" in path:
            named = urlsplit(path).netloc.rpartition("@")[2]
            if named and named not in (authority, authority.partition(":")[0]):
                raise InvalidPathError(f"{hidden_text(path)!r} is not on {authority!r}")

    # --- reading ----------------------------------------------------------------------------------------------

    def stat(self, name: str, deadline: Deadline) -> Entry:
        self._forget(name)
        try:
            return self._entry(self._client.call("info", deadline, name), name)
        except OSError as error:
            if self._scheme == "s3" and says_nothing(error):  # but a listing has a body, which may
                self._client.call("ls", deadline, name, detail=True)
            raise

    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        self._forget(name)
        if recursive:
            found = list(self._client.call("find", deadline, name, detail=True).values())
        else:
            found = self._client.ls(name, deadline)
        if not found:
            entry = self.stat(name, deadline)  # an empty directory is a directory; nothing is nothing
            if entry.is_file:
                yield entry
            return
        seen = set()
        for info in found:
            own = self._own_name(info["name"])
            if own in seen or is_temporary(own) or (own == name and info.get("type") == "directory"):
                continue
            seen.add(own)
            yield self._entry(info, own)

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        if not len(view):
            return
        if not self._memory:  # its times are to the microsecond, from a clock without ticks
            wait_until_settled(version, deadline)
        data = self._client.call("cat_file", deadline, name, start=offset, end=offset + len(view), **self._uncached)
        if version != Version() and version.same_as(self.stat(name, deadline).version) is False:
            raise FileChangedError("the file has changed since it was opened", name)
        if len(data) == version.length and len(data) != len(view):
            data = data[offset : offset + len(view)]  # a server without ranges sends all there is
        if len(data) != len(view):
            raise BadAnswerError(f"{name}: {len(data)} bytes came where {len(view)} were asked for, at {offset}")
        view[:] = data

    @functools.cached_property
    def _uncached(self) -> Dict[str, str]:
        """Where reading a range means opening a file, the file must not read ahead."""
        own = self._client.overrides("cat_file") or self._client.overrides("_cat_file")
        return {} if own else {"cache_type": "none"}

    # --- writing ----------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        def check_target() -> None:
            found = found_file(self, name, min(self.settings.write_timeout, patience))
            if found is not None and exclusive:
                raise exists(name)

        check_target()
        return self._writer(name, check_target, patience)

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        """A new file of the old content and the new: no client appends in a way that can be taken back.

        Clients cannot write on condition either, so what is there is looked at again right before it is replaced.
        """
        return RewritingWriter(self, name, functools.partial(self._append, name), self.settings.write_timeout, patience)

    def _append(self, name: str, spool: Spool, timeout: float) -> None:
        old = found_file(self, name, timeout)
        if old is None or spool.size:
            writer = self._writer(name, functools.partial(check_unchanged, self, name, old, timeout), timeout)
            rewrite(self, old, writer, spool, block=_COPY_BLOCK, timeout=timeout)

    def _writer(self, name: str, check: Callable[[], None], patience: float) -> Writer:
        """A writer that asks ``check`` right before the file takes its place."""
        kind: Type[BufferedWriter] = CollectingWriter if self._memory else StreamingWriter
        if not self._memory and self._scheme not in _OBJECT_STORES:
            self._make_parent(name, Deadline.after(min(self.settings.write_timeout, patience)))
            kind = MovingWriter
        writer = kind(self._client, name, check, self.settings.write_timeout)
        writer.patience = patience
        return writer

    def remove(self, name: str, deadline: Deadline) -> None:
        if not self.stat(name, deadline).is_file:
            raise is_a_directory(name)
        self._client.call("rm_file", deadline, name)
        self._forget(name)

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        if name == self.root:
            raise denied(name, "the root directory cannot be removed")
        if self.stat(name, deadline).is_file:
            raise not_a_directory(name)
        children = list(self.list(name, deadline))
        if children and not recursive:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
        if children and not has_magic(name):  # a client would take such a name for a pattern
            self._client.call("rm", deadline, name, recursive=True)
            children = []
        for child in children:
            if child.is_file:
                self._client.call("rm_file", deadline, child.name)
            else:
                self.remove_directory(child.name, deadline, recursive=True)
        # Where directories are only what the names of files have in common, this one went with its last file.
        if self._find(name, deadline) is not None:
            self._client.call("rmdir", deadline, name)
        self._forget(name)

    def make_directory(self, name: str, deadline: Deadline, parents: bool = True, exist_ok: bool = True) -> None:
        found = self._find(name, deadline)
        if found is not None:
            if found.is_file or not exist_ok:
                raise exists(name)
            return
        if parents:
            self._client.call("makedirs", deadline, name, exist_ok=True)
        else:
            self.stat(self.parent(name), deadline)  # not every client looks whether there is a parent
            self._client.call("mkdir", deadline, name, create_parents=False)
        self._forget(name)

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        entry = self.stat(source, deadline)
        if source == target:
            return
        if entry.is_file:
            found_file(self, target, deadline.wait())  # and no directory
        else:
            check_outside(source, target)
        self._make_parent(target, deadline)
        if entry.is_file:
            replace(self._client, source, target, deadline)
        elif self._client.moves:
            self._client.call("mv", deadline, source, target)
        else:
            for file in list(self._below(source, deadline)):
                self.copy(file, target + file[len(source) :], deadline)
            self.make_directory(target, deadline)
            self.remove_directory(source, deadline, recursive=True)
        self._forget(source)
        self._forget(target)

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        if not self.stat(source, deadline).is_file:
            raise is_a_directory(source)
        if source == target:
            return
        found_file(self, target, deadline.wait())  # and no directory
        self._make_parent(target, deadline)
        if self._memory or self._scheme in _OBJECT_STORES:
            self._client.call("cp_file", deadline, source, target)
        else:
            partial = temporary(self.parent(target))
            self._client.call("cp_file", deadline, source, partial)
            replace(self._client, partial, target, deadline)
        self._forget(target)

    def touch(self, name: str, deadline: Deadline, truncate: bool = True) -> None:
        if truncate or self._find(name, deadline) is None:
            self.create(name, patience=deadline.wait()).commit()
            return
        if self._memory:
            self._client.raw.store[name].modified = datetime.now(tz=timezone.utc)
            return
        try:
            self._client.call("touch", deadline, name, truncate=False)
        except OSError as error:
            if not isinstance(error.__cause__, ValueError):
                raise
            raise NotSupportedError(f"{name}: an existing file cannot get a new time here") from error

    def sign(self, name: str, expiration: int) -> str:
        try:
            return str(self._client.raw.sign(name, expiration=expiration))
        except Exception as error:
            raise translated(error, name) from cause_to_show(error)

    def close(self) -> None:
        self._client.close()

    # --- within -----------------------------------------------------------------------------------------------

    def _find(self, name: str, deadline: Deadline) -> Optional[Entry]:
        try:
            return self.stat(name, deadline)
        except FileNotFoundError:
            return None

    def _below(self, name: str, deadline: Deadline) -> Iterator[str]:
        for child in self.list(name, deadline):
            yield from [child.name] if child.is_file else self._below(child.name, deadline)

    def _make_parent(self, name: str, deadline: Deadline) -> None:
        """Only where directories exist: elsewhere this would make buckets."""
        parent = self.parent(name)
        if self.capabilities.directories and not self._memory and parent not in (self.root, name):
            self._client.call("makedirs", deadline, parent, exist_ok=True)

    def _forget(self, name: str) -> None:
        self._client.forget(name)
        self._client.forget(self.parent(name))

    def _own_name(self, name: str) -> str:
        if self._hierarchical or name.startswith("/"):
            return normalised(name)
        return name.rstrip("/") or self.root

    def _entry(self, info: Mapping[str, Any], name: str) -> Entry:
        fields: Dict[str, Any] = {key: value for key, value in info.items() if not is_secret_name(key)}
        if info.get("type") == "directory":
            extra = {key: value for key, value in fields.items() if key not in _STANDARD}
            return Entry(name, "directory", 0, modified=epoch(info.get("mtime")), extra=extra)
        if self._memory:
            # Its info has no time of change, though there is one.
            modified = getattr(self._client.raw.store.get(name), "modified", None)
            fields = {**fields, "modified": modified} if modified is not None else fields
        version = version_of(fields)
        if self._client.archive and version.tag is None:
            version = Version(length=version.length)  # a member's time stays when the archive is another one
        version = settled(version, fields.get("ino", 1))
        size = info.get("size")
        return Entry(
            name=name,
            kind="file",
            size=size if isinstance(size, int) else None,
            version=version,
            created=epoch(info.get("created") or info.get("timeCreated") or info.get("creation_time")),
            modified=None if version.mtime is None else version.mtime / 1e9,
            owner=_text(info.get("owner")),
            group=_text(info.get("group")),
            mode=info["mode"] & 0o7777 if isinstance(info.get("mode"), int) else None,
            extra=without_secrets({key: value for key, value in fields.items() if key not in _STANDARD}),
        )


def _protocol(kind: Any, target: Target) -> str:
    """The protocol that was asked for, or the first that a ready client's class has."""
    declared = target.protocol if target.client is None else kind.protocol
    return declared if isinstance(declared, str) else str(declared[0])


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None
