"""The under store ``obstore``: S3 and Google Cloud Storage by way of a library in Rust."""

from __future__ import annotations

import contextlib
import errno
import functools
import re
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from attrs import define

from alluxiofs.errors import InvalidPathError, NotSupportedError
from alluxiofs.interfaces import Context, Deadline, Entry, Target, Version, Writer
from alluxiofs.plugins._fsspec.appending import pour
from alluxiofs.plugins._fsspec.identity import store_identity
from alluxiofs.plugins._fsspec.names import canonical_scheme, check, contained, split_scheme
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._objects.settings import PartsSettings
from alluxiofs.plugins._objects.store import Keys, ObjectStore, bucket_and_key
from alluxiofs.plugins._obstore.appending import append, renew
from alluxiofs.plugins._obstore.client import Bucket, ObstoreClient
from alluxiofs.plugins._obstore.failures import said
from alluxiofs.plugins._obstore.reading import entry_of, fetch, first_or_last
from alluxiofs.plugins._obstore.writer import ObstoreWriter
from alluxiofs.settings.types import Size

__all__ = ["ObstoreUnderStore"]

_PROTOCOLS = {"s3": ("s3", "s3a"), "gs": ("gs", "gcs")}
_SIGNING = 60.0
_LISTED_AT_ONCE = 1000
_ASKED_AT_ONCE = 32
_NO_PARTS = frozenset(("", ".", ".."))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LARGEST_COPY = 5 * 2**30
_OTHERWISE = "leave under_store out, and the protocol's own under store can"


class ObstoreUnderStore(ObjectStore):
    """Amazon S3 and Google Cloud Storage, faster, on obstore.

    A version is ETag, length and time of change in whole seconds, and reads are on condition of the ETag. A directory
    is what the keys under it have in common; one without a key under it does not exist, and making it does nothing.
    Buckets can be neither made, removed nor listed, and keys with an empty part have no name here.
    """

    name = "obstore"
    protocols = ("s3", "s3a", "gs", "gcs")

    @define(frozen=True)
    class Settings(PartsSettings):
        """How objects are written.

        Parameters
        ----------
        part_size:
            Bytes that are sent at a time; a larger object is uploaded in parts. At least 5 MB.
        parts_in_flight:
            Parts of one object on their way at a time. With more than one, those that arrive just when their upload
            fails may stay in the store, unseen, until it clears up uploads that were not ended.
        conditional_size:
            Bytes up to which an object that must not exist yet, or that is appended to, is held in memory and written
            in one request, on a condition that the store itself decides. Larger ones are looked at right before.
        """

        conditional_size: Size = Size("64MB")

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self.scheme = canonical_scheme(target.protocol)  # type: ignore[misc] # one class for two of them
        self._client = ObstoreClient(target, self.scheme)

    # --- names ------------------------------------------------------------------------------------------------

    def schemes(self) -> Tuple[str, ...]:
        return tuple(dict.fromkeys((self.target.protocol, *_PROTOCOLS[self.scheme])))

    def strip(self, path: str) -> str:
        name = contained(split_scheme(check(path), self.schemes())[1].strip("/"))
        _check_parts(name)
        return name

    def identity(self) -> str:
        return _identity_at(self.scheme, self._client.configuration.endpoint)

    # --- writing ----------------------------------------------------------------------------------------------

    def remove_directory(self, name: str, deadline: Deadline, recursive: bool = False) -> None:
        if name and not bucket_and_key(name)[1]:
            raise self._no_buckets("removed")
        super().remove_directory(name, deadline, recursive)
        bucket, key = bucket_and_key(name)
        if key and next(iter(self._listed(Keys(bucket, f"{key}/", limit=1), deadline)), None) is not None:
            message = f"keys that end with a slash are left, and have no name here: {_OTHERWISE} remove them"
            raise OSError(errno.ENOTEMPTY, message, name)

    def sign(self, name: str, expiration: int) -> str:
        bucket, key = bucket_and_key(name)

        def work(at: Bucket) -> str:
            return str(at.library.sign(at.store, "GET", key, timedelta(seconds=expiration)))

        return self._client.call(bucket, work, Deadline.after(_SIGNING), name)

    def close(self) -> None:
        self._client.close()

    # --- the requests -----------------------------------------------------------------------------------------

    def _object(self, name: str, bucket: str, key: str, deadline: Deadline) -> Entry:
        return entry_of(bucket, self._call(bucket, functools.partial(_head, key=key), deadline, name))

    def _end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[Tuple[Entry, int, bytes]]:
        bucket, key = bucket_and_key(name)
        found = self._call(bucket, lambda at: first_or_last(at, key, name, length, from_end), deadline, name)
        return None if found is None else (entry_of(bucket, found[0]), found[1], found[2])

    def _fill(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        bucket, key = bucket_and_key(name)
        self._client.fill(
            bucket, lambda at, destination: fetch(at, key, name, version, offset, destination), view, deadline, name
        )

    def _listed(self, keys: Keys, deadline: Deadline) -> Iterator[Union[Entry, str]]:
        name = f"{keys.bucket}/{keys.prefix}".rstrip("/")
        directory = keys.prefix.rstrip("/")
        if keys.limit is not None:
            for page in self._pages(keys.bucket, directory, deadline, name):
                if page:
                    yield f"{directory}/"
                    return
        elif keys.delimiter:
            found = self._call(keys.bucket, lambda at: at.library.list_level(at.store, directory), deadline, name)
            yield from (f"{prefix}/" for prefix in found["common_prefixes"] if prefix != directory)
            for meta in found["objects"]:
                if meta["path"] != directory:  # the key that marks it: the library takes the slash off
                    yield entry_of(keys.bucket, meta)
        else:
            for page in self._pages(keys.bucket, directory, deadline, name):
                yield from self._without_marks(keys.bucket, directory, page, deadline)

    def _pages(self, bucket: str, directory: str, deadline: Deadline, name: str) -> Iterator[List[Mapping[str, Any]]]:
        """All keys below a directory, a thousand at a time; the next ones come while these are looked at."""

        def begin(at: Bucket) -> Tuple[Any, List[Mapping[str, Any]]]:
            pages = at.library.list_all(at.store, directory or None, chunk_size=_LISTED_AT_ONCE)
            return pages, next(pages, [])

        pages, page = self._call(bucket, begin, deadline, name)
        while page:
            deadline.progress()
            following: Future[List[Mapping[str, Any]]] = self._client.start(bucket, lambda _: next(pages, []), deadline)
            yield page
            page = self._client.finish(following, deadline, name)

    def _without_marks(
        self, bucket: str, directory: str, page: List[Mapping[str, Any]], deadline: Deadline
    ) -> Iterator[Entry]:
        """The objects of a page. A key that marks a directory looks like a file of that name, and is empty: whether an
        empty one is there by that very name is asked."""
        entries = [entry_of(bucket, meta) for meta in page if meta["path"] != directory]
        there = self._found([entry.name for entry in entries if not entry.size], deadline)
        for entry in entries:
            if not entry.size:
                found = there.get(entry.name)
                if found is None or found.version.same_as(entry.version) is False:
                    continue
                del there[entry.name]  # once, if the file and the mark are both there
            yield entry

    def _found(self, names: List[str], deadline: Deadline) -> Dict[str, Entry]:
        """What there is of these names, several asked for at a time."""
        found: Dict[str, Entry] = {}
        for start in range(0, len(names), _ASKED_AT_ONCE):
            asked = []
            for name in names[start : start + _ASKED_AT_ONCE]:
                bucket, key = bucket_and_key(name)
                head = functools.partial(_head, key=key)
                asked.append((name, bucket, self._client.start(bucket, head, deadline)))
            for name, bucket, future in asked:
                with contextlib.suppress(FileNotFoundError):
                    found[name] = entry_of(bucket, self._client.finish(future, deadline, name))
            deadline.progress()
        return found

    def _buckets(self, deadline: Deadline) -> Iterator[Entry]:
        raise self._no_buckets("listed")

    def _make_bucket(self, bucket: str, deadline: Deadline) -> None:
        raise self._no_buckets("made")

    def _remove_bucket(self, bucket: str, deadline: Deadline) -> None:
        raise self._no_buckets("removed")

    def _no_buckets(self, what: str) -> NotSupportedError:
        return NotSupportedError(f"buckets cannot be {what} with under_store='obstore': {_OTHERWISE}")

    def _remove_keys(self, bucket: str, keys: List[str], deadline: Deadline) -> None:
        name = f"{bucket}/{keys[0]}" if len(keys) == 1 else bucket
        try:
            self._call(bucket, lambda at: at.library.delete(at.store, keys), deadline, name)
        except FileNotFoundError:
            if len(keys) > 1:
                raise
        deadline.progress()

    def _copy_object(self, source: Entry, target: str, deadline: Deadline) -> None:
        if source.name == target:
            renew(self._client, source, self.settings)
            return
        bucket, key = bucket_and_key(source.name)
        to_bucket, to_key = bucket_and_key(target)
        # In the name of a copy's source some stores take this for the version to copy, however it is quoted.
        beyond = self.scheme == "s3" and ((source.size or 0) > _LARGEST_COPY or "?versionId=" in source.name)
        if bucket != to_bucket or beyond:
            self._carry(source, target, deadline)
            return
        self._call(bucket, lambda at: at.library.copy(at.store, key, to_key), deadline, source.name)

    def _carry(self, source: Entry, target: str, deadline: Deadline) -> None:
        """Copy through this machine what the store cannot be asked to copy: what goes to another bucket, or is of more
        than 5 GB."""
        writer = self._writer(target, lambda: None, False, source.size)
        timeout = writer.patience = deadline.wait()
        try:
            pour(self, source, writer, block=self._block, timeout=timeout)
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def _append(self, name: str, old: Optional[Entry], spool: Spool, timeout: float) -> None:
        append(self, self._client, name, self.settings, old, spool, timeout)

    def _writer(self, name: str, check_free: Callable[[], None], exclusive: bool, size_hint: Optional[int]) -> Writer:
        settings = self.settings
        return ObstoreWriter(
            self._client,
            name,
            check_free,
            exclusive=exclusive,
            whole=settings.conditional_size if exclusive else settings.part_size,
            part_size=settings.part_size,
            size_hint=size_hint,
            in_flight=settings.parts_in_flight,
            timeout=settings.write_timeout,
        )

    def _call(self, bucket: str, work: Callable[[Bucket], Any], deadline: Deadline, name: str) -> Any:
        return self._client.call(bucket, work, deadline, name)


def _head(at: Bucket, key: str) -> Any:
    try:
        return at.library.head(at.store, key)
    except Exception as error:
        answer = said(error)
        if answer is None or answer.status != 400:
            raise
        at.library.get(at.store, key, options={"range": (0, 1)})  # the answer to a GET has a body, that says why
        raise


def _check_parts(name: str) -> None:
    """That the library can name a key."""
    key = bucket_and_key(name)[1]
    if key and (_CONTROL.search(key) or not _NO_PARTS.isdisjoint(key.split("/"))):
        raise InvalidPathError(
            f"{name!r}: a key with an empty part, '.', '..' or control characters has no name in obstore: {_OTHERWISE} "
            "read it"
        )


@functools.lru_cache(maxsize=64)  # it is asked for with each open
def _identity_at(scheme: str, endpoint: str) -> str:
    return store_identity(scheme, {"endpoint_url": endpoint} if endpoint else {})
