"""What stand-in workers do that are told to go wrong: seen by a client that only knows HTTP."""

from __future__ import annotations

import http.client
import socket
import time
from pathlib import Path
from typing import Iterator, Tuple

import pytest

from alluxiofs.testing import StandInCluster
from alluxiofs.testing.guards import eventually
from alluxiofs.testing.stand_in_workers import StandInWorker, faults, file_id

DATA = bytes(range(256)) * 40
PAGE = 4096
_Answer = Tuple[int, bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("store")
    (made / "data.bin").write_bytes(DATA)
    return made


@pytest.fixture(params=[False, True], ids=["threads", "process"], scope="module")
def running(request: pytest.FixtureRequest, folder: Path) -> Iterator[StandInCluster]:
    with StandInCluster(folder, workers=1, page_size=PAGE, processes=request.param) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: StandInCluster) -> StandInCluster:
    running.recover()
    running.drop()
    running.load("data.bin")
    running.forget_record()
    return running


@pytest.fixture
def worker(cluster: StandInCluster) -> StandInWorker:
    return cluster.workers[0]


def page_target(cluster: StandInCluster, offset: int = 100, length: int = 1000) -> str:
    return f"/v1/file/{file_id(cluster.url('data.bin'))}/page/1?offset={offset}&length={length}"


def ask(worker: StandInWorker, target: str, timeout: float = 10) -> _Answer:
    connection = http.client.HTTPConnection(worker.worker.host, worker.worker.http_port, timeout=timeout)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_without_a_fault_a_range_of_a_page_is_answered(cluster: StandInCluster, worker: StandInWorker) -> None:
    assert ask(worker, page_target(cluster)) == (200, DATA[PAGE + 100 : PAGE + 1100])


def test_a_status(cluster: StandInCluster, worker: StandInWorker) -> None:
    worker.fail("page", faults.Status(503, b"busy"))
    assert ask(worker, page_target(cluster)) == (503, b"busy")


@pytest.mark.parametrize("fault", [faults.Close(), faults.Reset(), faults.Reset(after=20)])
def test_a_connection_that_ends(cluster: StandInCluster, worker: StandInWorker, fault: faults.Fault) -> None:
    worker.fail("page", fault)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(worker, page_target(cluster))


@pytest.mark.parametrize(("fault", "arrives"), [(faults.Truncate(), 500), (faults.Truncate(7), 7)])
def test_a_body_that_ends_early(
    cluster: StandInCluster, worker: StandInWorker, fault: faults.Fault, arrives: int
) -> None:
    worker.fail("page", fault)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(worker, page_target(cluster))
    assert caught.value.partial == DATA[PAGE + 100 :][:arrives]


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (faults.Short(10), DATA[PAGE + 100 : PAGE + 1090]),
        (faults.Long(3), DATA[PAGE + 100 : PAGE + 1100] + b"\xee" * 3),
        (faults.OtherBody(b"<html>"), b"<html>"),
        (faults.RangeIgnored(), DATA[PAGE : 2 * PAGE]),
        (faults.OtherRange(50), DATA[PAGE + 150 : PAGE + 1150]),
        (faults.Slow(20_000), DATA[PAGE + 100 : PAGE + 1100]),
        (faults.Stall(0.05), DATA[PAGE + 100 : PAGE + 1100]),
        (faults.Stall(0.05, after=10), DATA[PAGE + 100 : PAGE + 1100]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, faults.Fault) else "",
)
def test_a_body_that_comes_another_way(
    cluster: StandInCluster, worker: StandInWorker, fault: faults.Fault, body: bytes
) -> None:
    worker.fail("page", fault)
    assert ask(worker, page_target(cluster)) == (200, body)


def test_a_slow_body_takes_its_time(cluster: StandInCluster, worker: StandInWorker) -> None:
    worker.fail("page", faults.Slow(5000))
    began = time.monotonic()
    ask(worker, page_target(cluster))
    assert time.monotonic() - began > 0.18, "1000 bytes at 5000 a second"


@pytest.mark.parametrize("fault", [faults.Stall(), faults.Stall(after=10)])
def test_a_stall_lasts_until_the_client_goes(
    cluster: StandInCluster, worker: StandInWorker, fault: faults.Fault
) -> None:
    worker.fail("page", fault)
    with pytest.raises(socket.timeout):
        ask(worker, page_target(cluster), timeout=0.1)
    assert eventually(lambda: worker.open_connections == 0, 60)


def test_what_is_no_http(cluster: StandInCluster, worker: StandInWorker) -> None:
    worker.fail("page", faults.Garbage())
    with pytest.raises(http.client.BadStatusLine):
        ask(worker, page_target(cluster))


def test_a_redirect(cluster: StandInCluster, worker: StandInWorker) -> None:
    worker.fail("info", faults.Redirect("http://127.0.0.1:1/v1/info"))
    assert ask(worker, "/v1/info?path=/data.bin") == (307, b"")


def test_a_fault_is_for_its_route_and_as_many_times_as_said(cluster: StandInCluster, worker: StandInWorker) -> None:
    worker.fail("page", faults.Status(500), times=2, skip=1)
    assert ask(worker, "/v1/health")[0] == 200
    assert [ask(worker, page_target(cluster))[0] for _ in range(4)] == [200, 500, 500, 200]


def test_a_fault_can_be_for_some_targets_only(cluster: StandInCluster, worker: StandInWorker) -> None:
    worker.fail("*", faults.Status(500), matching="offset=7&")
    assert ask(worker, page_target(cluster, 7))[0] == 500
    assert ask(worker, page_target(cluster, 8))[0] == 200


def test_faults_end_with_their_block(cluster: StandInCluster, worker: StandInWorker) -> None:
    with worker.failing("page", faults.Status(500)):
        assert ask(worker, page_target(cluster))[0] == 500
    assert ask(worker, page_target(cluster))[0] == 200


def test_requests_and_connections_are_counted(cluster: StandInCluster, worker: StandInWorker) -> None:
    worker.fail("info", faults.Close(), times=1)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(worker, "/v1/info?path=/data.bin")
    ask(worker, page_target(cluster))
    ask(worker, page_target(cluster))
    assert (worker.requests, worker.connections) == ({"info": 1, "page": 2}, 3)
    assert worker.seen[0][:3:2] == ("info", "/v1/info?path=/data.bin")
    assert worker.seen[0].headers["accept-encoding"] == "identity"
    worker.forget_record()
    assert (worker.requests, worker.connections, worker.seen) == ({}, 0, [])


def test_a_killed_worker_refuses_and_comes_back_at_its_place_with_what_it_held(
    cluster: StandInCluster, worker: StandInWorker
) -> None:
    idle = http.client.HTTPConnection(worker.worker.host, worker.worker.http_port, timeout=10)
    idle.request("GET", "/v1/health")
    idle.getresponse().read()
    worker.kill()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        idle.request("GET", "/v1/health")
        idle.getresponse()
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        ask(worker, "/v1/health")
    worker.revive()
    assert ask(worker, page_target(cluster))[0] == 200


def test_nobody_else_gets_the_place_of_a_killed_worker_until_its_cluster_is_stopped(folder: Path) -> None:
    """Whoever looks for a free port would have it, and answer where a test says that nobody does."""
    with StandInCluster(folder, workers=1) as cluster:
        worker = cluster.workers[0]
        place = (worker.worker.host, worker.worker.http_port)
        for _ in range(2):
            worker.kill()
            worker.kill()
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(place)
            worker.revive()
            assert ask(worker, "/v1/health")[0] == 200
        worker.kill()
    socket.create_server(place).close()


def test_a_worker_that_hangs_takes_requests_and_answers_when_it_is_revived(
    cluster: StandInCluster, worker: StandInWorker
) -> None:
    worker.hang()
    with pytest.raises(socket.timeout):
        ask(worker, "/v1/health", timeout=0.1)
    waiting = http.client.HTTPConnection(worker.worker.host, worker.worker.http_port, timeout=10)
    waiting.request("GET", "/v1/health")
    worker.revive()
    assert waiting.getresponse().read() == b"worker is active"
    waiting.close()
