"""How gcsfs would reach the store, where somebody else can do as it does."""

from __future__ import annotations

import ssl
from types import FunctionType
from typing import TYPE_CHECKING, Optional
from urllib.parse import urlsplit

from attrs import define

from alluxiofs.plugins._http.beside import PoolBeside

if TYPE_CHECKING:
    from alluxiofs.plugins._gcs.client import Connection

__all__ = ["Way", "find_way"]

_IDLE = 15.0  # seconds, as aiohttp has it
_PORTS = {"http": 80, "https": 443}


@define(frozen=True)
class Way:
    """What all requests over one connection of gcsfs have in common.

    Parameters
    ----------
    connection:
        Whose way it is.
    location:
        Where its URLs begin.
    origin:
        What of it is not sent in the first line of a request.
    host:
        The header.
    pool:
        Of connections of our own.
    """

    connection: Connection
    location: str
    origin: str
    host: str
    pool: PoolBeside


def find_way(connection: Connection) -> Optional[Way]:
    """How requests are sent as gcsfs would, or ``None`` where nobody but its own session can do that."""
    location = connection.made._location
    try:
        url = urlsplit(location)
        port = _PORTS.get(url.scheme, 0) if url.port is None else url.port
        understood = (
            url.scheme in _PORTS
            and url.hostname
            and port
            and not (url.query or url.fragment or "@" in url.netloc)
            and location.startswith(f"{url.scheme}://{url.netloc}")
            and _is_text(location)
            and _is_plain(connection)
        )
    except (AttributeError, TypeError, ValueError):  # another release of aiohttp or gcsfs, or no URL
        return None
    if not understood:
        return None
    host = str(url.hostname)
    named = f"[{host}]" if ":" in host else host
    most = connection.session.connector.limit  # type: ignore[union-attr]  # there is one until it is detached
    tls = _tls() if url.scheme == "https" else None
    return Way(
        connection=connection,
        location=location,
        origin=f"{url.scheme}://{url.netloc}",
        host=named if port == _PORTS[url.scheme] else f"{named}:{port}",
        pool=PoolBeside((host, port), tls, most, idle_limit=_IDLE),
    )


def _is_text(location: str) -> bool:
    return location.isascii() and location.isprintable() and " " not in location


def _is_plain(connection: Connection) -> bool:
    """Whether gcsfs's session is one like any other: no options of its own (a proxy, what the environment says of one),
    whoever has given it them; no certificates but the system's, nobody who looks on or answers in the store's place."""
    from aiohttp import ClientRequest, ClientResponse, ClientSession, DefaultResolver, TCPConnector
    from gcsfs.core import GCSFileSystem
    from gcsfs.credentials import GoogleCredentials

    made, session = connection.made, connection.session
    connector = session.connector
    return (
        not made.session_kwargs
        and type(made)._get_headers is GCSFileSystem._get_headers
        and type(made)._set_session is GCSFileSystem._set_session
        and type(made.credentials) is GoogleCredentials
        and type(session) is ClientSession
        and _is_aiohttps("request")
        and _is_aiohttps("_request")
        and not session.trace_configs
        and not (session.trust_env or session.headers or session.auth or getattr(session, "_default_proxy", None))
        and not getattr(session, "_middlewares", ())
        and (session._request_class, session._response_class) == (ClientRequest, ClientResponse)
        and type(connector) is TCPConnector
        and connector._ssl in (None, True)
        and type(connector._resolver) is DefaultResolver
        and not getattr(connector, "_local_addr_infos", None)
        and not getattr(connector, "_local_addr", None)  # as releases before 3.10 call it
        and not getattr(connector, "_socket_factory", None)
        and not connector.family
        and not connector.force_close
        and not connector.limit_per_host
        and connector.limit > 0
    )


def _is_aiohttps(method: str) -> bool:
    """Whether a method of all sessions is aiohttp's own. Instruments (ddtrace, New Relic) put theirs in its place, and
    so does who records answers, or makes them up."""
    from aiohttp import ClientSession

    found = vars(ClientSession).get(method)
    return isinstance(found, FunctionType) and found.__globals__.get("__name__") == "aiohttp.client"


def _tls() -> ssl.SSLContext:
    """As aiohttp has it: the certificates of the system, or those that its environment names."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
