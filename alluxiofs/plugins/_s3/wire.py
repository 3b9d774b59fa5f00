"""Requests for objects, sent by the thread that wants the answer.

By way of the client a request costs 2 ms of CPU, most of it on the one thread of its event loop. Here it is signed and
sent as the client would, in a tenth of that. Whatever is not an object, or no object's bytes, is left to the client; so
is every request of a client that has anything about it that is not understood here.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Tuple

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._http.answers import Answer, Head
from alluxiofs.plugins._http.connection import Target
from alluxiofs.plugins._http.pool import Pools
from alluxiofs.plugins._s3.client import bucket_and_key
from alluxiofs.plugins._s3.failures import refused
from alluxiofs.plugins._s3.headers import complaint, said
from alluxiofs.plugins._s3.renewing import REFUSED, is_renewable
from alluxiofs.plugins._s3.signing import Secrets
from alluxiofs.plugins._s3.ways import Way, find_way, idle_limit, quoted

if TYPE_CHECKING:
    import ssl

    from alluxiofs.plugins._s3.client import S3Client

__all__ = ["Body", "Wire", "failure"]

_BUSY = frozenset({429, 500, 502, 503, 504})  # may be another answer next time
_PAUSE, _LONGEST_PAUSE = 1.0, 20.0  # seconds, as botocore has them
_MOST_LEFT, _LEFT_FOR = 1_000, 60.0  # objects, seconds
_UNKNOWN: Any = object()
_ATTEMPTS = {"legacy": 5, "standard": 3}


class Body(Target):
    """Where the bytes of an object go.

    Parameters
    ----------
    place:
        Gives the memory for the body, of exactly its length, for the status and what the head says; or raises what is
        wrong with it.
    """

    __slots__ = ("_place", "began", "said")

    def __init__(self, place: Callable[[int, Mapping[str, Any]], memoryview]) -> None:
        super().__init__(memoryview(b""), (200, 206), self._begin)
        self._place = place
        self.began = False
        self.said: Dict[str, Any] = {}

    def _begin(self, head: Head) -> None:
        self.began = True
        self.said = said(head.raw)
        self.view = self._place(head.status, self.said)


class Wire:
    """Sends requests for objects.

    Parameters
    ----------
    client:
        In whose stead.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._ways: Dict[Tuple[str, str], Optional[Way]] = {}
        self._left: Dict[Tuple[str, str], float] = {}  # objects that a method is left to the client for, and until when
        self._generation = 0
        self._pools: Dict[str, Pools] = {}

    def ask(
        self,
        method: str,
        name: str,
        deadline: Deadline,
        headers: Optional[Mapping[str, str]] = None,
        body: Optional[Body] = None,
    ) -> Optional[Answer]:
        """The answer to a request.

        Parameters
        ----------
        method:
            ``GET`` or ``HEAD``.
        name:
            Of the object.
        deadline:
            Ends all attempts.
        headers:
            What this request has beyond others, by names in lower case.
        body:
            Where the body goes.

        Returns
        -------
        ``None`` if only the client can ask this.
        """
        if self._left and time.monotonic() < self._left.get((method, name), 0.0):
            return None
        bucket, key = bucket_and_key(name)
        way = self._way(method, bucket, deadline, name)
        own = headers or {}
        if way is None or not all(value.isascii() and value.isprintable() for value in own.values()):
            return None
        pool = self._pools_of(way).to(way.host, way.port)
        limits = _limited(deadline, way.client.meta.config.read_timeout)
        most = _attempts(way)
        for attempt in itertools.count(1):
            request = _request(way, key, own, self._secrets(way, deadline, name))
            began = time.monotonic()
            problem: Exception
            try:
                answer = pool.ask(request, limits, body, repeatable=True)
            except (BadAnswerError, UnavailableError, DeadlineExceededError) as error:
                # Longer than the caller waits for anything is long enough, whatever the client's patience.
                over = time.monotonic() - began >= deadline.stall or not deadline.remaining()
                if attempt >= most or over or (body is not None and body.began):
                    if str(error).startswith(f"{name}: "):
                        raise
                    raise _about(name, error) from error
                problem = error
            else:
                if 300 <= answer.status < 400 or answer.status == 400 or self._may_be_others(way, answer):
                    # Another region, a token that has expired …: the client finds out, and next time is asked again.
                    self._ways.pop((method, bucket), None)
                    if answer.status == 400 and complaint(answer.body)[0] not in REFUSED:
                        self._leave(method, name)
                    return None
                if answer.status not in _BUSY or attempt >= most:
                    return answer
                problem = failure(answer, name)
            pause = random.uniform(0, min(_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE))  # noqa: S311 nothing secret
            time.sleep(min(pause, deadline.remaining()))
            if not deadline.remaining():
                message = f"the deadline of the operation has passed; before that: {brief(str(problem))}"
                raise DeadlineExceededError(message) from problem
        raise AssertionError("a count has no end")

    def close(self) -> None:
        """Close all connections that nobody uses at the moment, and the others when they come back."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
            self._ways = {}
        for each in pools:
            each.close()

    def _leave(self, method: str, name: str) -> None:
        """Leave an object to the client for a while: with its own key, say, it is answered so by whatever way."""
        with self._lock:
            now = time.monotonic()
            if len(self._left) >= _MOST_LEFT:
                self._left = {asked: until for asked, until in self._left.items() if until > now}
            if len(self._left) < _MOST_LEFT:
                self._left[method, name] = now + _LEFT_FOR

    def _way(self, method: str, bucket: str, deadline: Deadline, name: str) -> Optional[Way]:
        asked = (method, bucket)
        if self._generation != self._client.generation:
            self._generation, self._ways = self._client.generation, {}
        way: Optional[Way] = self._ways.get(asked, _UNKNOWN)
        if way is not _UNKNOWN:
            return way
        if not self._lock.acquire(timeout=deadline.wait()):
            raise DeadlineExceededError(f"{name}: the client is still asked how to reach the bucket")
        try:
            way = self._ways.get(asked, _UNKNOWN)
            if way is _UNKNOWN:
                made = self._client.connected(deadline)
                way = self._client.run(lambda _: find_way(made, method, bucket), deadline, name)
                self._ways[asked] = way
            return way
        finally:
            self._lock.release()

    def _may_be_others(self, way: Way, answer: Answer) -> bool:
        """Whether the store refuses credentials in whose place the client may have, or find, others."""
        if answer.status not in (401, 403) or complaint(answer.body)[0] not in REFUSED:
            return False
        return self._client.finds_credentials or is_renewable(way.credentials)

    def _pools_of(self, way: Way) -> Pools:
        pools = self._pools.get(way.scheme)
        if pools is None:
            config = way.client.meta.config
            made = Pools(
                _tls(way.client) if way.scheme == "https" else None,
                config.max_pool_connections,
                connect_timeout=config.connect_timeout,
                idle_limit=idle_limit(config),
            )
            with self._lock:
                pools = self._pools.setdefault(way.scheme, made)
        return pools

    def _secrets(self, way: Way, deadline: Deadline, name: str) -> Optional[Secrets]:
        """The credentials of this moment; botocore's own renew themselves, once for all who wait for it."""
        from botocore.credentials import Credentials, RefreshableCredentials

        held = way.credentials
        if held is None:
            return None
        if isinstance(held, RefreshableCredentials):
            frozen = None if held.refresh_needed() else getattr(held, "_frozen_credentials", None)
        else:
            frozen = held if isinstance(held, Credentials) else None
        if frozen is None:
            frozen = self._client.run(lambda _: held.get_frozen_credentials(), deadline, name)
        return Secrets(frozen.access_key, frozen.secret_key, frozen.token)


def failure(answer: Answer, name: str) -> Exception:
    """The error for an answer that is none to what was asked."""
    from http.client import responses

    code, message = complaint(answer.body)
    return refused(code or str(answer.status), message or responses.get(answer.status, ""), answer.status, name)


def _request(way: Way, key: str, own: Mapping[str, str], secrets: Optional[Secrets]) -> bytes:
    headers = {**way.headers, **own}
    path = way.prefix + quoted(key)
    if way.signer is not None and secrets is not None:
        headers["x-amz-date"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        if secrets.token:
            headers["x-amz-security-token"] = secrets.token
        headers["authorization"] = way.signer.authorization(way.method, path, headers, secrets)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{way.method} {path} HTTP/1.1\r\n{lines}user-agent: {way.agent}\r\naccept-encoding: identity\r\n\r\n"
    return head.encode("ascii")


def _limited(deadline: Deadline, read_timeout: float) -> Deadline:
    """The deadline, with waits no longer than the client's."""
    if deadline.stall <= read_timeout:
        return deadline
    return Deadline(deadline.at, read_timeout, deadline.span, deadline)


def _attempts(way: Way) -> int:
    retries = way.client.meta.config.retries or {}
    if "total_max_attempts" in retries:
        return int(retries["total_max_attempts"])
    if "max_attempts" in retries:
        return 1 + int(retries["max_attempts"])
    return _ATTEMPTS.get(retries.get("mode", "legacy"), 1)


def _about(name: str, error: Exception) -> Exception:
    """The error, of the object that it is about."""
    kinds = (BadAnswerError, UnavailableError, DeadlineExceededError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    return kind(f"{name}: {error}")


def _tls(client: Any) -> ssl.SSLContext:
    """As the client makes it: of the same certificates."""
    from botocore.httpsession import create_urllib3_context, get_cert_path

    context: ssl.SSLContext = create_urllib3_context()
    context.check_hostname = True
    certificates = get_cert_path(client._endpoint.http_session._verify)
    if certificates:
        context.load_verify_locations(certificates)
    return context
