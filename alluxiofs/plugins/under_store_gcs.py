"""The under store ``gcs``: Google Cloud Storage, on gcsfs."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Coroutine, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from attrs import define

from alluxiofs.errors import BadAnswerError, FileChangedError, denied
from alluxiofs.interfaces import Context, Deadline, Entry, Target, Version, Writer
from alluxiofs.plugins._fsspec.appending import rewrite
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.identity import store_identity
from alluxiofs.plugins._fsspec.spooling import Spool
from alluxiofs.plugins._fsspec.threads import Threads
from alluxiofs.plugins._fsspec.versions import epoch
from alluxiofs.plugins._gcs.client import Connection, GcsClient
from alluxiofs.plugins._gcs.objects import Objects
from alluxiofs.plugins._gcs.reading import CARRIED, FIELDS, entry_of
from alluxiofs.plugins._gcs.writer import GcsWriter
from alluxiofs.plugins._objects.settings import UploadSettings
from alluxiofs.plugins._objects.store import Keys, ObjectStore, bucket_and_key

__all__ = ["GcsUnderStore"]

_SIGNING = 60.0
_REMOVED_AT_ONCE = 16
_JSON = {"Content-Type": "application/json"}


class GcsUnderStore(ObjectStore):
    """Google Cloud Storage, its buckets without a hierarchical namespace.

    A version is the generation, which every write of an object changes; reads are on condition of it. A directory is
    what the names of objects under it have in common; one without an object does not exist, and making it does nothing.
    """

    name = "gcs"
    protocols = ("gs", "gcs")
    scheme = "gs"

    @define(frozen=True)
    class Settings(UploadSettings):
        """How objects are written.

        Parameters
        ----------
        part_size:
            Bytes that are sent at a time, in whole multiples of 256 KiB; a larger object is uploaded in parts.
        """

    def __init__(self, target: Target, settings: Any, context: Context) -> None:
        super().__init__(target, settings, context)
        self._client = GcsClient(target)
        self._objects = Objects(self._client)
        self._signing = Threads(limit=1)

    def identity(self) -> str:
        endpoint = self._client.endpoint
        return store_identity("gs", {"endpoint_url": endpoint} if endpoint else {})

    def sign(self, name: str, expiration: int) -> str:
        """A URL that is signed with the key of a service account; other credentials cannot sign."""
        bucket_and_key(name)  # what it refuses is shown by none of the errors below
        deadline = Deadline.after(_SIGNING)

        async def made(connection: Connection) -> Any:
            return connection.made

        client = self._client.run(made, deadline, name)
        if client.credentials.credentials is None:
            raise denied(name, "anonymous access cannot sign")
        try:
            return str(self._signing.run(lambda: client.sign(name, expiration=expiration), deadline))
        except (AttributeError, ValueError) as error:
            raise denied(name, f"such credentials cannot sign: {brief(str(error))}") from error

    def close(self) -> None:
        self._objects.close()
        self._client.close()

    # --- the requests -------------------------------------------------------------------------------------------

    def _object(self, name: str, bucket: str, key: str, deadline: Deadline) -> Entry:
        return self._objects.entry(name, deadline)

    def _end(self, name: str, length: int, from_end: bool, deadline: Deadline) -> Optional[Tuple[Entry, int, bytes]]:
        return self._objects.end(name, length, from_end, deadline)

    def _fill(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        self._objects.fill(name, version, offset, view, deadline)

    def _listed(self, keys: Keys, deadline: Deadline) -> Iterator[Union[Entry, str]]:
        token, limit = None, keys.limit
        while True:
            page = self._call(
                "GET",
                ("b", keys.bucket, "o"),
                deadline,
                f"{keys.bucket}/{keys.prefix}".rstrip("/"),
                prefix=keys.prefix or None,
                delimiter=keys.delimiter or None,
                maxResults=limit,
                pageToken=token,
                fields=f"nextPageToken,prefixes,items({FIELDS})",
            )
            yield from page.get("prefixes") or ()
            for resource in page.get("items") or ():
                yield entry_of(keys.bucket, resource)
            following = page.get("nextPageToken")
            if not following or (keys.limit is not None and (page.get("prefixes") or page.get("items"))):
                return
            if following == token:
                raise BadAnswerError(f"{keys.bucket}: a listing that is not at its end says no way to go on")
            token, limit = following, None
            deadline.progress()

    def _buckets(self, deadline: Deadline) -> Iterator[Entry]:
        token = None
        while True:
            page = self._call("GET", ("b",), deadline, "/", project=self._project(deadline), pageToken=token)
            for bucket in page.get("items") or ():
                yield Entry(str(bucket["name"]), "directory", 0, created=epoch(bucket.get("timeCreated")))
            token = page.get("nextPageToken")
            if not token:
                return
            deadline.progress()

    def _make_bucket(self, bucket: str, deadline: Deadline) -> None:
        async def make(connection: Connection) -> None:
            made = connection.made
            location = {"location": made.default_location} if getattr(made, "default_location", None) else {}
            url = connection.url("b", project=made.project or None)
            data = _encoded({"name": bucket, **location})
            await connection.send("POST", url, bucket, headers=_JSON, data=data, again=False)

        self._client.run(make, deadline, bucket)

    def _remove_bucket(self, bucket: str, deadline: Deadline) -> None:
        self._run_each([("b", bucket)], bucket, deadline)

    def _remove_keys(self, bucket: str, keys: List[str], deadline: Deadline) -> None:
        # One by one: a batch is no fewer requests to the store, and says of none in particular that it was too many.
        for start in range(0, len(keys), _REMOVED_AT_ONCE):
            some = keys[start : start + _REMOVED_AT_ONCE]
            self._run_each([("b", bucket, "o", key) for key in some], bucket, deadline)
            deadline.progress()

    def _run_each(self, resources: List[Any], bucket: str, deadline: Deadline) -> None:
        async def remove(connection: Connection, resource: Any) -> None:
            name = "/".join((bucket, *resource[3:]))
            try:
                await connection.send("DELETE", connection.url(*resource), name)
            except FileNotFoundError:
                if len(resource) == 2:
                    raise

        async def remove_all(connection: Connection) -> None:
            outcomes = await asyncio.gather(*(remove(connection, one) for one in resources), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

        self._client.run(remove_all, deadline, bucket)

    def _copy_object(self, source: Entry, target: str, deadline: Deadline) -> None:
        bucket, key = bucket_and_key(source.name)
        to_bucket, to_key = bucket_and_key(target)
        resource = ("b", bucket, "o", key, "rewriteTo", "b", to_bucket, "o", to_key)
        generation = (source.version.tag or "").partition(":")[2] or None
        token: Optional[str] = None
        while True:  # large objects are copied a part at a time; the target appears with the last one
            answer = self._call(
                "POST", resource, deadline, source.name, ifSourceGenerationMatch=generation, rewriteToken=token
            )
            deadline.progress()
            if answer.get("done"):
                break
            token = answer.get("rewriteToken")
            if not token:
                raise BadAnswerError(f"{target}: a copy that is not at its end says no way to go on")
        size = (answer.get("resource") or {}).get("size", answer.get("objectSize"))
        if size is not None and str(size) != str(source.size):
            raise BadAnswerError(f"{target}: {size} bytes were copied of {source.size}")

    def _append(self, name: str, old: Optional[Entry], spool: Spool, timeout: float) -> None:
        """The new object is made only in the place of the very one that was read, and says of itself what that did."""
        generation = "0" if old is None else (old.version.tag or "").partition(":")[2]
        said = {} if old is None else self._said(name, generation, Deadline.after(timeout))
        rewrite(self, old, self._writer_over(generation, name, said), spool, block=self._block, timeout=timeout)

    def _writer(self, name: str, check_free: Callable[[], None], exclusive: bool, size_hint: Optional[int]) -> Writer:
        return self._writer_over("0" if exclusive else None, name)

    def _writer_over(self, generation: Optional[str], name: str, said: Optional[Mapping[str, Any]] = None) -> GcsWriter:
        part_size, timeout = self.settings.part_size, self.settings.write_timeout
        return GcsWriter(self._client, name, generation=generation, said=said, part_size=part_size, timeout=timeout)

    def _said(self, name: str, generation: str, deadline: Deadline) -> Dict[str, Any]:
        """What one generation of an object says of itself; entries show it without what may be a secret."""
        bucket, key = bucket_and_key(name)
        fields = ",".join(CARRIED)
        try:
            resource = ("b", bucket, "o", key)
            answer = self._call("GET", resource, deadline, name, ifGenerationMatch=generation, fields=fields)
        except FileNotFoundError as error:
            raise FileChangedError("removed while it was appended to", name) from error
        return {field: answer[field] for field in CARRIED if answer.get(field)}

    def _forget(self, name: str) -> None:
        self._client.forget(name)

    def _project(self, deadline: Deadline) -> Optional[str]:
        async def project(connection: Connection) -> Optional[str]:
            return connection.made.project or None

        return self._client.run(project, deadline, "/")

    def _call(self, method: str, resource: Any, deadline: Deadline, name: str, **parameters: Any) -> Dict[str, Any]:
        def work(connection: Connection) -> Coroutine[Any, Any, Dict[str, Any]]:
            return _resource(connection, method, connection.url(*resource, **parameters), name)

        return self._client.run(work, deadline, name)


async def _resource(connection: Connection, method: str, url: str, name: str) -> Dict[str, Any]:
    answer = await connection.send(method, url, name)
    return answer.json()


def _encoded(resource: Dict[str, Any]) -> bytes:
    import json

    return json.dumps(resource).encode()
