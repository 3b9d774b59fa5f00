"""The S3 client: s3fs's own, called without what it remembers and without waits that have no end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib.util
import os
import threading
from typing import (
    TYPE_CHECKING,
    Any,
    Awaitable,
    Callable,
    Coroutine,
    Dict,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

from attrs import define

from alluxiofs.errors import ConfigurationError, DeadlineExceededError, MissingExtraError
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.options import uncached
from alluxiofs.plugins._fsspec.ready import usable
from alluxiofs.plugins._fsspec.waiting import Destination, result, run_coroutine
from alluxiofs.plugins._objects import store
from alluxiofs.plugins._s3.failures import translated
from alluxiofs.plugins._s3.options import check_options
from alluxiofs.plugins._s3.renewing import Renewal, of_credentials
from alluxiofs.plugins._s3.times import parse_time

if TYPE_CHECKING:
    from concurrent.futures import Future

    from s3fs import S3FileSystem

    from alluxiofs.interfaces import Deadline, Target

__all__ = ["S3Client", "Started", "bucket_and_key", "finish"]

T = TypeVar("T")

_met: contextvars.ContextVar[List[BaseException]] = contextvars.ContextVar("_met")
"""The failures of the attempts at the request that is on its way: the client repeats it, and tells of the last only."""

# botocore's own are 10 connections, five attempts with long pauses (more patience than a deadline has), and signed
# URLs of a kind that newer regions refuse.
_DEFAULTS = {
    "max_pool_connections": 64,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "signature_version": "s3v4",
}


_GIVEN = frozenset({"anon", "key", "username", "session"})


@define(frozen=True)
class Started:
    """A request on its way, and the failures of its attempts so far."""

    future: Future[Dict[str, Any]]
    met: List[BaseException]

    def cancel(self) -> None:
        """Give it up."""
        self.future.cancel()


class S3Client:
    """s3fs, made at first use from options, or a ready one.

    s3fs signs, pools, retries and finds credentials; its own file methods are not used, for they cache, split keys at
    ``?versionId=`` and do not tell which version they read.

    Parameters
    ----------
    target:
        Options of ``S3FileSystem``, or such an object.

    Raises
    ------
    MissingExtraError
        If there is no s3fs.
    UnknownSettingError
        For an option that neither s3fs nor the session of its client has.
    """

    def __init__(self, target: Target) -> None:
        if target.client is None and importlib.util.find_spec("s3fs") is None:
            raise MissingExtraError("the protocol 's3' needs s3fs: pip install 'alluxiofs[s3]'")
        check_options(target.options)
        self._target = target
        self._lock = threading.Lock()
        self._made: Optional[S3FileSystem] = None
        self._connected = False
        self._renewal = Renewal()
        self.finds_credentials = target.client is None and not _GIVEN.intersection(target.options)
        """Whether they come from environment, profiles … and may be others when they are looked for again."""
        self.generation = 0
        """How often they were given up, to be found anew."""

    def call(self, method: str, deadline: Deadline, name: str, **parameters: Any) -> Dict[str, Any]:
        """The answer to one request.

        Parameters
        ----------
        method:
            Of the botocore client (``head_object``).
        deadline:
            Ends the wait, retries included.
        name:
            For the message of an error.
        parameters:
            Of the request.
        """

        async def request(send: Callable[..., Awaitable[Dict[str, Any]]]) -> Dict[str, Any]:
            return await send(method, **parameters)

        return self.run(request, deadline, name)

    def run(
        self,
        work: Callable[[Callable[..., Awaitable[Dict[str, Any]]]], Coroutine[Any, Any, T]],
        deadline: Deadline,
        name: str,
        destination: Optional[Destination] = None,
    ) -> T:
        """What a coroutine returns that is given ``send(method, **parameters)``."""
        met: List[BaseException] = []
        with _failures(name, met):
            made = self.connected(deadline)
            deadline.wait()
            with self._not_kept(made):
                return run_coroutine(made.loop, work(self._sender(made, met)), deadline, destination)

    def start(self, method: str, deadline: Deadline, name: str, **parameters: Any) -> Started:
        """Send a request and do not wait; see :meth:`finish`."""
        with _failures(name):
            made = self.connected(deadline)
            met: List[BaseException] = []
            sending = self._sender(made, met)(method, **parameters)
            return Started(asyncio.run_coroutine_threadsafe(sending, made.loop), met)

    def _sender(
        self, made: S3FileSystem, met: List[BaseException]
    ) -> Callable[..., Coroutine[Any, Any, Dict[str, Any]]]:
        from botocore.exceptions import ClientError

        async def send(method: str, **parameters: Any) -> Dict[str, Any]:
            await made.set_session()  # a no-op but for a session that somebody closed
            client = await made.get_s3(parameters.get("Bucket"))
            client.meta.events.register("needs-retry.s3", _remember, unique_id="alluxiofs-failures")
            _met.set(met)
            bound, held = getattr(client, method), client._request_signer._credentials
            whole = made._get_s3_method_kwargs(bound, made.req_kw, **parameters)
            used = self._renewal.of_now(held)
            body: Any = parameters.get("Body")
            start = body.tell() if hasattr(body, "seek") else None
            answer: Dict[str, Any]
            with self._not_kept(made):
                try:
                    answer = await bound(**whole)
                except ClientError as error:
                    if not await self._renewal.renewed(held, used, error):
                        raise
                    if start is not None:  # the first attempt has read it to its end
                        body.seek(start)
                    answer = await bound(**whole)
            return answer

        return send

    @contextlib.contextmanager
    def _not_kept(self, made: S3FileSystem) -> Iterator[None]:
        """What the store refuses is not asked with again: fsspec keeps filesystems, and this client with them, while
        somebody puts right what is in the environment."""
        try:
            yield
        except Exception as error:
            if self.finds_credentials and of_credentials(error) and self._lock.acquire(blocking=False):
                if self._made is made:
                    self._made, self._connected = None, False
                    self.generation += 1
                self._lock.release()
            raise

    def connected(self, deadline: Deadline) -> S3FileSystem:
        """The client, with a session."""
        made = self._made
        if made is not None and self._connected:
            return made
        # One thread makes the session: older releases of s3fs would make one in each.
        if not self._lock.acquire(timeout=deadline.wait()):
            raise DeadlineExceededError("the client is still connecting")
        try:
            if self._made is None:
                self._made = self._make()
            if not self._connected:
                run_coroutine(self._made.loop, self._made.set_session(), deadline)
                if self._target.client is None:
                    parsers = self._made.session.get_component("response_parser_factory")
                    parsers.set_parser_defaults(timestamp_parser=parse_time)
                self._connected = True
            return self._made
        finally:
            self._lock.release()

    @property
    def endpoint(self) -> str:
        """Where requests go, as far as options or environment say so; no credentials."""
        ready = self._target.client
        options = self._target.options if ready is None else ready.storage_options
        named = options.get("endpoint_url") or (options.get("client_kwargs") or {}).get("endpoint_url")
        found = named or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        return str(found).rstrip("/")

    @property
    def region(self) -> Optional[str]:
        """Where to make buckets, if that was said."""
        made = self._made
        return None if made is None else made.client_kwargs.get("region_name")

    def forget(self, name: str) -> None:
        """Have a user's client not remember what it listed."""
        if self._target.client is not None:
            self._target.client.invalidate_cache(name)
            self._target.client.invalidate_cache(name.rpartition("/")[0])

    def close(self) -> None:
        """Let go of a client that was made here; s3fs closes its session when nothing holds it."""
        with self._lock:
            self._made = None
            self._connected = False

    def _make(self) -> S3FileSystem:
        ready = self._target.client
        if ready is not None:
            return usable(ready)
        from s3fs import S3FileSystem

        options = uncached(self._target.options)
        options["config_kwargs"] = {**_DEFAULTS, **(options.get("config_kwargs") or {})}
        try:
            return S3FileSystem(**options)
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigurationError(f"target_options: {brief(str(error))}") from error


def bucket_and_key(name: str) -> Tuple[str, str]:
    """The two parts of a name; the bucket may be the ARN of an access point, which has slashes of its own."""
    if name.startswith("arn:"):
        from s3fs import S3FileSystem

        bucket, key = S3FileSystem._find_bucket_key(None, name)
        return str(bucket), str(key)
    return store.bucket_and_key(name)


def _remember(caught_exception: Optional[BaseException] = None, **_: Any) -> None:
    """What botocore calls when it decides whether to repeat a request; ``None`` leaves that to others."""
    if caught_exception is not None:
        with contextlib.suppress(LookupError):  # a request of a user's own, on a ready client
            _met.get().append(caught_exception)


@contextlib.contextmanager
def _failures(name: str, met: Sequence[BaseException] = ()) -> Iterator[None]:
    try:
        yield
    except DeadlineExceededError as error:
        if not met:
            raise
        # Who is out of time while the client repeats a request wants to know what went wrong with it.
        raise DeadlineExceededError(f"{error}; before that: {brief(str(met[-1]))}") from met[-1]
    except Exception as error:
        failure = translated(error, name)
        if failure is None:
            raise
        raise failure from error


def finish(started: Started, deadline: Deadline, name: str) -> Dict[str, Any]:
    """What a request that was started returns."""
    with _failures(name, started.met):
        return result(started.future, deadline)
