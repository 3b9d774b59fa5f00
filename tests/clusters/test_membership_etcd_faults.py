"""Endpoints that are somebody else's, silent, or of little use: what a membership in etcd makes of them."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import logging
import threading
import time
from typing import Any, Iterator, List, Sequence, Tuple

import pytest

from alluxiofs.errors import ConfigurationError, UnavailableError
from alluxiofs.interfaces import Deadline, Worker
from alluxiofs.plugins._etcd import client as etcd_client
from alluxiofs.plugins._etcd.client import EtcdClient
from alluxiofs.plugins.membership_etcd import EtcdMembership
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import eventually
from tests.clusters.etcd import key_of, make_worker, record_of
from tests.servers import free_port

WORKERS = (make_worker(1), make_worker(2))
_CREATED, _CHANGED = b'{"result":{"created":true}}\n', b'{"result":{"events":[{}]}}\n'


class Endpoint:
    """Answers a question for keys as etcd does, and a watch with what it is told to.

    Parameters
    ----------
    workers:
        What it knows.
    says:
        Status and body of whatever is asked, in place of an answer.
    watch:
        Status, and pieces of the answer to a watch with the seconds before each; it stays open after the last, unless
        there is none.
    """

    def __init__(
        self,
        workers: Sequence[Worker] = WORKERS,
        says: Tuple[int, bytes] = (0, b""),
        watch: Tuple[int, Sequence[Tuple[float, bytes]]] = (200, [(0, _CREATED)]),
    ) -> None:
        self.workers, self.says, self.watch = workers, says, watch
        self.manner = ""
        """``silent``: it answers nothing for 20 seconds. ``slow``: its answers take as long, a byte now and then."""
        self.ended = threading.Event()
        self.asked: List[Tuple[float, str]] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                endpoint.asked.append((time.monotonic(), self.path))
                with contextlib.suppress(OSError):
                    endpoint.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", free_port()), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def questions(self, path: str) -> List[float]:
        """When something was asked."""
        return [at for at, asked in self.asked if asked == path]

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if self.manner == "silent":
            self.ended.wait(20)
        if self.says[0]:
            self._send(handler, *self.says)
        elif handler.path == "/v3/watch":
            self._send_watch(handler)
        else:
            found = [{"key": _text(key_of(one).encode()), "value": _text(record_of(one))} for one in self.workers]
            self._send(handler, 200, json.dumps({"header": {"revision": "7"}, "kvs": found}).encode())

    def _send(self, handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        drops = 200 if self.manner == "slow" else 0
        handler.send_header("content-length", str(drops + len(body)))
        handler.end_headers()
        for _ in range(drops):
            self.ended.wait(0.1)
            handler.wfile.write(b" ")
        handler.wfile.write(body)

    def _send_watch(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        status, pieces = self.watch
        if not pieces:
            self._send(handler, status, b'{"code":12,"message":"not implemented"}' if status != 200 else b"")
            return
        handler.send_response(status)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for seconds, piece in pieces:
            self.ended.wait(seconds)
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.ended.wait(20)

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextlib.contextmanager
def running(*endpoints: Endpoint) -> Iterator[None]:
    try:
        yield
    finally:
        for endpoint in endpoints:
            endpoint.close()


@contextlib.contextmanager
def membership(*hosts: str, **settings: Any) -> Iterator[EtcdMembership]:
    found = EtcdMembership(EtcdMembership.Settings(list(hosts), **settings), make_context())
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize(
    "says",
    [
        pytest.param((200, b"<html>welcome</html>"), id="a page"),
        pytest.param((404, b"<html>not here</html>"), id="a page that is missing"),
        pytest.param((404, b'{"detail":"Not Found"}'), id="an object of somebody else"),
        pytest.param((200, b"[]"), id="a list"),
        pytest.param((200, b"[" * 100_000), id="lists without end"),
        pytest.param((302, b""), id="a redirect"),
        pytest.param((503, b'{"code":14,"message":"etcdserver: no leader"}'), id="an etcd without a leader"),
    ],
)
def test_an_endpoint_that_does_not_answer_as_etcd_is_passed_over_and_named(says: Tuple[int, bytes]) -> None:
    other, good = Endpoint(says=says), Endpoint()
    with running(other, good):
        with membership(other.host, good.host) as found:
            assert found.snapshot(Deadline.after(60)).workers == WORKERS
        with membership(other.host) as found, pytest.raises(UnavailableError, match=other.host):
            found.snapshot(Deadline.after(60))


@pytest.mark.parametrize("manner", ["silent", "slow"])
def test_a_silent_endpoint_takes_a_moment_and_not_its_part_of_the_deadline(
    monkeypatch: pytest.MonkeyPatch, manner: str
) -> None:
    monkeypatch.setattr(etcd_client, "_PATIENCE", 0.5)
    other, good = Endpoint(workers=WORKERS[:1]), Endpoint()
    other.manner = manner  # for 20 seconds; then it has something else to say
    with running(other, good), membership(other.host, good.host) as found:
        assert found.snapshot(Deadline.after(600, 300)).workers == WORKERS


def test_a_watch_may_be_silent_for_as_long_as_is_said_however_many_endpoints_there_are() -> None:
    endpoint = Endpoint(watch=(200, [(0, _CREATED), (1.5, _CHANGED)]))
    others = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    client = EtcdClient([f"http://{endpoint.host}", *others], {})
    with running(endpoint):
        changes = client.changes("/ServiceDiscovery/", 7, idle=6.0)
        assert (next(changes), next(changes)) == (False, True)
        client.close()


def test_watches_that_end_at_once_are_not_begun_one_after_the_other() -> None:
    endpoint = Endpoint(watch=(200, []))
    with running(endpoint), membership(endpoint.host, refresh=0.4) as found:
        found.snapshot(Deadline.after(60))
        assert eventually(lambda: len(endpoint.questions("/v3/watch")) > 3, 60)
        begun = endpoint.questions("/v3/watch")
        # Each may come late to the endpoint, so that one of the pauses alone shows little.
        assert begun[3] - begun[0] > 0.4, "at least 3 times 0.4 seconds, from the beginning of one to the next"


def test_where_nothing_can_be_watched_it_is_said_once_and_read_again(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint(watch=(501, []))
    with running(endpoint), membership(endpoint.host) as found, caplog.at_level(logging.INFO):
        found.snapshot(Deadline.after(60))
        assert eventually(lambda: len(endpoint.questions("/v3/watch")) > 2, 60)
        endpoint.workers = WORKERS[:1]
        assert eventually(lambda: found.known().workers == WORKERS[:1], 60)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_what_is_set_wrongly_is_no_etcd_that_is_not_there() -> None:
    with membership("127.0.0.1", tls={"ca": "/nowhere/ca.pem"}) as found:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="etcd_tls"):
                found.snapshot(Deadline.after(5))


@pytest.mark.parametrize(
    ("hosts", "tls"), [("http://h", {"ca": "ca.pem"}), ("h", {"ca": "ca.pem", "key": "key.pem"})], ids=["http", "key"]
)
def test_tls_that_would_not_be_used_as_it_is_said_is_an_error(hosts: str, tls: Any) -> None:
    with pytest.raises(ConfigurationError, match="etcd_tls"):
        EtcdMembership.Settings(hosts, tls=tls)
