"""What filesystems of one process share of a cluster, and what a worker is not blamed for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Dict, List, Mapping

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.errors import NoTurnError
from alluxiofs.gateway import breaker
from alluxiofs.gateway.breaker import blames
from alluxiofs.interfaces import Deadline, Workers
from alluxiofs.policies.consistent_hash import ConsistentHash
from alluxiofs.testing import RecordingTelemetry
from alluxiofs.testing.guards import eventually
from alluxiofs.testing.stand_in_workers import faults
from tests.clusters.transports import (
    DATA,
    MakeCluster,
    MakeTransport,
    Reader,
    filesystem,
    make_cluster,
    make_transport,
)

__all__ = ["make_cluster", "make_transport"]


# --- writes -------------------------------------------------------------------------------------------------------


def test_a_worker_that_hangs_holds_up_one_write_and_no_other(
    make_cluster: MakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "_FIRST_PAUSE", 30.0)  # the next write comes before, however busy the machine is
    cluster = make_cluster("rest", workers=2)
    fs = filesystem(cluster, deadline="2s", metadata_ttl=0)
    fs.info(f"{tmp_path}/b.bin")
    hung, well = cluster.workers
    hung.fail("rm", faults.Stall())
    fs.pipe_file(f"{tmp_path}/b.bin", b"new")
    assert hung.requests["rm"] == 1
    assert well.kept_pages("b.bin") == 0
    fs.pipe_file(f"{tmp_path}/b.bin", b"newer")
    assert hung.requests["rm"] == 1, "its breaker is open"
    assert well.requests["rm"] == 2
    assert fs.cat_file(f"{tmp_path}/b.bin") == b"newer"


def test_every_change_of_a_file_drops_it(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    fs, path, other = filesystem(cluster), f"{tmp_path}/b.bin", f"{tmp_path}/c.bin"

    def held() -> List[int]:
        return [worker.kept_pages("b.bin") for worker in cluster.workers]

    def load() -> None:
        for worker in cluster.workers:
            worker.load("b.bin")
        assert all(held())

    load()
    with fs.open(path, "wb") as file:
        file.write(b"written")
    assert held() == [0, 0]
    load()
    with fs.open(path, "ab") as file:
        file.write(b" and more")
    assert held() == [0, 0]
    (tmp_path / "c.bin").write_bytes(b"another")
    load()
    fs.cp(other, path)
    assert held() == [0, 0]
    load()
    fs.mv(other, path)
    assert held() == [0, 0]
    load()
    fs.rm(path, remove_alluxio_only=True)
    assert held() == [0, 0]
    assert fs.cat_file(path) == b"another"
    load()
    fs.rm(path)
    assert held() == [0, 0]
    assert not (tmp_path / "b.bin").exists()


# --- headers ------------------------------------------------------------------------------------------------------


class Tracing(RecordingTelemetry):
    """A telemetry in whose trace everything happens."""

    traces = True

    def headers(self) -> Mapping[str, str]:
        return {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_workers_are_told_the_trace(make_cluster: MakeCluster, tmp_path: Path, dialect: str) -> None:
    cluster = make_cluster(dialect)
    fs = filesystem(cluster, telemetry=Tracing(), headers={"x-token": "t"})
    assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    fs.pipe_file(f"{tmp_path}/b.bin", b"new")
    seen = cluster.workers[0].seen
    assert {one.headers.get("traceparent") for one in seen} == set(Tracing().headers().values())
    assert {one.headers.get("x-token") for one in seen} == {"t"}
    assert {one.route for one in seen} >= ({"page", "info"} if dialect == "pages" else {"data", "info", "rm"})


def test_without_a_trace_they_are_told_nothing(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster()
    fs = filesystem(cluster, telemetry=RecordingTelemetry())
    assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    assert not any("traceparent" in one.headers for one in cluster.workers[0].seen)


# --- blame --------------------------------------------------------------------------------------------------------


def test_no_worker_is_blamed_for_connections_that_are_in_use_here(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster = make_cluster("pages")
    transport = make_transport(dialect="pages", max_connections=1)
    reader = Reader(transport, cluster)
    cluster.workers[0].hang()
    slow = threading.Thread(target=lambda: reader.read(0, 100))
    slow.start()
    try:
        assert eventually(lambda: cluster.workers[0].open_connections == 1, 60)
        with pytest.raises(NoTurnError, match="all connections are in use") as caught:
            transport.stat(reader.worker, reader.location, Deadline.after(0.1))
    finally:
        cluster.workers[0].revive()
        slow.join()
    assert isinstance(caught.value, TimeoutError)
    assert not blames(caught.value)


# --- rings --------------------------------------------------------------------------------------------------------

made: List[Workers] = []


class Counted(ConsistentHash):
    """A ring that is counted."""

    name = "counted"

    def __init__(self, workers: Workers, settings: Any = None, context: Any = None) -> None:
        made.append(workers)
        super().__init__(workers, settings, context)


def test_a_ring_is_built_once_for_all_filesystems_with_the_same_workers() -> None:
    del made[:]
    same: Dict[str, Any] = {"policy": Counted, "target_protocol": "memory", "worker_hosts": "h1,h2,h3"}

    def ranked(**arguments: Any) -> Any:
        fs = AlluxioFileSystem(skip_instance_cache=True, **{**same, **arguments})
        return fs, fs.gateway.workers_of(fs.gateway.locate("/file"))

    first, others = ranked(), [ranked(timeout=7), ranked(metadata_ttl=3), ranked(headers={"x": "y"})]
    assert len(made) == 1
    assert all(other[1] == first[1] for other in others)
    ranked(worker_hosts="h1,h2")
    assert len(made) == 2
