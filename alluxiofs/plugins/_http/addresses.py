"""From the name of a host to a connected socket, within a limit whatever the system's resolver does."""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Any, List, Optional, Tuple

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Deadline

__all__ = ["connect"]

_Found = Tuple[Any, ...]  # what getaddrinfo gives: family, type, protocol, canonical name, address


def connect(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first address of a host that takes one. ``OSError`` if none does, or not in time."""
    found = _addresses(host, port, deadline)
    for number, (family, kind, protocol, _, address) in enumerate(found):
        connection = socket.socket(family, kind, protocol)
        try:
            # Each address has its share, so that one that swallows what is sent does not keep the others from theirs.
            connection.settimeout(deadline.wait() / (len(found) - number))
            connection.connect(address)
        except OSError:
            connection.close()
            if number == len(found) - 1:
                raise
        except BaseException:
            connection.close()
            raise
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise OSError(f"{host} has no address")


def _addresses(host: str, port: int, deadline: Deadline) -> List[_Found]:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        looking = _Looking(host, port)
        looking.start()
        looking.join(deadline.wait())  # nothing else limits how long the system's resolver takes
        if looking.is_alive():
            raise DeadlineExceededError(f"{host}: the name was not resolved in time") from None
        if looking.failure is not None:
            raise looking.failure from None
        return looking.found
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    return [(family, socket.SOCK_STREAM, 0, "", (host, port))]


class _Looking(threading.Thread):
    """One look-up, by a thread that ends with it."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="alluxiofs-resolve", daemon=True)
        self._asked = (host, port)
        self.found: List[_Found] = []
        self.failure: Optional[OSError] = None

    def run(self) -> None:
        try:
            self.found = list(socket.getaddrinfo(*self._asked, type=socket.SOCK_STREAM))
        except OSError as error:
            self.failure = error
        except UnicodeError as error:  # a label that is too long
            self.failure = OSError(f"{self._asked[0]!r} is no name of a host: {error}")
