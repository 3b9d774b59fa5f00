"""An under store of keys in buckets: what follows from listing, reading, writing, copying and removing single keys.

A directory is what the keys below it have in common. One without a key below it does not exist, and making it does
nothing; a key that ends with a slash only marks a directory, and no listing shows it.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
from abc import abstractmethod
from typing import Any, Callable, ClassVar, Iterator, List, Optional, Tuple, Union

from attrs import define

from alluxiofs.errors import (
    STARS,
    FileChangedError,
    InvalidPathError,
    denied,
    exists,
    is_a_directory,
    not_a_directory,
    not_found,
)
from alluxiofs.interfaces import Context, Deadline, Entry, Target, UnderStore, UnderStoreCapabilities, Version, Writer
from alluxiofs.plugins._fsspec.appending import RewritingWriter, found_file
from alluxiofs.plugins._fsspec.names import check, check_outside, contained, split_scheme
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._fsspec.versions import wait_until_settled

__all__ = ["Keys", "ObjectStore", "bucket_and_key"]

_KEYS_AT_ONCE = 1000


@define(frozen=True)
class Keys:
    """Which keys of a bucket a listing is of.

    Parameters
    ----------
    bucket, prefix:
        Those that begin so.
    delimiter:
        ``"/"``: what has one more slash is told as its common prefix; empty: all keys.
    limit:
        So many are enough: no more are asked for once there are any. That a page is empty says nothing: a store may
        have passed over keys that are removed, and have more.
    """

    bucket: str
    prefix: str
    delimiter: str = ""
    limit: Optional[int] = None


class ObjectStore(UnderStore):
    """Everything but the requests themselves.

    Parameters
    ----------
    target, context:
        As for every under store.
    settings:
        :class:`~alluxiofs.plugins._objects.settings.UploadSettings`, or more.

    Attributes
    ----------
    scheme:
        The canonical one.
    """

    scheme: ClassVar[str]
    capabilities = UnderStoreCapabilities(
        version=("tag", "length", "mtime"),
        conditional_read=True,
        directories=False,
        native_copy=True,
        recursive_list=True,
        stat_and_read=True,
    )

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self._block: int = settings.part_size  # bytes that are read at a time, of what is written anew
        self._write_timeout: float = settings.write_timeout

    # --- what each store does in its own way --------------------------------------------------------------------

    @abstractmethod
    def _object(self, name: str, bucket: str, key: str, deadline: Deadline) -> Entry:
        """One object. ``FileNotFoundError`` if there is none of this very key."""

    @abstractmethod
    def _end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[Tuple[Entry, int, bytes]]:
        """An object, where its first or last bytes begin, and they; ``None`` where bytes of this version were not to be
        had, as of an object that is empty. ``FileNotFoundError`` if there is none of this very key."""

    @abstractmethod
    def _fill(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        """Fill a view that is not empty with bytes of this version, as ``read_into`` is to."""

    @abstractmethod
    def _listed(self, keys: Keys, deadline: Deadline) -> Iterator[Union[Entry, str]]:
        """Page after page: objects as entries, common prefixes as text. ``FileNotFoundError`` without the bucket."""

    @abstractmethod
    def _buckets(self, deadline: Deadline) -> Iterator[Entry]:
        """The buckets that the credentials own."""

    @abstractmethod
    def _make_bucket(self, bucket: str, deadline: Deadline) -> None: ...

    @abstractmethod
    def _remove_bucket(self, bucket: str, deadline: Deadline) -> None: ...

    @abstractmethod
    def _remove_keys(self, bucket: str, keys: List[str], deadline: Deadline) -> None:
        """Remove up to 1,000 keys; those that are not there are none to complain about."""

    @abstractmethod
    def _copy_object(self, source: Entry, target: str, deadline: Deadline) -> None:
        """Copy this very version, all or nothing; onto itself it gets a new time."""

    @abstractmethod
    def _writer(
        self, name: str, check_free: Callable[[], None], exclusive: bool, size_hint: Optional[int]
    ) -> Writer: ...

    @abstractmethod
    def _append(self, name: str, old: Optional[Entry], spool: Spool, timeout: float) -> None:
        """Make an object of its old content, if there is one, and of what was collected, on condition that the old one
        is what it was; no wait takes longer than ``timeout`` seconds. ``FileChangedError``, or ``FileExistsError``
        where there was none, if somebody else has changed it meanwhile; nothing was appended then."""

    def _forget(self, name: str) -> None:
        """Have a user's own client not remember what it listed."""

    def _split(self, name: str) -> Tuple[str, str]:
        """The bucket and the key that a name is made of."""
        return bucket_and_key(name)

    # --- names --------------------------------------------------------------------------------------------------

    def strip(self, path: str) -> str:
        _, name = split_scheme(check(path), self.protocols)
        return contained(name.strip("/"))

    def url(self, name: str) -> str:
        return f"{self.scheme}://{name}"

    # --- reading ------------------------------------------------------------------------------------------------

    def stat(self, name: str, deadline: Deadline) -> Entry:
        if not name:
            return Entry(name, "directory", 0)
        bucket, key = self._split(name)
        if key:
            try:
                return self._object(name, bucket, key, deadline)
            except FileNotFoundError:
                pass
        return self._directory(name, deadline)

    def stat_and_read(
        self, name: str, length: int, deadline: Deadline, *, from_end: bool = False
    ) -> Tuple[Entry, int, bytes]:
        if not self._split(name)[1] or length <= 0:
            return self.stat(name, deadline), 0, b""
        try:
            found = self._end(name, length, from_end, deadline)
        except FileNotFoundError:
            return self._directory(name, deadline), 0, b""
        if found is not None:
            return found
        entry = self.stat(name, deadline)
        size = min(length, entry.size or 0) if entry.is_file else 0
        start = (entry.size or 0) - size if from_end else 0
        data = bytearray(size)  # of bytes only if they were written since there were none
        self.read_into(name, entry.version, start, memoryview(data), deadline)
        return entry, start, bytes(data)

    def _directory(self, name: str, deadline: Deadline) -> Entry:
        """What is there if no object is."""
        bucket, key = self._split(name)
        below = self._listed(Keys(bucket, f"{key}/" if key else "", limit=1), deadline)
        if next(iter(below), None) is None and key:
            raise not_found(name)
        return Entry(name, "directory", 0)

    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        if not name:
            yield from self._all_buckets(deadline, recursive)
            return
        bucket, key = self._split(name)
        found = not key
        keys = Keys(bucket, f"{key}/" if key else "", "" if recursive else "/")
        for item in self._listed(keys, deadline):
            found = True
            if isinstance(item, Entry):
                if not item.name.endswith("/"):
                    yield item
                continue
            own = f"{bucket}/{item[:-1]}"
            if not own.endswith("/"):  # keys with an empty part are read by name; a directory without a name is none
                yield Entry(own, "directory", 0)
        if not found:
            entry = self.stat(name, deadline)
            if entry.is_file:
                yield entry

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        if not len(view):
            return
        wait_until_settled(version, deadline)
        try:
            self._fill(name, version, offset, view, deadline)
        except (FileChangedError, FileNotFoundError):
            self._forget(name)
            raise

    # --- writing ------------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        timeout = min(self._write_timeout, patience)
        self._check_key(name, Deadline.after(timeout))

        def check_free() -> None:
            if exclusive and self._exists(name, Deadline.after(timeout)):
                raise exists(name)

        check_free()
        writer = self._writer(name, check_free, exclusive, size_hint)
        writer.patience = patience
        return writer

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        """A new object of the old content and the new, on condition that the old one is what it was."""
        self._check_key(name, Deadline.after(min(self._write_timeout, patience)))
        return RewritingWriter(self, name, functools.partial(self._attempt, name), self._write_timeout, patience)

    def _attempt(self, name: str, spool: Spool, timeout: float) -> None:
        old = found_file(self, name, timeout)
        if old is not None and not spool.size:
            return
        try:
            self._append(name, old, spool, timeout)
        except FileExistsError as error:
            raise FileChangedError("made by somebody else meanwhile", name) from error

    def remove(self, name: str, deadline: Deadline) -> None:
        if not self.stat(name, deadline).is_file:
            raise is_a_directory(name)
        self._remove_key(name, deadline)

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        if not name:
            raise denied("/", "all buckets at once cannot be removed")
        if self.stat(name, deadline).is_file:
            raise not_a_directory(name)
        bucket, key = self._split(name)
        marker = f"{key}/" if key else ""

        def found() -> Iterator[str]:
            for item in self._listed(Keys(bucket, marker), deadline):
                each = self._split(item.name)[1] if isinstance(item, Entry) else item
                if not recursive and each != marker:
                    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
                yield each

        self._remove_all(bucket, found(), deadline)
        if not key:
            self._remove_bucket(bucket, deadline)
        self._forget(name)

    def make_directory(self, name: str, deadline: Deadline, parents: bool = True, exist_ok: bool = True) -> None:
        try:
            found = self.stat(name, deadline)
        except FileNotFoundError:
            bucket, key = self._split(name)
            if not key or (parents and not self._exists(bucket, deadline)):
                self._make_bucket(bucket, deadline)
                self._forget(bucket)
            elif not parents:
                self.stat(self.parent(name), deadline)
            return
        if found.is_file or not exist_ok:
            raise exists(name)

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        """Copy, then remove what was copied: all is there before anything is gone here, and what others put below the
        directory meanwhile stays."""
        entry = self.stat(source, deadline)
        if source == target:
            return
        if entry.is_file:
            self._copy(entry, target, deadline)
            self._remove_key(source, deadline)
            return
        check_outside(source, target)
        bucket, key = self._split(source)
        copied: List[str] = []
        for item in self._listed(Keys(bucket, f"{key}/" if key else ""), deadline):
            if isinstance(item, Entry):
                if item.size or not item.name.endswith("/"):  # what only marks a directory is no content
                    self._copy(item, target + item.name[len(source) :], deadline)
                copied.append(self._split(item.name)[1])
        self._remove_all(bucket, iter(copied), deadline)
        if not key:
            self._remove_bucket(bucket, deadline)
        self._forget(source)

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        entry = self.stat(source, deadline)
        if not entry.is_file:
            raise is_a_directory(source)
        if source != target:
            self._copy(entry, target, deadline)

    def touch(self, name: str, deadline: Deadline, truncate: bool = True) -> None:
        if not truncate:
            try:
                found = self.stat(name, deadline)
            except FileNotFoundError:
                pass
            else:
                if not found.is_file:
                    raise is_a_directory(name)
                self._copy(found, name, deadline)
                return
        self.create(name, patience=deadline.wait()).commit()

    # --- within -------------------------------------------------------------------------------------------------

    def _check_key(self, name: str, deadline: Deadline) -> None:
        """That a file may be called so; of a bucket, that is a directory if there is one."""
        if not self._split(name)[1]:
            self.stat(name, deadline)
            raise is_a_directory(name or "/")

    def _copy(self, source: Entry, target: str, deadline: Deadline) -> None:
        self._check_key(target, deadline)
        self._copy_object(source, target, deadline)
        deadline.progress()
        self._forget(target)

    def _exists(self, name: str, deadline: Deadline) -> bool:
        try:
            self.stat(name, deadline)
        except FileNotFoundError:
            return False
        return True

    def _all_buckets(self, deadline: Deadline, recursive: bool) -> Iterator[Entry]:
        for bucket in self._buckets(deadline):
            if recursive:
                yield from self.list(bucket.name, deadline, recursive=True)
            else:
                yield bucket

    def _remove_all(self, bucket: str, keys: Iterator[str], deadline: Deadline) -> None:
        """Remove keys, as many at a time as a store takes."""
        while True:
            some = list(itertools.islice(keys, _KEYS_AT_ONCE))
            if not some:
                return
            self._remove_keys(bucket, some, deadline)

    def _remove_key(self, name: str, deadline: Deadline) -> None:
        bucket, key = self._split(name)
        self._remove_keys(bucket, [key], deadline)
        self._forget(name)


def bucket_and_key(name: str) -> Tuple[str, str]:
    """The two parts of a name.

    Raises
    ------
    InvalidPathError
        For what cannot be a bucket, and may have a secret in it: such a name is neither asked for nor shown.
    """
    bucket, _, key = name.partition("/")
    if ":" in bucket or "@" in bucket:
        raise InvalidPathError(
            f"{STARS}: no bucket has ':' or '@' in its name; credentials are not for URLs of object stores: they are "
            "for target_options (of S3: 'key' and 'secret')"
        )
    return bucket, key
