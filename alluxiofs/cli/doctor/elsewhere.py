"""What else listens where a worker does not answer: the likely mistakes, tried out."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Optional

import attrs

from alluxiofs.errors import AlluxioFSError
from alluxiofs.interfaces import Deadline, Worker

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway

__all__ = ["listens_elsewhere", "speaks_other_scheme"]

_USUAL_PORT = 28080
_LIMIT = 1.0  # seconds


def listens_elsewhere(gateway: Gateway, worker: Worker) -> Optional[int]:
    """The usual port, if a worker answers there."""
    if worker.http_port == _USUAL_PORT:
        return None
    try:
        found = gateway.parts.transport.examine(
            attrs.evolve(worker, http_port=_USUAL_PORT), None, None, Deadline.after(_LIMIT)
        )
    except (OSError, AlluxioFSError):
        return None
    return None if found is None else _USUAL_PORT


def speaks_other_scheme(gateway: Gateway, worker: Worker) -> Optional[str]:
    """``http`` or ``https``, if that is what is spoken at the port, and the other one is configured."""
    configured = getattr(gateway.parts.transport.settings, "scheme", None)
    address = (worker.host, worker.http_port)
    try:
        if configured == "http" and _speaks_tls(address):
            return "https"
        if configured == "https" and _speaks_plain_http(address):
            return "http"
    except (OSError, ValueError):  # the latter for a host that cannot be a name
        pass
    return None


def _speaks_tls(address: tuple[str, int]) -> bool:
    # Whom one speaks to is of no interest here: nothing is said but a greeting, and what is answered is not believed.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(address, _LIMIT) as connection:
        try:
            context.wrap_socket(connection, server_hostname=address[0]).close()
        except ssl.SSLError as error:
            # One that wants a certificate says so in TLS.
            return "ALERT" in (error.reason or "")
        return True


def _speaks_plain_http(address: tuple[str, int]) -> bool:
    with socket.create_connection(address, _LIMIT) as connection:
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nhost: doctor\r\nconnection: close\r\n\r\n")
        return connection.recv(5) == b"HTTP/"
