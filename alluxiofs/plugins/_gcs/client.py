"""The GCS client: gcsfs's credentials, endpoint and loop; the requests are made here.

gcsfs finds credentials and renews them. Its own file methods are not used, for they cache, take ``#`` in a key for a
generation, tell no reason when the store says no, and try six times whatever the deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import os
import random
import threading
import weakref
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Coroutine, Dict, Iterator, Mapping, Optional, TypeVar
from urllib.parse import quote, urlencode

from attrs import define

from alluxiofs.errors import (
    BadAnswerError,
    ConfigurationError,
    DeadlineExceededError,
    MissingExtraError,
    UnavailableError,
    denied,
)
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._fsspec.options import uncached
from alluxiofs.plugins._fsspec.ready import usable
from alluxiofs.plugins._fsspec.threads import Threads
from alluxiofs.plugins._fsspec.waiting import Destination, result, run_coroutine
from alluxiofs.plugins._gcs.authorising import Authorising
from alluxiofs.plugins._gcs.bodies import once
from alluxiofs.plugins._gcs.failures import AGAIN, refused, translated
from alluxiofs.plugins._gcs.options import check_options

if TYPE_CHECKING:
    from concurrent.futures import Future

    from aiohttp import ClientResponse, ClientSession
    from gcsfs.core import GCSFileSystem

    from alluxiofs.interfaces import Deadline, Target

__all__ = ["ATTEMPTS", "Answer", "Connection", "GcsClient", "failures", "parsed", "pause"]

T = TypeVar("T")

ATTEMPTS = 3
"""How often a request is sent that fails in a way that may pass."""

_FIRST_PAUSE = 0.2  # seconds, doubled each time
_AUTHORISING = 8  # threads: one or two are in use, and some for such as never come back
_LOOKED_FOR = frozenset({"cache", "cloud", "google_default"})  # gcsfs's words for where credentials may be


@define(frozen=True)
class Answer:
    """What the store answered, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Dict[str, Any]:
        """The resource in the body."""
        return parsed(self.body)


def parsed(body: bytes) -> Dict[str, Any]:
    """The resource that a body is."""
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise BadAnswerError("the body of an answer is no JSON") from error
    if not isinstance(found, dict):
        raise BadAnswerError("the body of an answer is no JSON object")
    return found


class Connection:
    """Sends requests on the loop of a gcsfs filesystem, with its credentials.

    Parameters
    ----------
    made:
        Whose they are.
    session:
        Of aiohttp, that hands bodies out as they came: a compressed object is its compressed bytes.
    authorising:
        Its credentials.
    """

    def __init__(self, made: GCSFileSystem, session: ClientSession, authorising: Authorising) -> None:
        self.made = made
        self._authorising = authorising
        self.session = session
        self.refused = False
        """Whether its credentials were, and there were no newer ones of theirs."""
        self.end = weakref.finalize(self, session.detach)

    def url(self, *path: str, service: str = "storage/v1", **parameters: Any) -> str:
        """The URL of a resource, its parts quoted; parameters that are ``None`` are left out."""
        told = {name: value for name, value in self.made._get_params(parameters).items() if value is not None}
        resource = "/".join(quote(part, safe="") for part in path)
        query = f"?{urlencode(told, quote_via=quote)}" if told else ""
        return f"{self.made._location}/{service}/{resource}{query}"

    async def send(
        self,
        method: str,
        url: str,
        name: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        data: bytes = b"",
        again: bool = True,
        good: Callable[[int], bool] = lambda status: status < 300,
    ) -> Answer:
        """The answer to one request; sent again after a failure that may pass, if ``again`` says that this is safe.

        Parameters
        ----------
        method, url, headers, data:
            Of the request.
        name:
            For the message of an error.
        good:
            Which statuses are no error.
        """
        async with self.opened(method, url, headers=headers, data=data, again=again) as response:
            answer = Answer(response.status, response.headers, await response.read())
        if not good(answer.status):
            raise refused(answer.status, answer.body, name, method)
        return answer

    @contextlib.asynccontextmanager
    async def opened(
        self,
        method: str,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        data: bytes = b"",
        again: bool = True,
    ) -> AsyncIterator[ClientResponse]:
        """The answer to one request, its body not read yet; parameters are those of :meth:`send`.

        With credentials that were refused it is sent once more with new ones, if there are such.
        """
        response = await self._answered(method, url, headers, data, again)
        try:
            yield response
        finally:
            response.close()  # of a body that was read to its end the connection is back in the pool already

    async def authorised(self) -> Dict[str, str]:
        """What a request has to say of who sends it, by the names that google-auth and gcsfs give it."""
        try:
            return await self._authorising.headers()
        except Exception as error:
            self.refused = self.refused or not _passing(error)
            raise

    async def renewed(self, refused_with: str) -> bool:
        """Whether there are newer credentials than the header ``authorization`` that the store refused."""
        return await self._authorising.renewed(refused_with)

    async def _answered(
        self, method: str, url: str, headers: Optional[Mapping[str, str]], data: bytes, again: bool
    ) -> ClientResponse:
        renewed = False
        for attempt in itertools.count(1):
            last = attempt >= ATTEMPTS or not again
            used = {**await self.authorised(), "Accept-Encoding": "identity", **(headers or {})}
            try:
                response = await self._request(method, url, used, data)
            except Exception as error:
                if last or not _passing(error):
                    raise
            else:
                if response.status == 401:
                    if not renewed and await self.renewed(used.get("authorization", "")):
                        renewed = True
                        response.close()
                        continue
                    self.refused = True
                if last or response.status not in AGAIN:
                    return response
                response.close()
            await asyncio.sleep(pause(attempt))
        raise AssertionError("the last attempt returns or raises")

    async def _request(self, method: str, url: str, headers: Mapping[str, str], data: bytes) -> ClientResponse:
        import aiohttp
        from yarl import URL

        # The deadline of the operation is the limit, not a number of seconds for whatever size the body has.
        no_limit = aiohttp.ClientTimeout(total=None)
        body = once(data) if data else None
        return await self.session.request(
            method, URL(url, encoded=True), headers=headers, data=body, timeout=no_limit, allow_redirects=False
        )


class GcsClient:
    """gcsfs, made at first use from options, or a ready one.

    Parameters
    ----------
    target:
        Options of ``GCSFileSystem``, or such an object.

    Raises
    ------
    MissingExtraError
        If there is no gcsfs.
    UnknownSettingError
        For an option that gcsfs does not have.
    """

    def __init__(self, target: Target) -> None:
        if target.client is None and importlib.util.find_spec("gcsfs") is None:
            raise MissingExtraError("the protocol 'gs' needs gcsfs: pip install 'alluxiofs[gcs]'")
        check_options(target.options)
        self._target = target
        self._lock = threading.Lock()
        self._making = Threads(limit=1)
        self._authorising = Threads(limit=_AUTHORISING)
        self._connection: Optional[Connection] = None
        token = target.options.get("token")
        named = isinstance(token, str) and (token in _LOOKED_FOR or os.path.isfile(token))
        self._finds_credentials = target.client is None and (token is None or named)

    def run(
        self,
        work: Callable[[Connection], Coroutine[Any, Any, T]],
        deadline: Deadline,
        name: str,
        destination: Optional[Destination] = None,
    ) -> T:
        """What a coroutine returns that is given the connection."""
        with failures(name):
            connection = self.connected(deadline, name)
            deadline.wait()
            return run_coroutine(connection.made.loop, work(connection), deadline, destination)

    def start(self, work: Callable[[Connection], Coroutine[Any, Any, T]], deadline: Deadline, name: str) -> Future[T]:
        """Begin, and do not wait; see :meth:`finish`."""
        with failures(name):
            connection = self.connected(deadline, name)
            return asyncio.run_coroutine_threadsafe(work(connection), connection.made.loop)

    @staticmethod
    def finish(future: Future[T], deadline: Deadline, name: str) -> T:
        """What was begun returns."""
        with failures(name):
            return result(future, deadline)

    @property
    def endpoint(self) -> str:
        """Where requests go, as far as options or environment say so; no credentials."""
        ready = self._target.client
        options = self._target.options if ready is None else ready.storage_options
        return str(options.get("endpoint_url") or os.environ.get("STORAGE_EMULATOR_HOST") or "").rstrip("/")

    def forget(self, name: str) -> None:
        """Have a user's client not remember what it listed."""
        if self._target.client is not None:
            self._target.client.invalidate_cache(name)
            self._target.client.invalidate_cache(name.rpartition("/")[0])

    def close(self) -> None:
        """Let go of a client that was made here; gcsfs closes its session when nothing holds it."""
        with self._lock:
            if self._connection is not None:
                self._connection.end()
            self._connection = None
        self._authorising.close()

    def connected(self, deadline: Deadline, name: str) -> Connection:
        """The connection of now; made, or made anew, where that is needed."""
        connection = self._connection
        if connection is not None and not self._outdated(connection):
            return connection
        if not self._lock.acquire(timeout=deadline.wait()):
            raise DeadlineExceededError("the client is still connecting")
        try:
            if self._connection is None or self._outdated(self._connection):
                # It may ask the network for credentials, and its constructor has no limit.
                made = self._making.run(lambda: self._make(name), deadline)
                self._connection = run_coroutine(made.loop, _connect(made, self._authorising), deadline)
            return self._connection
        finally:
            self._lock.release()

    def _outdated(self, connection: Connection) -> bool:
        """Whether to look for credentials anew: fsspec keeps filesystems, and this client with them, while somebody
        puts right what is in the environment. Who still uses the old ones ends with them."""
        return connection.refused and self._finds_credentials

    def _make(self, name: str) -> GCSFileSystem:
        ready = self._target.client
        if ready is not None:
            return usable(ready)
        from gcsfs.core import GCSFileSystem

        try:
            return GCSFileSystem(**uncached(self._target.options))
        except ValueError as error:
            if self._target.options.get("token") is not None:
                raise denied(name, f"target_options: token: {brief(str(error))}") from error
            raise ConfigurationError(f"target_options: {brief(str(error))}") from error
        except TypeError as error:
            raise ConfigurationError(f"target_options: {brief(str(error))}") from error
        except OSError as error:
            if type(error).__module__.partition(".")[0] != "requests":
                raise
            # Of a token that is text Google is asked when it ends: with the token in the URL, and the URL in the error.
            raise UnavailableError(
                f"{name}: Google could not be asked of credentials: {type(error).__name__}"
            ) from None


async def _connect(made: GCSFileSystem, threads: Threads) -> Connection:
    """A session over the same connections, proxies and certificates that takes no body apart."""
    import aiohttp

    await made._set_session()
    options = {**made.session_kwargs, "auto_decompress": False}
    options.pop("connector", None)
    session = aiohttp.ClientSession(connector=made._session.connector, connector_owner=False, **options)
    return Connection(made, session, Authorising(made, threads))


def pause(attempt: int) -> float:
    """Seconds from a failed attempt, the first of which is 1, to the next."""
    return _FIRST_PAUSE * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 nothing secret about it


def _passing(error: BaseException) -> bool:
    return isinstance(translated(error, ""), ConnectionError)


@contextlib.contextmanager
def failures(name: str) -> Iterator[None]:
    """What goes wrong within, as the contract of under stores has it."""
    try:
        yield
    except Exception as error:
        failure = translated(error, name)
        if failure is None:
            raise
        raise failure from error
