"""Which worker is asked where one name stands for many of them, and who may be redirected to."""

from __future__ import annotations

import threading
from typing import Callable, Dict, Optional, Tuple

from alluxiofs.errors import BadAnswerError, NoTurnError
from alluxiofs.interfaces import Deadline, Location, Worker, Workers
from alluxiofs.interfaces.telemetry import before_the_call
from alluxiofs.plugins._alluxio.entries import parse_object
from alluxiofs.plugins._alluxio.names import quoted
from alluxiofs.plugins._alluxio.peer import Peer, Remembered
from alluxiofs.plugins._alluxio.statuses import refused

__all__ = ["Owners"]

_OWNED = 60.0  # seconds that the owner of a path is believed
_PeerAt = Callable[[str, int, int], Peer]


class Owners:
    """Knows the workers behind a balancer, as far as they were asked for.

    Parameters
    ----------
    peer_at:
        The worker at a host and its two ports.
    members:
        The workers of the membership.
    """

    def __init__(self, peer_at: _PeerAt, members: Callable[[], Workers]) -> None:
        self._peer_at = peer_at
        self._members = members
        self.balancers: Dict[Tuple[str, int], bool] = {}
        """The members that are such names; without any, each worker is asked itself."""
        self._owners: Remembered[Peer] = Remembered()
        self._behind: Dict[Tuple[str, int], Peer] = {}
        self._lock = threading.Lock()
        self._asking: Dict[str, threading.Event] = {}  # set when whoever asks has an answer, or has failed

    def note(self, peer: Peer, worker: Worker) -> None:
        """Learn whether a member is the one name of a domain, which may stand for many workers."""
        if worker.labels.get("domain") == worker.host:
            self.balancers[peer.host, peer.http_port] = True

    def owner_of(self, peer: Peer, location: Location, deadline: Deadline) -> Peer:
        """Who is asked for a path: the worker itself, or, behind a balancer, the one that owns it."""
        if (peer.host, peer.http_port) not in self.balancers:
            return peer
        known = self._owners.get(location.url)
        if known is not None:
            return known
        with before_the_call():
            return self._ask_once(peer, location, deadline)

    def forget(self, location: Location) -> None:
        """Ask for the owner of a path anew."""
        self._owners.forget(location.url)

    def member_at(self, host: str, port: int) -> Optional[Peer]:
        """The worker of the membership, or behind its balancer, that listens there; ``None``: it is none of them."""
        for worker in self._members():
            if worker.host.lower() == host.lower() and port in (worker.data_port, worker.http_port):
                return self._peer_at(worker.host, worker.http_port, worker.data_port)
        return self._behind.get((host.lower(), port))

    def _ask_once(self, peer: Peer, location: Location, deadline: Deadline) -> Peer:
        """Of many who read one file one asks, and the others wait for it. If it fails they ask side by side: one after
        the other each would wait for the failures of all before it."""
        url = location.url
        with self._lock:
            answered = self._asking.get(url)
            if answered is None:
                ended = self._asking[url] = threading.Event()
        if answered is None:
            try:
                return self._owners.get(url) or self._ask(peer, location, deadline)  # somebody else has, a moment ago
            finally:
                with self._lock:
                    del self._asking[url]
                ended.set()
        if not answered.wait(deadline.wait()):
            raise NoTurnError(f"{peer.where} did not say in time who owns {url}")
        return self._owners.get(url) or self._ask(peer, location, deadline)

    def _ask(self, peer: Peer, location: Location, deadline: Deadline) -> Peer:
        with peer.besides("node"):
            answer = peer.http.ask(peer.get(f"/v1/node?path={quoted(location.url)}"), deadline, repeatable=True)
            if answer.status != 200:
                raise refused(answer, location.url, peer.where)
        said = parse_object(answer.body, peer.where)
        host, port = said.get("Host"), said.get("HttpServerPort", peer.http_port)
        if not isinstance(host, str) or not host or type(port) is not int or not 0 < port < 65536:
            raise BadAnswerError(f"{peer.where} does not say who owns {location.url}")
        data_port = next(
            (one.data_port for one in self._members() if (one.host, one.http_port) == (host, port)), peer.data_port
        )
        owner = self._peer_at(host, port, data_port)
        self._behind[host.lower(), data_port] = owner
        self._owners.put(location.url, owner, _OWNED)
        return owner
