"""The sockets of a stand-in worker: one thread that takes connections, and one a connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Callable, Optional, Set, Tuple

from alluxiofs.testing.stand_in_workers._messages import NEVER, Answer
from alluxiofs.testing.stand_in_workers._metrics import asks_for_metrics
from alluxiofs.testing.stand_in_workers._wire import BODY_LIMIT, ConnectionEndedError, MalformedError, Wire

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._core import Core
    from alluxiofs.testing.stand_in_workers._messages import Request

__all__ = ["Server"]

_Handler = Callable[["Request"], Tuple[str, Optional[Answer]]]


class Server:
    """Listens on one port, as often as it is started."""

    def __init__(self, host: str, port: int, core: Core, handler: _Handler) -> None:
        self._address = (host, port)
        self._core = core
        self._handler = handler
        self._limit = BODY_LIMIT if core.plan.dialect == "pages" else None
        self._tls: Optional[ssl.SSLContext] = None
        if core.plan.certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*core.plan.certificate)
        self._lock = threading.Lock()
        self._listening: Optional[socket.socket] = None
        self._place: Optional[socket.socket] = None
        self._open: Set[socket.socket] = set()

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def start(self) -> None:
        """Listen; nothing happens if it does already."""
        with self._lock:
            if self._listening is not None:
                return
            self._give_place_up()
            listening = self._bound()
            listening.listen(512)
            self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), name="stand-in-worker", daemon=True).start()

    def stop(self) -> None:
        """Listen no more, and end all connections; nobody else gets the port until :meth:`close`."""
        with self._lock:
            listening, self._listening = self._listening, None
            connections, self._open = self._open, set()
        if listening is not None:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # only this wakes who waits in accept
            listening.close()
            # What is bound and does not listen refuses connections, as a port does that nobody has: another cluster,
            # or whatever else looks for a free one, would answer for the dead.
            with contextlib.suppress(OSError):
                self._place = self._bound()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that serves it, which closes it

    def close(self) -> None:
        """Stop, for good."""
        self.stop()
        self._give_place_up()

    def _bound(self) -> socket.socket:
        bound = socket.socket(socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(self._address)
        except OSError:
            bound.close()
            raise
        return bound

    def _give_place_up(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            place.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                if self._listening is not listening:
                    return
                continue
            with self._lock:
                if self._listening is not listening:
                    connection.close()
                    return
                self._open.add(connection)
            self._core.connected()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), name="stand-in-worker", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._with_tls(connection, self._tls)
            self._answer_all(Wire(connection, self._limit))
        except (OSError, ConnectionEndedError, MalformedError):
            pass  # however it ended: whoever is at the other end sees it
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _with_tls(self, connection: socket.socket, tls: ssl.SSLContext) -> socket.socket:
        connection.getpeername()  # fails where nobody is there any more: wrapping a reset socket would leave it open
        secured = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.discard(connection)
            self._open.add(secured)
        try:
            secured.do_handshake()
        except OSError:  # who speaks no TLS, or does not trust the certificate
            with self._lock:
                self._open.discard(secured)
            secured.close()
            raise
        return secured

    def _answer_all(self, wire: Wire) -> None:
        handler, noted, metrics = self._handler, self._core.noted, self._core.metrics
        answer: Optional[Answer]
        while True:
            request = wire.next()
            if request is None:
                return
            if asks_for_metrics(request):  # neither noted nor counted: it is nothing that a client does
                wire.answer(metrics.page(self._core.kept_pages(None)))
                continue
            began = time.perf_counter()
            if request.refused:
                route, answer = "write", Answer(request.refused, "")
            else:
                route, answer = handler(request)
            fault = noted(route, request)
            try:
                if fault is not None:
                    fault.send(wire, answer)
                elif answer is None:
                    return
                elif answer is NEVER:
                    wire.wait(None)
                else:
                    wire.answer(answer)
            finally:
                metrics.count(route, answer, fault is not None, time.perf_counter() - began)
