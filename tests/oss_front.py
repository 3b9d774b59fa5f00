"""A front that makes a real S3 server speak OSS: signatures are checked, requests signed anew, words exchanged.

There is no OSS server to install. What matters to a client is here: its signature (version 1, in the header or in the
URL) is computed anew and compared; conditions, ranges, listings, parts and copies are the S3 server's own. What OSS
alone has (``x-oss-forbid-overwrite``, AppendObject, ``?bucketInfo``) is made of what S3 has.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import queue
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote, unquote, unquote_plus, urlencode, urlsplit

import pytest
from attrs import define, field

from tests.servers import S3Server, free_port

__all__ = ["OssServer", "oss_server"]

# Of the parameters of a URL, those that the signature is of.
_SIGNED = frozenset(
    {"acl", "append", "bucketInfo", "continuation-token", "delete", "location", "objectMeta"}
    | {"partNumber", "position", "security-token", "uploadId", "uploads", "versionId"}
)
_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding", "x-amz-request-id"}
)
_OF_OSS = frozenset({"accept-encoding", "authorization", "x-oss-date", "x-oss-range-behavior", "x-oss-security-token"})
_LATE = 15 * 60  # seconds that a request may be old


@define
class Session:
    """Temporary credentials."""

    key: str
    secret: str
    token: str
    ended: bool = False


@define(frozen=True)
class OssServer:
    """What a client needs to speak to the front."""

    host: str
    port: int
    key: str
    secret: str
    _sessions: Dict[str, Session] = field(factory=dict, repr=False)

    def session(self) -> Session:
        """Temporary credentials, which count until they are told to have ended."""
        number = len(self._sessions)
        made = self._sessions[f"session-{number}"] = Session(f"session-{number}", f"secret-{number}", f"token-{number}")
        return made

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def options(self) -> Dict[str, str]:
        """Options for ``ossfs``."""
        return self.options_at(self.endpoint)

    def options_at(self, endpoint: str) -> Dict[str, str]:
        """Options for ``ossfs`` that reach the server by way of another address."""
        return {"key": self.key, "secret": self.secret, "endpoint": endpoint}


@define
class Asked:
    """One request: what is signed, and what is passed on."""

    method: str
    path: str
    query: List[Tuple[str, str]]
    headers: Dict[str, str]
    body: bytes

    @property
    def resource(self) -> str:
        return unquote(self.path)

    def parameter(self, name: str) -> Optional[str]:
        return dict(self.query).get(name)


@define
class Answered:
    status: int
    headers: Dict[str, str] = field(factory=dict)
    body: bytes = b""


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self.answer = Answered(status, {"Content-Type": "application/xml"}, text.encode())


class Front:
    """Answers one request after the other, of any number of threads.

    Parameters
    ----------
    upstream:
        The S3 server behind it.
    key, secret:
        Of the one user that OSS knows here.
    sessions:
        That user's temporary credentials.
    """

    def __init__(self, upstream: S3Server, key: str, secret: str, sessions: Mapping[str, Session]) -> None:
        self._upstream = upstream
        self._key, self._secret = key, secret
        self._sessions = sessions
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()
        self._appending = threading.Lock()
        self._appendable: set[str] = set()

    def answer(self, asked: Asked) -> Answered:
        try:
            self._check(asked)
            return self._performed(asked)
        except _RefusedError as refused:
            return refused.answer

    # --- the signature ------------------------------------------------------------------------------------------

    def _check(self, asked: Asked) -> None:
        header = asked.headers.get("authorization", "")
        if header.startswith("OSS "):
            key, _, signature = header[4:].partition(":")
            date = asked.headers.get("x-oss-date") or asked.headers.get("date", "")
            if abs(time.time() - _seconds(date)) > _LATE:
                raise _RefusedError(403, "RequestTimeTooSkewed", "The difference between the times is too large.")
        elif asked.parameter("Signature"):
            key, signature = asked.parameter("OSSAccessKeyId") or "", asked.parameter("Signature") or ""
            date = asked.parameter("Expires") or "0"
            if int(date) < time.time():
                raise _RefusedError(403, "AccessDenied", "Request has expired.")
        else:
            raise _RefusedError(403, "AccessDenied", "Anonymous access is forbidden for this operation.")
        session = self._sessions.get(key)
        if key != self._key and session is None:
            raise _RefusedError(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist.")
        if session is not None and session.ended:
            raise _RefusedError(403, "SecurityTokenExpired", "The security token you provided has expired.")
        if session is not None and asked.headers.get("x-oss-security-token") != session.token:
            raise _RefusedError(403, "InvalidSecurityToken", "The security token you provided is invalid.")
        secret = self._secret if session is None else session.secret
        if not hmac.compare_digest(signature, self._signature(asked, date, secret)):
            message = "The request signature we calculated does not match the signature you provided."
            raise _RefusedError(403, "SignatureDoesNotMatch", message)

    def _signature(self, asked: Asked, date: str, secret: str) -> str:
        """As the store's documentation of version 1 has it."""
        special = sorted((name, value) for name, value in asked.headers.items() if name.startswith("x-oss-"))
        named = sorted((name, value) for name, value in asked.query if name in _SIGNED)
        query = "&".join(f"{name}={value}" if value else name for name, value in named)
        text = "\n".join(
            (
                asked.method,
                asked.headers.get("content-md5", ""),
                asked.headers.get("content-type", ""),
                date,
                *(f"{name}:{value}" for name, value in special),
                asked.resource + (f"?{query}" if query else ""),
            )
        )
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
        return base64.b64encode(digest).decode()

    # --- what is done -------------------------------------------------------------------------------------------

    def _performed(self, asked: Asked) -> Answered:
        names = dict(asked.query)
        in_bucket = asked.resource.strip("/").count("/") == 0
        if "bucketInfo" in names:
            return self._bucket_info(asked)
        if asked.method == "POST" and "append" in names:
            return self._appended(asked)
        if asked.method == "PUT" and in_bucket and not asked.query:
            asked.body = b""  # S3 has other words for what a bucket is to be like
        forbidden = asked.headers.pop("x-oss-forbid-overwrite", "") == "true"
        if forbidden:
            asked.headers["if-none-match"] = "*"
        answer = self._forwarded(asked)
        if forbidden and answer.status == 412:
            message = "The object you specified already exists and can not be overwritten."
            raise _RefusedError(409, "FileAlreadyExists", message)
        if asked.method in ("PUT", "DELETE"):
            self._appendable.discard(asked.resource)
        return answer

    def _bucket_info(self, asked: Asked) -> Answered:
        found = self._forwarded(Asked("HEAD", asked.path, [], {}, b""))
        if found.status != 200:
            raise _RefusedError(404, "NoSuchBucket", "The specified bucket does not exist.")
        name = asked.resource.strip("/")
        text = (
            f"<BucketInfo><Bucket><Name>{name}</Name><CreationDate>2020-01-01T00:00:00.000Z</CreationDate>"
            "<ExtranetEndpoint>e</ExtranetEndpoint><IntranetEndpoint>i</IntranetEndpoint><Location>l</Location>"
            "<StorageClass>Standard</StorageClass><Owner><ID>1</ID><DisplayName>1</DisplayName></Owner>"
            "<AccessControlList><Grant>private</Grant></AccessControlList></Bucket></BucketInfo>"
        )
        return Answered(200, {"Content-Type": "application/xml"}, text.encode())

    def _appended(self, asked: Asked) -> Answered:
        position = int(asked.parameter("position") or 0)
        with self._appending:
            old = self._forwarded(Asked("GET", asked.path, [], {}, b""))
            if old.status == 200 and asked.resource not in self._appendable:
                raise _RefusedError(409, "ObjectNotAppendable", "The object is not appendable")
            data = old.body if old.status == 200 else b""
            if position != len(data):
                raise _RefusedError(409, "PositionNotEqualToLength", "Position is not equal to file length")
            whole = data + asked.body
            answer = self._forwarded(Asked("PUT", asked.path, [], {}, whole))
            self._appendable.add(asked.resource)
        answer.headers["x-oss-next-append-position"] = str(len(whole))
        return answer

    # --- the S3 server ------------------------------------------------------------------------------------------

    def _forwarded(self, asked: Asked) -> Answered:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        own = {"OSSAccessKeyId", "Signature", "Expires", "security-token"}
        query = [(name, value) for name, value in asked.query if name not in own]
        url = f"{self._upstream.endpoint}{quote(asked.resource, safe='/~')}"
        url += f"?{urlencode(query, quote_via=quote)}" if query else ""
        headers = {
            name.replace("x-oss-", "x-amz-", 1): value
            for name, value in asked.headers.items()
            if name
            not in {
                *_HOP_BY_HOP,
                "authorization",
                "x-oss-date",
                "x-oss-range-behavior",
                "accept-encoding",
                "x-oss-security-token",
            }
        }
        request = AWSRequest(asked.method, url, headers, asked.body)
        S3SigV4Auth(Credentials(self._upstream.key, self._upstream.secret), "s3", "us-east-1").add_auth(request)
        prepared = request.prepare()
        path = prepared.url[len(self._upstream.endpoint) :]
        while True:
            connection, used = self._connection()
            try:
                connection.request(asked.method, path, asked.body, {**prepared.headers})
                response = connection.getresponse()
                answer = _translated(asked, response.status, dict(response.getheaders()), response.read())
            except (ConnectionError, http.client.HTTPException):
                connection.close()
                if not used:  # what was idle for long the server closes
                    raise
            else:
                self._idle.put(connection)
                return answer

    def _connection(self) -> Tuple[http.client.HTTPConnection, bool]:
        try:
            return self._idle.get_nowait(), True
        except queue.Empty:
            return http.client.HTTPConnection(self._upstream.host, self._upstream.port, timeout=60), False

    def close(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


def _translated(asked: Asked, status: int, headers: Mapping[str, str], body: bytes) -> Answered:
    renamed = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in _HOP_BY_HOP or (lower == "content-length" and asked.method == "HEAD"):
            renamed[re.sub("^x-amz-", "x-oss-", name, flags=re.IGNORECASE)] = value
    if "xml" in headers.get("Content-Type", "") and body.lstrip().startswith(b"<"):
        text = re.sub(r' xmlns="[^"]*"', "", body.decode())
        text = re.sub(r"(\d\d:\d\d:\d\d)(\.\d+)?Z<", r"\1.000Z<", text)
        owner = "<Owner><ID>1</ID><DisplayName>1</DisplayName></Owner>"
        text = re.sub(r"<Owner>.*?</Owner>", "", text)
        text = text.replace("</Contents>", f"{owner}<Type>Normal</Type></Contents>")
        for word in ("DeleteResult", "ListBucketResult", "ListAllMyBucketsResult"):
            text = text.replace(f"<{word}/>", f"<{word}></{word}>")
        if "<ListAllMyBucketsResult" in text:
            rest = "<Location>l</Location><ExtranetEndpoint>e</ExtranetEndpoint><IntranetEndpoint>i</IntranetEndpoint>"
            text = text.replace("</Bucket>", f"{rest}<StorageClass>Standard</StorageClass></Bucket>")
        body = text.encode()
    return Answered(status, renamed, body)


def _seconds(date: str) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body in one packet

        def _serve(self) -> None:
            split = urlsplit(self.path)
            pairs = [part.partition("=") for part in split.query.split("&") if part]
            asked = Asked(
                self.command,
                split.path,
                [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs],
                {name.lower(): value for name, value in self.headers.items()},
                self._body(),
            )
            answer = front.answer(asked)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("x-oss-request-id", "0123456789ABCDEF01234567")
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 the names are those of http.server

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                parts = []
                while True:
                    size = int(self.rfile.readline().split(b";")[0], 16)
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                    if not size:
                        return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def running(upstream: S3Server) -> Iterator[OssServer]:
    """The front, before a running S3 server."""
    server = OssServer("127.0.0.1", free_port(), "oss-tester", "oss-tester-secret")
    front = Front(upstream, server.key, server.secret, server._sessions)
    http_server = ThreadingHTTPServer((server.host, server.port), _handler(front))
    http_server.daemon_threads = True
    http_server.socket.listen(128)  # many connect at a time
    http_server.block_on_close = False
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join(10)
        front.close()


@pytest.fixture(scope="session")
def oss_server(s3_server: S3Server) -> Iterator[OssServer]:
    """OSS, over versitygw."""
    with running(s3_server) as server:
        yield server
