"""The under store ``hdfs``: Hadoop's filesystem, on hdfs-native."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional
from urllib.parse import urlsplit

from attrs import define

from alluxiofs.errors import (
    BadAnswerError,
    FileChangedError,
    InvalidPathError,
    denied,
    exists,
    is_a_directory,
    not_a_directory,
    not_found,
)
from alluxiofs.interfaces import (
    Context,
    Deadline,
    Entry,
    Target,
    UnderStore,
    UnderStoreCapabilities,
    Version,
    Writer,
)
from alluxiofs.plugins._fsspec.appending import pour, rewriting
from alluxiofs.plugins._fsspec.datanodes import let_go_of_parents
from alluxiofs.plugins._fsspec.identity import store_identity
from alluxiofs.plugins._fsspec.names import check, check_outside, encodable, is_temporary, normalised, split_scheme
from alluxiofs.plugins._fsspec.versions import settled, wait_until_settled
from alluxiofs.plugins._fsspec.waiting import Destination
from alluxiofs.plugins._hdfs.client import HdfsClient
from alluxiofs.plugins._hdfs.writer import HdfsWriter
from alluxiofs.settings.types import Seconds

if TYPE_CHECKING:
    from hdfs_native import Client, FileStatus

__all__ = ["HdfsUnderStore"]

_MILLISECOND = 1_000_000
_BLOCK = 4 * 2**20  # bytes that are copied at a time
_AT_ONCE = 256 * 1024  # bytes up to which a range is fetched in one piece
_ENTRIES = 1000


class HdfsUnderStore(UnderStore):
    """Hadoop's distributed filesystem, spoken to without Java.

    A version is length and time of change in milliseconds; each read is followed by another look at it. Files appear,
    and are replaced, in one step. Names have no colon in them, for the NameNode takes none.
    """

    name = "hdfs"
    protocols = ("hdfs",)
    root = "/"
    capabilities = UnderStoreCapabilities(version=("length", "mtime"), atomic_rename=True, recursive_list=True)

    @define(frozen=True)
    class Settings:
        """How files are written.

        Parameters
        ----------
        write_timeout:
            Seconds that handing over one block of a file may take.
        """

        write_timeout: Seconds = Seconds(120)

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self._client = HdfsClient(target)

    # --- names ------------------------------------------------------------------------------------------------

    def strip(self, path: str) -> str:
        scheme, rest = split_scheme(check(path), self.protocols)
        if scheme:
            host, slash, rest = rest.partition("/")
            self._check_host(path, host)
            path = slash + rest
        if ":" in path:
            raise InvalidPathError(f"HDFS takes no name with a colon in it: {path!r}")
        return normalised(encodable(path))

    def url(self, name: str) -> str:
        return f"hdfs://{self._client.authority}{name}"

    def identity(self) -> str:
        authority = self._client.authority
        return store_identity("hdfs", {"authority": authority} if authority else {})

    def _check_host(self, path: str, host: str) -> None:
        """A URL of another host names no file of this one."""
        authority = self._client.authority
        if host and host not in (authority, urlsplit(f"//{authority}").hostname):
            where = repr(authority) if authority else "the default filesystem: name 'host' in target_options"
            raise InvalidPathError(f"{path!r} is not on {where}")

    # --- reading ----------------------------------------------------------------------------------------------

    def stat(self, name: str, deadline: Deadline) -> Entry:
        return _entry(self._client.run(lambda client: client.get_file_info(name), deadline, name), name)

    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        found = self._client.run(lambda client: iter(client.list_status(name, recursive)), deadline, name)
        while True:
            some: List[FileStatus] = self._client.run(lambda _: list(itertools.islice(found, _ENTRIES)), deadline, name)
            for status in some:
                if not is_temporary(status.path) and not (recursive and status.isdir):
                    yield _entry(status, normalised(status.path))
            if len(some) < _ENTRIES:
                return
            deadline.progress()

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        if not len(view):
            return
        wait_until_settled(version, deadline)
        destination = Destination(view, deadline)

        def read(client: Client) -> FileStatus:
            let_go_of_parents()
            reader = client.read(name)
            stop = offset + destination.size
            if stop > len(reader) or version.length not in (None, len(reader)):
                raise FileChangedError("the file has changed since it was opened", name)
            if destination.size <= _AT_ONCE:
                destination.put(reader.read_range(offset, destination.size))
            else:
                for chunk in reader.read_range_stream(offset, destination.size):
                    destination.put(chunk)
            if destination.missing:
                raise BadAnswerError(f"{name}: {destination.missing} bytes of {destination.size} did not come")
            return client.get_file_info(name)

        found = _entry(self._client.run(read, deadline, name, destination), name)
        if version.same_as(found.version) is False:
            raise FileChangedError("the file has changed since it was opened", name)

    # --- writing ----------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        return self._writer(name, exclusive, patience)

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        """A new file of the old content and the new: what HDFS appends itself cannot be taken back."""
        return rewriting(self, name, block=_BLOCK, timeout=self.settings.write_timeout, patience=patience)

    def remove(self, name: str, deadline: Deadline) -> None:
        if not self.stat(name, deadline).is_file:
            raise is_a_directory(name)
        self._delete(name, deadline, recursive=False)

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        if name == self.root:
            raise denied(name, "the root directory cannot be removed")
        if self.stat(name, deadline).is_file:
            raise not_a_directory(name)
        self._delete(name, deadline, recursive)

    def make_directory(self, name: str, deadline: Deadline, parents: bool = True, exist_ok: bool = True) -> None:
        found = self._find(name, deadline)
        if found is not None:
            if found.is_file or not exist_ok:
                raise exists(name)
            return
        self._client.run(lambda client: client.mkdirs(name, 0o755, parents), deadline, name)

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        entry = self.stat(source, deadline)
        if source == target:
            return
        check_outside(source, target)
        found = self._find(target, deadline)
        if found is None:
            self._client.run(lambda client: client.mkdirs(self.parent(target), 0o755, True), deadline, target)
        elif entry.is_file and not found.is_file:
            raise is_a_directory(target)
        elif found.is_file and not entry.is_file:
            raise not_a_directory(target)
        self._client.run(lambda client: client.rename(source, target, True), deadline, source)

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        """By reading and writing: HDFS has no other way, and the client's ``cp_file`` writes to a name that is none."""
        entry = self.stat(source, deadline)
        if not entry.is_file:
            raise is_a_directory(source)
        if source == target:
            return
        timeout = deadline.wait()
        writer = self._writer(target, False, timeout)
        try:
            pour(self, entry, writer, block=_BLOCK, timeout=timeout)
            if preserve and entry.version.mtime is not None:
                writer.commit(entry.mode, entry.version.mtime // _MILLISECOND)
            else:
                writer.commit()
        except BaseException:
            writer.abort()
            raise
        deadline.progress()

    def touch(self, name: str, deadline: Deadline, truncate: bool = True) -> None:
        if truncate or self._find(name, deadline) is None:
            self.create(name, patience=deadline.wait()).commit()
            return
        now = time.time_ns() // _MILLISECOND
        self._client.run(lambda client: client.set_times(name, now, now), deadline, name)

    def close(self) -> None:
        self._client.close()

    # --- within -----------------------------------------------------------------------------------------------

    def _writer(self, name: str, exclusive: bool, patience: float) -> HdfsWriter:
        def check_target() -> None:
            found = self._find(name, Deadline.after(min(self.settings.write_timeout, patience)))
            if found is not None and not found.is_file:
                raise is_a_directory(name)
            if found is not None and exclusive:
                raise exists(name)

        check_target()
        timeout = self.settings.write_timeout
        writer = HdfsWriter(self._client, name, check_target, exclusive=exclusive, timeout=timeout)
        writer.patience = patience
        return writer

    def _delete(self, name: str, deadline: Deadline, recursive: bool) -> None:
        if not self._client.run(lambda client: client.delete(name, recursive), deadline, name):
            raise not_found(name)

    def _find(self, name: str, deadline: Deadline) -> Optional[Entry]:
        try:
            return self.stat(name, deadline)
        except FileNotFoundError:
            return None


def _entry(status: FileStatus, name: str) -> Entry:
    seconds = status.modification_time / 1000 if status.modification_time else None
    shared: Dict[str, Any] = {
        "owner": status.owner,
        "group": status.group,
        "mode": status.permission & 0o7777,
        "modified": seconds,
    }
    if status.isdir:
        return Entry(name, "directory", 0, **shared)
    version = Version(None, status.length, status.modification_time * _MILLISECOND, _MILLISECOND)
    extra = {"access_time": status.access_time, "replication": status.replication, "blocksize": status.blocksize}
    return Entry(name, "file", status.length, settled(version), extra=extra, **shared)
