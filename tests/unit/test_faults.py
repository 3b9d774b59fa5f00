"""The fault server and proxy do what their words say, seen through ordinary HTTP clients."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from typing import Dict, Iterator, Optional, Tuple

import pytest
import urllib3

from tests.faults import (
    Fault,
    FaultProxy,
    FaultServer,
    Reply,
    Request,
    Server,
    close,
    declare_length,
    drip,
    garbage,
    ignore_range,
    redirect,
    reset,
    stall,
    status,
    truncate,
    wrong_range,
)

CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=["server", "proxy"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server whose faults are its own, and one whose faults a proxy in front of it makes."""
    with FaultServer() as origin:
        origin.file("/data", CONTENT, {"ETag": '"v1"'})
        if request.param == "server":
            yield origin
        else:
            with FaultProxy(origin.host, origin.port) as proxy:
                yield proxy


@pytest.fixture
def origin() -> Iterator[FaultServer]:
    with FaultServer() as origin:
        origin.file("/data", CONTENT)
        yield origin


def get(
    server: Server, path: str = "/data", headers: Optional[Dict[str, str]] = None, timeout: float = 10
) -> Tuple[int, bytes]:
    """One GET over a connection of its own."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_serves_whole_files_ranges_and_heads_over_one_connection(server: Server) -> None:
    with urllib3.PoolManager(retries=False) as pool:
        whole = pool.request("GET", server.url("/data"))
        middle = pool.request("GET", server.url("/data"), headers={"Range": "bytes=10-19"})
        suffix = pool.request("GET", server.url("/data"), headers={"Range": "bytes=-5"})
        beyond = pool.request("GET", server.url("/data"), headers={"Range": f"bytes={len(CONTENT)}-"})
        head = pool.request("HEAD", server.url("/data"))
        missing = pool.request("GET", server.url("/other?a=%20b"))
    assert (whole.status, whole.data, whole.headers["ETag"]) == (200, CONTENT, '"v1"')
    assert (middle.status, middle.data) == (206, CONTENT[10:20])
    assert middle.headers["Content-Range"] == f"bytes 10-19/{len(CONTENT)}"
    assert suffix.data == CONTENT[-5:]
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
    assert (head.status, head.data, head.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))
    assert missing.status == 404
    assert server.count() == 6
    assert server.count("/data", method="HEAD") == 1
    assert server.connections == 1
    assert server.requests[1].headers["range"] == "bytes=10-19"
    assert (server.requests[5].path, server.requests[5].query) == ("/other", "a=%20b")


def test_a_rule_counts_what_it_meets(server: Server) -> None:
    second_and_third = server.fault(status(503), path="/data", skip=1, times=2)
    never = server.fault(status(500), method="DELETE")
    ranged = server.fault(
        status(429, b"slow down", {"Retry-After": "1"}), when=lambda r: "range" in r.headers, times=None
    )
    assert [get(server)[0] for _ in range(4)] == [200, 503, 503, 200]
    assert [get(server, headers={"Range": "bytes=0-0"}) for _ in range(2)] == [(429, b"slow down")] * 2
    assert (second_and_third.applied, never.applied, ranged.applied) == (2, 0, 2)
    server.clear()
    assert get(server, headers={"Range": "bytes=0-0"}) == (206, CONTENT[:1])
    assert server.count() == 1
    with pytest.raises(AssertionError, match="no request met"):
        never.wait(timeout=0.01)


@pytest.mark.parametrize("after", [0, 1, 5000, len(CONTENT) - 1])
def test_truncate_declares_all_and_sends_less(server: Server, after: int) -> None:
    server.fault(truncate(after))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server)
    assert caught.value.partial == CONTENT[:after]
    assert caught.value.expected == len(CONTENT) - after
    assert get(server) == (200, CONTENT)


@pytest.mark.parametrize("after", [None, 0, 1000])
def test_reset_breaks_the_connection(server: Server, after: Optional[int]) -> None:
    server.fault(reset(after))
    with pytest.raises(ConnectionResetError):
        get(server)


@pytest.mark.parametrize("after", [None, 0, 1000])
def test_stall_lasts_until_released(server: Server, after: Optional[int]) -> None:
    rule = server.fault(stall(after))
    errors = []

    def client() -> None:
        try:
            get(server)
        except (http.client.HTTPException, OSError) as error:
            errors.append(error)

    waiting = threading.Thread(target=client)
    waiting.start()
    rule.wait()
    assert waiting.is_alive()
    # The rule is met just before the stall begins, so that one release may come too early for it.
    while waiting.is_alive():
        server.release()
        waiting.join(0.01)
    assert len(errors) == 1
    assert get(server) == (200, CONTENT)


def test_stall_is_a_timeout_to_a_client_that_has_one(server: Server) -> None:
    server.fault(stall(100))
    with pytest.raises(socket.timeout):  # TimeoutError from Python 3.10 on
        get(server, timeout=0.05)


def test_the_end_of_the_server_ends_stalls_and_drips() -> None:
    with FaultServer() as server:
        server.file("/data", CONTENT)
        rules = [server.fault(stall(10)), server.fault(drip(1, 60.0))]
        clients = [threading.Thread(target=_ignore_errors, args=(server,)) for _ in rules]
        for client in clients:
            client.start()
        for rule in rules:
            rule.wait()
        begun = time.monotonic()
    for client in clients:
        client.join()
    assert time.monotonic() - begun < 30
    with pytest.raises(ConnectionRefusedError):
        get(server)


def _ignore_errors(server: Server) -> None:
    with contextlib.suppress(http.client.HTTPException, OSError):
        get(server, timeout=60)


def test_close_gives_no_answer(server: Server) -> None:
    server.fault(close())
    with pytest.raises(http.client.RemoteDisconnected):
        get(server)


def test_garbage_is_no_http(server: Server) -> None:
    server.fault(garbage())
    with pytest.raises(http.client.BadStatusLine):
        get(server)


def test_drip_is_whole_but_slow(server: Server) -> None:
    server.fault(drip(piece=2500, pause=0.02))
    begun = time.monotonic()
    assert get(server) == (200, CONTENT)
    assert time.monotonic() - begun >= 4 * 0.02


def test_declared_length_too_long_or_too_short(server: Server) -> None:
    server.fault(declare_length(len(CONTENT) + 1))
    with pytest.raises(http.client.IncompleteRead):
        get(server)
    server.fault(declare_length(7))
    assert get(server) == (200, CONTENT[:7])


def test_ignored_and_wrong_ranges(server: Server) -> None:
    server.fault(ignore_range())
    assert get(server, headers={"Range": "bytes=5-9"}) == (200, CONTENT)
    server.fault(wrong_range(3))
    with urllib3.PoolManager(retries=False) as pool:
        shifted = pool.request("GET", server.url("/data"), headers={"Range": "bytes=5-9"})
    assert (shifted.status, shifted.data) == (206, CONTENT[5:10])
    assert shifted.headers["Content-Range"] == f"bytes 8-12/{len(CONTENT)}"


def test_redirect_leads_elsewhere(server: Server) -> None:
    server.fault(redirect(server.url("/data?again")))
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", server.url("/data")).data == CONTENT
    assert [each.query for each in server.requests] == ["", "again"]


def test_chunked_bodies_both_ways(origin: FaultServer) -> None:
    origin.route("/echo", lambda request: Reply(body=request.body[::-1], chunked=True))
    with FaultProxy(origin.host, origin.port) as proxy:
        servers: Tuple[Server, ...] = (origin, proxy)
        for server in servers:
            connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
            connection.request("PUT", "/echo", body=iter([b"ab", b"c" * 100_000]), encode_chunked=True)
            response = connection.getresponse()
            assert response.getheader("Transfer-Encoding") == "chunked"
            assert response.read() == b"c" * 100_000 + b"ba"
            connection.request("HEAD", "/data")
            assert connection.getresponse().getheader("Content-Length") == str(len(CONTENT))
            connection.close()
    assert origin.requests[-2].body.startswith(b"abc")
    assert proxy.requests[0].body == b""


@pytest.mark.parametrize("performed", [True, False])
def test_a_lost_answer_to_a_write_that_was_done_or_was_not(origin: FaultServer, performed: bool) -> None:
    stored: Dict[str, bytes] = {}

    def store(request: Request) -> Reply:
        stored[request.path] = request.body
        return Reply(204)

    origin.route("*", store)
    with FaultProxy(origin.host, origin.port) as proxy:
        servers: Tuple[Tuple[Server, str], ...] = ((origin, "/direct"), (proxy, "/proxied"))
        for server, path in servers:
            server.fault(close(performed), method="PUT")
            connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
            connection.request("PUT", path, body=b"x", headers={"Expect": "100-continue"})
            with pytest.raises(http.client.RemoteDisconnected):
                connection.getresponse()
            connection.close()
    assert stored == ({"/direct": b"x", "/proxied": b"x"} if performed else {})


def test_many_clients_at_once(server: Server) -> None:
    rule = server.fault(truncate(10), times=5)
    results = []

    def client() -> None:
        try:
            results.append(get(server)[1] == CONTENT)
        except http.client.IncompleteRead:
            results.append(False)

    clients = [threading.Thread(target=client) for _ in range(20)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert results.count(True) == 15
    assert rule.applied == 5
    assert server.count() == server.connections == 20


def test_an_upstream_that_is_gone_is_a_closed_connection(origin: FaultServer) -> None:
    with FaultProxy(origin.host, origin.port) as proxy:
        origin.close()
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            get(proxy)


def test_faults_are_plain_values() -> None:
    assert truncate(3) == truncate(3) != truncate(4)
    assert Fault() == Fault()
