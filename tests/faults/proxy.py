"""The proxy: a real server's answers, with scripted faults."""

from __future__ import annotations

import contextlib
import socket
from typing import Iterable, Tuple

import attrs

from tests.faults import wire
from tests.faults.script import Fault, Request
from tests.faults.server import Server

_HOP_BY_HOP = frozenset({"expect"})  # answered here; everything else goes on as it came, for it may be signed


class FaultProxy(Server):
    """Forwards to a server that already runs, and spoils the answers that a rule meets.

    Requests go on byte for byte (signatures stay valid), each over a connection of its own. Their bodies are not
    kept in :attr:`requests`. ``ignore_range()`` takes the header off, which a server that checks a signature over it
    refuses: there use ``status(200, whole_file)``.

    Parameters
    ----------
    upstream_host, upstream_port:
        Where the real server listens.
    """

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self._upstream: Tuple[str, int] = (upstream_host, upstream_port)
        super().__init__()

    def forward_to(self, upstream_host: str, upstream_port: int) -> None:
        """Forward what comes from now on to another server."""
        self._upstream = upstream_host, upstream_port

    def _record(self, request: Request) -> Request:
        return attrs.evolve(request, body=b"")

    def _answer(self, connection: socket.socket, head: wire.Head, request: Request, fault: Fault) -> bool:
        if not fault.performed:
            return bool(self._instead(connection, request, fault))
        upstream = socket.create_connection(self._upstream, timeout=60)
        if not self._adopt(upstream):
            return False
        try:
            with contextlib.closing(upstream.makefile("rb")) as stream:
                upstream.sendall(self._forwarded(head, fault))
                blocks = [request.body] if request.body else []
                for block in wire.chunks(blocks) if head.chunked else blocks:
                    upstream.sendall(block)
                answer = wire.read_head(stream)
                while answer is not None and answer.line.split(" ")[1].startswith("1"):
                    answer = wire.read_head(stream)
                if answer is None:
                    return False
                code = int(answer.line.split(" ")[1])
                bodiless = request.method == "HEAD" or code in (204, 304)
                body: Iterable[bytes] = [] if bodiless else wire.read_body(stream, answer, to_end=True)
                if fault.unanswered:
                    for _ in body:
                        pass  # what was asked for is done when the server has said all it has to say
                    return self._finish(connection, fault)
                framed = answer.chunked or answer.get("content-length") is not None or bodiless
                if answer.chunked and not bodiless:
                    body = wire.chunks(body)
                return self._send(connection, code, wire.spoil(answer.fields, fault), body, fault) and framed
        finally:
            self._drop(upstream)

    @staticmethod
    def _forwarded(head: wire.Head, fault: Fault) -> bytes:
        dropped = _HOP_BY_HOP | ({"range"} if fault.ignore_range else set())
        return attrs.evolve(head, fields=[each for each in head.fields if each[0].lower() not in dropped]).encode()
