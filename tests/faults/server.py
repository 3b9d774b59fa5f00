"""The scripted server, and what it shares with the proxy: threads, connections, rules, counts, sending."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import weakref
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, Type, TypeVar

import attrs

from tests.faults import wire
from tests.faults.script import End, Fault, Handler, Reply, Request, Rule, serve_bytes

_PORTS = range(20_000, 32_000)


def listen(port: Optional[int] = None) -> socket.socket:
    """A socket that listens on the loopback interface, on this port or on a free one below the ephemeral ones."""
    for tried in random.sample(_PORTS, 200) if port is None else [port]:
        with contextlib.suppress(OSError):
            if port is None:
                _bound(tried, whoever_keeps_it=False).close()
            listener = _bound(tried)
            try:
                listener.listen(128)
            except OSError:
                listener.close()
                raise
            return listener
    raise OSError(f"no free port in {_PORTS}")


def _bound(port: int, *, whoever_keeps_it: bool = True) -> socket.socket:
    """A socket at a port, which somebody may keep that does not listen there: it is not free then, but can be had."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(whoever_keeps_it))
        made.bind(("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made


Self = TypeVar("Self", bound="Server")


class Server:
    """What the two have in common: threads, connections, rules, counts, and sending with a fault."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._closing = False
        self._requests: List[Request] = []
        self._rules: List[Rule] = []
        self._sockets: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self._connections = 0
        self._place: Optional[weakref.finalize[Any, Any]] = None
        self._listener = listen()
        self.host, self.port = self._listener.getsockname()
        self._acceptor = threading.Thread(target=self._accept, name=f"faults-{self.port}", daemon=True)
        self._acceptor.start()

    # --- the script ---

    def fault(
        self,
        fault: Fault,
        *,
        path: Optional[str] = None,
        method: Optional[str] = None,
        when: Optional[Callable[[Request], bool]] = None,
        skip: int = 0,
        times: Optional[int] = 1,
    ) -> Rule:
        """Put a fault on requests to come: after ``skip`` that match, the next ``times`` (``None``: all)."""
        rule = Rule(fault, path, method, when, skip, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget all faults and requests so far."""
        with self._lock:
            self._rules.clear()
            self._requests.clear()

    def release(self) -> None:
        """End the stalls of now; later ones stall again."""
        with self._lock:
            released, self._released = self._released, threading.Event()
        released.set()

    # --- what came ---

    @property
    def requests(self) -> Tuple[Request, ...]:
        """All requests so far, in the order in which they were read."""
        with self._lock:
            return tuple(self._requests)

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        with self._lock:
            return self._connections

    def count(self, path: Optional[str] = None, method: Optional[str] = None) -> int:
        """How many requests came, of this path and method where given."""
        return sum(path in (None, r.path) and method in (None, r.method) for r in self.requests)

    def url(self, path: str = "") -> str:
        """The URL of a path of this server."""
        return f"http://{self.host}:{self.port}{path}"

    # --- life ---

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, cut all connections, and wait for all threads. May be called twice."""
        with self._lock:
            self._closing = True
            sockets = tuple(self._sockets)
        self._released.set()
        for each in sockets:
            with contextlib.suppress(OSError):  # one that the other side has closed already
                each.shutdown(socket.SHUT_RDWR)
        # A last connection wakes the acceptor on every system; shutting a listener down does so only on some.
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
        self._acceptor.join()
        self._listener.close()
        self._keep_place()
        for thread in self._threads:  # complete: only the acceptor, which has ended, adds to it
            thread.join()

    def _keep_place(self) -> None:
        """Nobody else gets the port: connections to it are refused, also while others look for free ports."""
        if self._place is None or not self._place.alive:
            with contextlib.suppress(OSError):
                self._place = weakref.finalize(self, _bound(self.port).close)

    def reopen(self) -> None:
        """Listen again after :meth:`close`, on the same port."""
        if self._place is not None:
            self._place()
        self._listener = listen(self.port)
        self._closing, self._released, self._threads = False, threading.Event(), []
        self._acceptor = threading.Thread(target=self._accept, name=f"faults-{self.port}", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            if not self._adopt(connection):
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _adopt(self, connection: socket.socket) -> bool:
        """Have ``close`` cut this connection; it is closed at once if that has begun."""
        with self._lock:
            if not self._closing:
                self._sockets.append(connection)
                return True
        connection.close()
        return False

    def _drop(self, connection: socket.socket) -> None:
        with self._lock:
            if connection in self._sockets:
                self._sockets.remove(connection)
        connection.close()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        try:
            while True:
                read = wire.read_request(stream, connection)
                if read is None:
                    return
                head, request = read
                with self._lock:
                    self._requests.append(self._record(request))
                    fault = next((rule.fault for rule in self._rules if rule.meets(request)), Fault())
                if not self._answer(connection, head, request, fault):
                    return
        except (OSError, ValueError):
            pass  # the client went away, or spoke no HTTP: nothing that a test asks about
        finally:
            stream.close()
            self._drop(connection)

    def _record(self, request: Request) -> Request:
        return request

    def _answer(self, connection: socket.socket, head: wire.Head, request: Request, fault: Fault) -> bool:
        """Answer one request; whether the connection can take another."""
        raise NotImplementedError

    # --- sending ---

    def _send(
        self, connection: socket.socket, code: int, fields: wire.Fields, body: Iterable[bytes], fault: Fault
    ) -> bool:
        connection.sendall(wire.Head(wire.status_line(code), fields).encode())
        left = fault.after
        for block in body:
            part = block if left is None else block[:left]
            step = fault.piece or max(1, len(part))
            for at in range(0, len(part), step):
                if fault.pause:
                    self._released.wait(fault.pause)
                connection.sendall(part[at : at + step])
            if left is not None:
                left -= len(part)
                if not left and fault.end is not None:
                    break
        return self._finish(connection, fault)

    def _finish(self, connection: socket.socket, fault: Fault) -> bool:
        if fault.end is End.STALL:
            self._released.wait()
        elif fault.end is End.RESET:
            # With a linger time of zero, closing sends RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return fault.end is None and fault.declared_length is None

    def _instead(self, connection: socket.socket, request: Request, fault: Fault) -> Optional[bool]:
        """Send what comes instead of the real answer, if anything does; whether the connection can go on."""
        if fault.raw is not None:
            connection.sendall(fault.raw)
            return False
        if fault.reply is not None:
            return self._send_reply(connection, request, fault.reply, fault)
        return self._finish(connection, fault) if fault.unanswered else None

    def _send_reply(self, connection: socket.socket, request: Request, reply: Reply, fault: Fault) -> bool:
        fields = list(reply.headers.items())
        if reply.chunked:
            fields.append(("Transfer-Encoding", "chunked"))
        elif reply.status != 204 and not any(name.lower() == "content-length" for name, _ in fields):
            fields.append(("Content-Length", str(len(reply.body))))
        body: Iterable[bytes] = [reply.body]
        if reply.chunked:
            body = wire.chunks(body)
        if request.method == "HEAD" or reply.status in (204, 304):
            body = []
        return self._send(connection, reply.status, wire.spoil(fields, fault), body, fault)


class FaultServer(Server):
    """A small HTTP/1.1 server of files and handlers, with scripted faults."""

    def __init__(self) -> None:
        self._routes: Dict[str, Handler] = {}
        super().__init__()

    def file(self, path: str, content: bytes, headers: Optional[Mapping[str, str]] = None) -> None:
        """Serve ``content`` at ``path``, whole or in ranges; takes the place of what was there."""
        self.route(path, serve_bytes(content, headers))

    def route(self, path: str, handler: Handler) -> None:
        """Have a handler answer for ``path``; ``"*"``: for every path that has none of its own."""
        self._routes[path] = handler

    def _answer(self, connection: socket.socket, head: wire.Head, request: Request, fault: Fault) -> bool:
        if fault.ignore_range:
            headers = {name: value for name, value in request.headers.items() if name != "range"}
            request = attrs.evolve(request, headers=headers)
        handler = self._routes.get(request.path) or self._routes.get("*")
        reply = handler(request) if handler is not None and fault.performed else Reply(404)
        done = self._instead(connection, request, fault)
        return self._send_reply(connection, request, reply, fault) if done is None else done
