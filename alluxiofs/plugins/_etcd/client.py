"""Questions to etcd 3 through its JSON gateway: keys of a prefix, and when they change.

Keys and values travel in base64, numbers of 64 bits as text (https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/).
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import urllib3
from attrs import define

from alluxiofs.errors import BadAnswerError, ConfigurationError, TemporaryError, UnavailableError
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins._fsspec.threads import Threads

__all__ = ["EtcdClient", "Found"]

_UNAUTHENTICATED, _DENIED, _INVALID, _PRECONDITION = 16, 7, 3, 9  # https://grpc.github.io/grpc/core/md_doc_statuscodes
_PATIENCE = 5.0  # seconds: an endpoint that is silent for so long is passed over
_AT_ONCE = 4  # questions; one of them may be a call that nobody waits for any more
_LARGEST = 64 * 2**20  # bytes of an answer: a hundred times the keys of ten thousand workers


if TYPE_CHECKING:  # urllib3 1.26 has no such name
    _Answer = Tuple[urllib3.BaseHTTPResponse, Dict[str, Any]]
    """What has come, and the object in it; an empty one for a stream that has begun."""


@define(frozen=True)
class Found:
    """The keys and values of a prefix, and at which revision of the whole store they were so."""

    records: Tuple[Tuple[str, bytes], ...]
    revision: int


class EtcdClient:
    """Asks one endpoint after the other, beginning with the one that answered last.

    Parameters
    ----------
    endpoints:
        Such as ``http://h:2379``.
    tls:
        Names of files by ``ca``, ``cert`` and ``key``, for endpoints with ``https``.
    username, password:
        ``None`` where etcd knows no users.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        tls: Mapping[str, str],
        username: Optional[str] = None,
        password: Optional[str] = None,
    ) -> None:
        self._endpoints = list(endpoints)
        self._tls = tls
        self._credentials = None if username is None else {"name": username, "password": password or ""}
        self._lock = threading.Lock()
        self._pools: Optional[urllib3.PoolManager] = None
        self._token: Optional[str] = None
        self._watched: Optional[urllib3.BaseHTTPResponse] = None
        self._closed = False
        self._threads = Threads(limit=_AT_ONCE)

    def read(self, prefix: str, deadline: Deadline) -> Found:
        """The keys that begin with ``prefix``, and their values.

        Raises
        ------
        UnavailableError
            If no endpoint answers.
        PermissionError
            If the user is unknown or may not read them.
        """
        answer = self._ask("/v3/kv/range", _range(prefix), deadline)
        try:
            records = tuple(
                (_decoded(one["key"]).decode("utf-8", "replace"), _decoded(one.get("value", "")))
                for one in answer.get("kvs", ())
            )
            return Found(records, int(answer["header"]["revision"]))
        except (LookupError, TypeError, ValueError) as error:
            raise BadAnswerError(f"etcd: the answer to a range is none: {error!r}") from error

    def changes(self, prefix: str, revision: int, idle: float) -> Iterator[bool]:
        """``False`` once the server watches the prefix, then ``True`` for each time that keys of it have changed after
        a revision. Ends when nothing came for ``idle`` seconds, or when the server ends it: it is then time to read
        again.

        Raises
        ------
        OSError
            If it cannot be begun, or is cut off.
        """
        request = {"create_request": {**_range(prefix), "start_revision": str(revision + 1)}}
        # Until the first line, which says that the watch is there, it is a question like others.
        response, _ = self._send("/v3/watch", request, Deadline.after(idle), stream=True)
        try:
            with self._lock:
                if self._closed:
                    return
                self._watched = response
            _wait_for(response, idle)
            for line in _lines(response):
                result = line.get("result") or {}
                if line.get("error") or result.get("canceled"):
                    return
                if result.get("created"):
                    yield False
                if result.get("events"):
                    yield True
        finally:
            with self._lock:
                self._watched = None
            response.close()

    def close(self) -> None:
        """End a watch that another thread waits for, and all connections."""
        with self._lock:
            self._closed = True
            watched, pools = self._watched, self._pools
        way = _socket_of(watched)
        if way is not None:
            try:
                way.shutdown(socket.SHUT_RDWR)  # to close it would not wake who reads from it
            except OSError:
                pass
        if pools is not None:
            pools.clear()
        self._threads.close()

    # --- one question -------------------------------------------------------------------------------------------

    def _ask(self, path: str, body: Mapping[str, Any], deadline: Deadline) -> Dict[str, Any]:
        return self._send(path, body, deadline)[1]

    def _send(self, path: str, body: Mapping[str, Any], deadline: Deadline, stream: bool = False) -> _Answer:
        """The answer of the first endpoint that has one; a token that has become too old is renewed once."""
        for renewed in (False, True):
            response, said = self._send_once(path, body, deadline, stream)
            if response.status < 300:
                return response, said
            code, message = _refusal(said)
            if code == _UNAUTHENTICATED and self._credentials is not None and not renewed:
                with self._lock:
                    self._token = None
                continue
            break
        if code in (_UNAUTHENTICATED, _DENIED, _INVALID):
            raise PermissionError(f"etcd: {message} (etcd_username and etcd_password)")
        raise UnavailableError(f"etcd: {message}")

    def _send_once(self, path: str, body: Mapping[str, Any], deadline: Deadline, stream: bool) -> _Answer:
        """What the first endpoint says that speaks as etcd does, and is not out of order."""
        failures: List[str] = []
        cause: Optional[BaseException] = None
        endpoints = list(self._endpoints)
        for left, endpoint in zip(range(len(endpoints), 0, -1), endpoints):
            try:
                attempt = deadline.share(left)
                if left > 1:
                    attempt.stall = min(attempt.stall, _PATIENCE)
                headers = {"Content-Type": "application/json", **self._authorization(endpoint, attempt)}
                response = self._post(endpoint, path, body, headers, attempt, stream)
                said = {} if stream and response.status < 300 else _said(response)
            except (urllib3.exceptions.HTTPError, TemporaryError, OSError) as error:
                if isinstance(error, PermissionError):
                    raise
                failures.append(f"{endpoint}: {error}")
                cause = error
                continue
            self._prefer(endpoint)
            return response, said
        raise UnavailableError(f"etcd cannot be asked: {'; '.join(failures)}") from cause

    def _authorization(self, endpoint: str, deadline: Deadline) -> Dict[str, str]:
        if self._credentials is None:
            return {}
        token = self._token
        if token is None:
            response = self._post(endpoint, "/v3/auth/authenticate", self._credentials, {}, deadline)
            said = _said(response)
            if response.status >= 300:
                code, message = _refusal(said)
                if code == _PRECONDITION:  # etcd knows no users: whoever asks is served
                    return {}
                if code in (_UNAUTHENTICATED, _DENIED, _INVALID):
                    raise PermissionError(f"etcd: {message} (etcd_username and etcd_password)")
                raise UnavailableError(f"etcd: {message}")
            token = said.get("token")
            if not isinstance(token, str):
                raise BadAnswerError("etcd: a login that gives no token")
            self._token = token
        return {"Authorization": token}

    def _post(
        self,
        endpoint: str,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        deadline: Deadline,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        wait = deadline.wait()

        def ask() -> urllib3.BaseHTTPResponse:
            answered: urllib3.BaseHTTPResponse = self._connections().request(
                "POST",
                endpoint + path,
                body=json.dumps(body).encode(),
                headers=dict(headers),
                timeout=urllib3.Timeout(connect=min(wait, _PATIENCE), read=wait),
                redirect=False,
                retries=False,
                preload_content=not stream,
            )
            return answered

        # Its limits are those of one wait: not of the system's resolver, nor of an answer that comes in drops.
        return self._threads.run(ask, deadline)

    def _connections(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pools is None:
                self._pools = urllib3.PoolManager(maxsize=4, **_tls_options(self._tls))
            return self._pools

    def _prefer(self, endpoint: str) -> None:
        with self._lock:
            self._endpoints.sort(key=lambda one: one != endpoint)


def _tls_options(tls: Mapping[str, str]) -> Dict[str, Any]:
    if not tls:
        return {}
    what = f"'ca' ({tls.get('ca')})"
    try:
        context = ssl.create_default_context(cafile=tls.get("ca"))
        if "cert" in tls:
            what = f"'cert' ({tls['cert']}) or its 'key'"
            context.load_cert_chain(tls["cert"], tls.get("key"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"argument 'etcd_tls': {what} cannot be used: {error}") from error
    # urllib3 compares the names itself then. With ssl doing it, urllib3 1.26 reaches no endpoint that is an address.
    context.check_hostname = False
    return {"ssl_context": context, "cert_reqs": ssl.CERT_REQUIRED}


def _range(prefix: str) -> Dict[str, str]:
    """The keys that begin with a prefix: up to where its last byte is one more."""
    first = prefix.encode()
    return {"key": _encoded(first), "range_end": _encoded(first[:-1] + bytes([first[-1] + 1]))}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _parsed(data: bytes) -> Dict[str, Any]:
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"etcd: the answer is no JSON: {data[:100]!r}") from error
    if not isinstance(answer, dict):
        raise BadAnswerError(f"etcd: the answer is no object: {data[:100]!r}")
    return answer


def _said(response: urllib3.BaseHTTPResponse) -> Dict[str, Any]:
    """The body of an answer of etcd's, be it a refusal.

    Raises
    ------
    TemporaryError
        If the answer is somebody else's, or of an etcd that is out of order: another endpoint may do better.
    """
    data = response.data or b""
    try:
        said = _parsed(data)
    except BadAnswerError as error:
        raise BadAnswerError(f"status {response.status}, and no answer of etcd's: {data[:100]!r}") from error
    if response.status >= 300:
        code, message = _refusal(said)
        if response.status >= 500 or not code:
            raise UnavailableError(f"status {response.status}: {message}")
    elif "header" not in said:  # which all of etcd's have
        raise BadAnswerError(f"no answer of etcd's: {data[:100]!r}")
    return said


def _refusal(said: Mapping[str, Any]) -> Tuple[int, str]:
    """The code and the words of an answer that is none; the code is 0 for what does not come from etcd."""
    # Before 3.4 a stream's error is within another.
    error = said.get("error")
    inner = error if isinstance(error, dict) else said
    code = inner.get("code") or inner.get("grpc_code")
    return code if isinstance(code, int) else 0, str(inner.get("message") or inner.get("error"))


def _socket_of(response: Optional[urllib3.BaseHTTPResponse]) -> Optional[socket.socket]:
    connection = getattr(response, "connection", None)
    found: Optional[socket.socket] = None if connection is None else connection.sock
    return found


def _wait_for(response: urllib3.BaseHTTPResponse, seconds: float) -> None:
    """Have what follows of a stream take so long between its pieces: its beginning had a limit of its own."""
    way = _socket_of(response)
    if way is not None:
        way.settimeout(seconds)


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[Dict[str, Any]]:
    """The objects of a stream, one a line; ends with silence, too."""
    held = b""
    try:
        for piece in response.stream(2**16, decode_content=False):
            held += piece
            *lines, held = held.split(b"\n")
            for line in lines:
                yield _parsed(line)
            if len(held) > _LARGEST:
                raise BadAnswerError(f"etcd: a line of more than {_LARGEST} bytes")
    except urllib3.exceptions.ReadTimeoutError:
        return
    except urllib3.exceptions.HTTPError as error:
        raise UnavailableError(f"etcd: the watch was cut off: {error}") from error
