from __future__ import annotations

import os
import re
import socket
import threading
import time
from typing import Any, Callable, Dict, Iterator, List
from uuid import uuid4

import fsspec
import pytest
from alluxiofs.interfaces import Call, Event, Telemetry
from alluxiofs.testing import CountingTelemetryContract, WatchingTelemetryContract, make_context

from alluxiofs_statsd import StatsdTelemetry


class Server:
    """A socket that datagrams come to."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self.lines: List[str] = []

    def received(self) -> List[str]:
        """All that has come."""
        while True:
            try:
                self.lines.append(self._socket.recv(65536).decode())
            except BlockingIOError:
                return self.lines

    def total(self, name: str) -> int:
        """The sum of a counter, or how often a timer was sent; of a gauge the last value."""
        found = [line.partition(":")[2].partition("|")[::2] for line in self.received() if line.startswith(f"{name}:")]
        if found and found[0][1] == "g":
            return int(found[-1][0])
        return sum(1 if kind == "ms" else int(value) for value, kind in found)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    listening = Server()
    yield listening
    listening.close()


def make(server: Server, **settings: Any) -> StatsdTelemetry:
    return StatsdTelemetry(StatsdTelemetry.Settings(port=server.port, **settings), make_context())


class TestStatsd(CountingTelemetryContract, WatchingTelemetryContract):
    @pytest.fixture
    def make(self, server: Server) -> Callable[[], Telemetry]:
        return lambda: make(server, interval=0.0)

    @pytest.fixture
    def count(self, server: Server) -> Callable[[Telemetry, str, str], int]:
        def counted(telemetry: Telemetry, method: str, state: str) -> int:
            return server.total(f"alluxiofs.worker.{method}.{state}")

        return counted

    @pytest.fixture
    def counter(self, server: Server) -> Callable[[Telemetry, str, str], int]:
        def said(telemetry: Telemetry, name: str, counter: str) -> int:
            telemetry.record_event(Event("retry", "timeout"))
            return server.total(f"alluxiofs.{name}.{counter}")

        return said

    def test_none_is_lost_among_threads(self, make: Any, count: Any) -> None:
        """Datagrams are lost when nobody takes them; the threads are fewer than the buffer holds."""
        telemetry = make()
        for _ in range(100):
            telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
        assert count(telemetry, "read", "ok") == 100
        telemetry.close()


def test_the_datagrams(server: Server) -> None:
    telemetry = make(server, prefix="prod.reader")
    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.0125, 4096))
    telemetry.record_call(Call("under_store", "s3", "info", "not_found", 0.002))
    telemetry.record_event(Event("fallback", "odd: reason|", "worker-1"))
    telemetry.close()
    assert server.received() == [
        "prod.reader.worker.read.ok:12.500|ms",
        "prod.reader.worker.read.bytes:4096|c",
        "prod.reader.s3.info.not_found:2.000|ms",
        "prod.reader.fallback.odd_reason_:1|c",
    ]


def test_counters_are_sent_by_how_much_they_have_grown(server: Server) -> None:
    numbers: Dict[str, int] = {"hits": 3, "pages": 7}
    telemetry = make(server)
    telemetry.watch("page_store", lambda: numbers)
    telemetry.record_event(Event("retry", "timeout"))
    numbers.update(hits=5, pages=6)
    telemetry.close()
    shown = [line for line in server.received() if "page_store" in line]
    assert shown == [
        "alluxiofs.page_store.hits:3|c",
        "alluxiofs.page_store.pages:7|g",
        "alluxiofs.page_store.hits:2|c",
        "alluxiofs.page_store.pages:6|g",
    ]


def test_with_others_at_a_filesystem(server: Server) -> None:
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="memory",
        page_store={"name": "memory", "capacity": "8MB"},
        telemetry=[{"name": "statsd", "port": server.port, "interval": 0.0}, {"name": "statsd", "port": server.port}],
        skip_instance_cache=True,
    )
    path = f"/statsd/{uuid4().hex}"
    fs.pipe_file(path, b"0123456789")
    assert [fs.cat_file(path) for _ in range(2)] == [b"0123456789"] * 2
    assert server.total("alluxiofs.fsspec.write.bytes") == 20, "10 bytes, told by both"
    assert fs.describe()["telemetry"][0]["package"] == "alluxiofs-statsd"
    assert not [line for line in server.received() if re.search(r"statsd/|[0-9a-f]{32}", line)], "no path in any name"


def test_nobody_listens(server: Server) -> None:
    telemetry = make(server)
    server.close()
    for _ in range(10):
        telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    telemetry.close()


def test_of_the_addresses_of_a_name_it_is_that_of_ipv4(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, port: int, **more: Any) -> Any:
        return [
            (socket.AF_INET6, socket.SOCK_DGRAM, 0, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, 0, "", ("127.0.0.1", port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    telemetry = make(server, host="localhost")
    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    telemetry.close()
    assert server.total("alluxiofs.worker.read.ok") == 1


def test_a_name_is_looked_up_and_what_was_said_meanwhile_is_sent(server: Server) -> None:
    telemetry = make(server, host="localhost")
    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    telemetry.close()
    assert server.total("alluxiofs.worker.read.ok") == 2


def test_nobody_waits_for_a_name_that_is_looked_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, real = threading.Event(), socket.getaddrinfo

    def slow(*arguments: Any, **more: Any) -> Any:
        assert answered.wait(60)
        return real("127.0.0.1", server.port, type=socket.SOCK_DGRAM)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    telemetry = make(server, host="statsd.example")
    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    assert not server.received()
    answered.set()
    telemetry.close()
    assert server.total("alluxiofs.worker.read.ok") == 1


def test_a_name_that_is_unknown_is_looked_up_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("alluxiofs_statsd._AGAIN", 0.0)
    answers: List[Any] = [socket.gaierror("who is that?"), socket.getaddrinfo("127.0.0.1", server.port)]

    def look_up(*arguments: Any, **more: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", answer[0][4])]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    telemetry = make(server, host="statsd.example")
    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    while len(answers) == 2 or telemetry._finder is not None:
        time.sleep(0.01)
    assert "nothing is sent to StatsD at statsd.example: who is that?" in caplog.text
    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    telemetry.close()
    assert server.total("alluxiofs.worker.read.ok") == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_tells_what_it_did_and_nothing_of_its_parent(server: Server) -> None:
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="memory",
        page_store={"name": "memory", "capacity": "9MB"},
        telemetry={"name": "statsd", "port": server.port, "interval": 0.0},
        skip_instance_cache=True,
    )
    path = f"/statsd/{uuid4().hex}"
    fs.pipe_file(path, b"0123456789")
    assert [fs.cat_file(path) for _ in range(4)] == [b"0123456789"] * 4
    fs.exists(f"{path}-1")  # a call, at which the numbers are looked at
    child = os.fork()
    if not child:
        fs.cat_file(path)
        fs.exists(f"{path}-2")
        os._exit(0)
    os.waitpid(child, 0)
    fs.exists(f"{path}-3")
    from_where = ("page_store.hit_bytes", "gateway.bytes_from_under_stores")
    assert sum(server.total(f"alluxiofs.{name}") for name in from_where) == 50, (
        "four reads of the parent, one of the child"
    )


@pytest.mark.parametrize("port", [0, 65536])
def test_ports_that_cannot_be(port: int) -> None:
    with pytest.raises(ValueError, match="port"):
        fsspec.filesystem("alluxiofs", target_protocol="memory", telemetry={"name": "statsd", "port": port})
