"""Ports that stay free between a worker's death and its return."""

from __future__ import annotations

import random
import socket
from typing import Set

__all__ = ["free_ports"]

_PORTS = range(15_000, 32_000)
"""Below what systems hand out to clients, one of which could get the port of a worker that is dead."""


def free_ports(host: str, count: int) -> Set[int]:
    """As many ports on which nobody listens."""
    found: Set[int] = set()
    for port in random.sample(_PORTS, 1000):
        if len(found) == count:
            return found
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        found.add(port)
    raise OSError(f"no {count} free ports were found on {host}")
