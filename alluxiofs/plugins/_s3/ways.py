"""How the client would ask for an object: where, with which headers, signed how. Asked of the client itself.

Regions, styles of addressing, access points, payers, keys of encryption and whatever else there is to choose among are
botocore's affair. Once for each bucket it makes up a request that is then not sent; what differs between that one and
others of its kind is the key, the range, the time and the signature.
"""

from __future__ import annotations

import contextvars
import re
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlsplit

from attrs import define, field

from alluxiofs.plugins._s3.signing import Secrets, Signer

if TYPE_CHECKING:
    from s3fs import S3FileSystem

__all__ = ["Way", "find_way", "idle_limit", "quoted"]

_PROBE = "a b/+%2F#?&=;é~*'()!,:@$\"\\|<>[]{}^`"
_OPERATIONS = {"GET": "get_object", "HEAD": "head_object"}
_IDLE = "keepalive_timeout"  # what aiohttp calls it
_DEFAULT_IDLE = 12.0
_SIGNATURE = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=\S+")
# What is made for each request, or has no meaning here: the checksums are of whole objects.
_OWN = frozenset(
    {
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "user-agent",
        "x-amz-checksum-mode",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    }
)
# What stays the same for all requests of a client. Others nobody knows the meaning of here.
_REPEATED = re.compile(
    r"x-amz-(request-payer|expected-bucket-owner|server-side-encryption-customer-(algorithm|key|key-md5))"
)
_asking: contextvars.ContextVar[bool] = contextvars.ContextVar("_asking", default=False)


@define(frozen=True)
class Way:
    """What all requests of one method for objects of one bucket have in common.

    Parameters
    ----------
    method:
        ``GET`` or ``HEAD``.
    scheme, host, port:
        Where they go.
    prefix:
        What is before the key in their path.
    agent:
        Who is said to ask.
    headers:
        What else they have, by names in lower case: all of it is signed.
    signer:
        ``None`` for requests that are not signed.
    credentials:
        Botocore's, which renew themselves.
    client:
        Botocore's, for its settings.
    """

    method: str
    scheme: str
    host: str
    port: int
    prefix: str
    agent: str
    headers: Mapping[str, str] = field(repr=False)
    signer: Optional[Signer]
    credentials: Any = field(repr=False)
    client: Any = field(repr=False)


class _SeenError(Exception):
    """Ends a request that was only made up to look at it."""

    def __init__(self, request: Any) -> None:
        super().__init__("a request that is not to be sent")
        self.request = request


def quoted(key: str) -> str:
    """A key as it stands in a URL."""
    return quote(key, safe="/~")


async def find_way(made: S3FileSystem, method: str, bucket: str) -> Optional[Way]:
    """How the client asks for objects of a bucket, or ``None`` where nobody but the client itself can do as it does.

    Raises
    ------
    Exception
        Whatever the client raises before it sends anything (there are no credentials …).
    """
    try:
        return await _found(made, method, bucket)
    except (AttributeError, LookupError, TypeError):  # another release of the client than any that is known here
        return None


async def _found(made: S3FileSystem, method: str, bucket: str) -> Optional[Way]:
    from aiobotocore.httpsession import AIOHTTPSession

    await made.set_session()
    client = await made.get_s3(bucket)
    session = client._endpoint.http_session
    if type(session) is not AIOHTTPSession or not _is_plain(client.meta.config):
        return None
    request = await _made_up(made, client, _OPERATIONS[method], bucket)
    if request is None or _goes_elsewhere(session, request.url) or await _is_watched(client, method, request):
        return None
    if "Authorization" not in request.headers:  # what is public is asked for without, whatever credentials there are
        return _way(client, method, request, None, None)
    credentials = client._request_signer._credentials
    frozen = await credentials.get_frozen_credentials()
    secrets = Secrets(frozen.access_key, frozen.secret_key, frozen.token)
    return _way(client, method, request, credentials, secrets)


def _is_plain(config: Any) -> bool:
    """Whether connections of the client are like any others."""
    if config.client_cert or getattr(config, "tcp_keepalive", None):
        return False
    if (config.retries or {}).get("mode") == "adaptive":  # it keeps to a pace of its own
        return False
    times = (config.connect_timeout, config.read_timeout, idle_limit(config))
    return set(config.connector_args or ()) <= {_IDLE} and all(isinstance(time, (int, float)) for time in times)


def idle_limit(config: Any) -> float:
    """Seconds after which a connection that nobody needed is given up: the store will have closed it, or a gateway on
    the way forgotten it."""
    limit: float = (config.connector_args or {}).get(_IDLE, _DEFAULT_IDLE)
    return limit


def _goes_elsewhere(session: Any, url: str) -> bool:
    """Whether there is a proxy between, or certificates do not count."""
    verifies = session._verify is True or isinstance(session._verify, str)
    return bool(session._proxy_config.proxy_url_for(url)) or (url.startswith("https:") and not verifies)


async def _made_up(made: S3FileSystem, client: Any, operation: str, bucket: str) -> Any:
    client.meta.events.register("before-send.s3", _intercept, unique_id="alluxiofs-way")
    bound = getattr(client, operation)
    asking = _asking.set(True)
    try:
        await bound(**made._get_s3_method_kwargs(bound, made.req_kw, Bucket=bucket, Key=_PROBE))
    except _SeenError as seen:
        return seen.request
    finally:
        _asking.reset(asking)
    return None


def _intercept(request: Any, **_: Any) -> None:
    """What botocore calls right before it sends a request; ``None`` leaves the sending to it."""
    if _asking.get():
        raise _SeenError(request)


async def _is_watched(client: Any, method: str, request: Any) -> bool:
    """Whether somebody else wants to see requests before they are sent, or answers them in the server's place."""
    name = f"before-send.s3.{'GetObject' if method == 'GET' else 'HeadObject'}"
    answers: List[Tuple[Any, Any]] = await client.meta.events.emit(name, request=request)
    return any(handler is not _intercept for handler, _ in answers)


def _way(client: Any, method: str, request: Any, credentials: Any, secrets: Optional[Secrets]) -> Optional[Way]:
    """The way of a request, unless there is something in it that is not understood here."""
    url = urlsplit(request.url)
    headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
    repeated = {name: value for name, value in headers.items() if name not in _OWN}
    tail = quoted(_PROBE)
    understood = (
        request.method == method
        and url.scheme in ("http", "https")
        and url.hostname
        and not url.query
        and "@" not in url.netloc
        and url.path.endswith(f"/{tail}")
        and all(_REPEATED.fullmatch(name) for name in repeated)
        and all(value.isascii() and value.isprintable() for value in headers.values())
    )
    if not understood:
        return None
    default = 443 if url.scheme == "https" else 80
    port = url.port or default
    host = str(url.hostname)
    named = f"[{host}]" if ":" in host else host
    repeated["host"] = named if port == default else f"{named}:{port}"
    if secrets is not None:
        repeated["x-amz-content-sha256"] = headers.get("x-amz-content-sha256", "")
    signer = _signer(request.method, url.path, headers, repeated["host"], secrets)
    if signer is None and secrets is not None:
        return None
    return Way(
        method=method,
        scheme=url.scheme,
        host=host,
        port=port,
        prefix=url.path[: -len(tail)],
        agent=headers.get("user-agent", "Botocore"),
        headers=repeated,
        signer=signer,
        credentials=credentials,
        client=client,
    )


def _signer(
    method: str, path: str, headers: Mapping[str, str], host: str, secrets: Optional[Secrets]
) -> Optional[Signer]:
    """Who signs as the client does: proved by signing the same once more."""
    said = headers.get("authorization", "")
    match = _SIGNATURE.match(said)
    if match is None or secrets is None or "x-amz-date" not in headers or "x-amz-content-sha256" not in headers:
        return None
    signer = Signer(match[2], match[3])
    names = re.findall(r"SignedHeaders=([^,]+)", said)[0].split(";")
    signed: Dict[str, str] = {name: host if name == "host" else headers.get(name, "") for name in names}
    return signer if signer.authorization(method, path, signed, secrets) == said else None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
