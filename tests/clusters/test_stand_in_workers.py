"""What stand-in workers hold, who of them is in charge, and what they go on believing."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List

import fsspec
import pytest

from alluxiofs.interfaces import Deadline
from alluxiofs.plugins.membership_etcd import EtcdMembership
from alluxiofs.testing import StandInCluster, make_context
from alluxiofs.testing.stand_in_workers import StandInWorker, file_id
from tests.clusters.etcd import etcd

DATA = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    (made / "inner").mkdir(parents=True)
    for number in range(20):
        (made / "inner" / f"{number}.bin").write_bytes(DATA[number:])
    return made


@pytest.fixture(params=[False, True], ids=["threads", "processes"])
def cluster(request: pytest.FixtureRequest, folder: Path) -> Iterator[StandInCluster]:
    with StandInCluster(folder, workers=2, page_size="4KB", processes=request.param) as made:
        yield made


def get(worker: StandInWorker, target: str) -> bytes:
    connection = http.client.HTTPConnection(worker.worker.host, worker.worker.http_port, timeout=10)
    try:
        connection.request("GET", target)
        return connection.getresponse().read()
    finally:
        connection.close()


def info(worker: StandInWorker, url: str) -> Any:
    return json.loads(get(worker, f"/v1/info?path={url}"))[0]


def test_files_are_held_by_the_worker_in_charge_and_no_other(cluster: StandInCluster) -> None:
    cluster.load_all()
    kept = [worker.kept_pages() for worker in cluster.workers]
    assert sum(kept) == 20 * 3
    assert all(kept), "with twenty files each of two workers has some"
    for number in range(20):
        name = f"inner/{number}.bin"
        owner = cluster.in_charge(name)
        for worker in cluster.workers:
            assert worker.kept_pages(name) == (3 if worker is owner else 0)
        assert get(owner, f"/v1/file/{file_id(cluster.url(name))}/page/2") == DATA[number:][8192:]


def test_a_page_that_is_not_held_is_not_fetched(cluster: StandInCluster) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        get(cluster.in_charge("inner/1.bin"), f"/v1/file/{file_id(cluster.url('inner/1.bin'))}/page/0")


def test_what_was_once_seen_stays_whichever_worker_is_asked_until_it_is_dropped(
    cluster: StandInCluster, folder: Path
) -> None:
    name, url = "inner/1.bin", cluster.url("inner/1.bin")
    cluster.load(name)
    assert info(cluster.workers[0], url)["mLength"] == len(DATA) - 1
    (folder / name).write_bytes(b"new")
    assert [info(worker, url)["mLength"] for worker in cluster.workers] == [len(DATA) - 1] * 2
    page = f"/v1/file/{file_id(url)}/page/0"
    assert get(cluster.in_charge(name), page) == DATA[1:4097]
    cluster.drop(name)
    assert [info(worker, url)["mLength"] for worker in cluster.workers] == [3, 3]
    cluster.load(name)
    assert get(cluster.in_charge(name), page) == b"new"


def test_dropping_a_directory_drops_what_is_in_it(cluster: StandInCluster) -> None:
    cluster.load_all()
    cluster.drop("inner")
    assert [worker.kept_pages() for worker in cluster.workers] == [0, 0]


def test_where_the_worker_in_charge_is_dead_the_other_looks_for_itself(cluster: StandInCluster) -> None:
    owner = cluster.in_charge("inner/1.bin")
    other = next(worker for worker in cluster.workers if worker is not owner)
    owner.kill()
    assert info(other, cluster.url("inner/1.bin"))["mLength"] == len(DATA) - 1


def test_load_jobs_come_to_their_end_and_the_pages_to_their_workers(cluster: StandInCluster) -> None:
    target = f"/v1/load?path={cluster.url('inner')}&opType="
    assert json.loads(get(cluster.workers[0], target + "submit"))["success"]
    cluster.await_jobs()
    assert json.loads(get(cluster.workers[1], target + "progress"))["jobState"] == "SUCCEEDED"
    assert sum(worker.kept_pages() for worker in cluster.workers) == 20 * 3


def test_without_a_master_nothing_is_ever_said_of_load_jobs(folder: Path) -> None:
    with StandInCluster(folder, workers=1, master=False) as cluster:
        worker = cluster.workers[0]
        connection = http.client.HTTPConnection(worker.worker.host, worker.worker.http_port, timeout=0.1)
        connection.request("GET", f"/v1/load?path={cluster.url()}&opType=submit")
        with pytest.raises(socket.timeout):
            connection.getresponse()
        connection.close()
        with pytest.raises(ValueError, match="without a master"):
            cluster.await_jobs()


def test_any_fsspec_filesystem_can_be_the_under_store() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/stand-in/dir/x.bin", DATA)
    try:
        with StandInCluster(memory, folder="/stand-in", workers=1) as cluster:
            cluster.load("dir/x.bin")
            url = cluster.url("dir/x.bin")
            assert url == "memory:///stand-in/dir/x.bin"
            assert get(cluster.workers[0], f"/v1/file/{file_id(url)}/page/0") == DATA
            listed = json.loads(get(cluster.workers[0], "/v1/files?path=/dir"))
            assert [(one["mPath"], one["mLength"]) for one in listed] == [("/dir/x.bin", len(DATA))]
        with pytest.raises(ValueError, match="no other has"):
            StandInCluster(memory, folder="/stand-in", processes=True)
    finally:
        memory.rm("/stand-in", recursive=True)


def test_a_cluster_leaves_no_threads_of_its_own(folder: Path) -> None:
    with StandInCluster(folder) as cluster:
        idle = [http.client.HTTPConnection(one.host, one.http_port, timeout=10) for one in cluster.members]
        for connection in idle:
            connection.request("GET", "/v1/health")
            connection.getresponse().read()
    deadline = time.monotonic() + 60
    left: List[str] = ["not looked yet"]
    while left and time.monotonic() < deadline:
        left = [thread.name for thread in threading.enumerate() if thread.name.startswith("stand-in")]
        time.sleep(0.01)
    for connection in idle:
        connection.close()
    assert not left


def test_what_cannot_be_a_cluster_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="dialect='grpc'"):
        StandInCluster(folder, dialect="grpc")
    with pytest.raises(ValueError, match="workers=0"):
        StandInCluster(folder, workers=0)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        StandInCluster(folder / "missing")


def test_workers_are_found_in_etcd_as_real_ones_are(folder: Path, tmp_path: Path) -> None:
    with etcd(tmp_path) as server, StandInCluster(folder) as cluster:
        for key, value in cluster.etcd_records().items():
            server.put(key, value, server.lease(60))
        membership = EtcdMembership(EtcdMembership.Settings([server.host]), make_context())
        try:
            found = membership.snapshot(Deadline.after(10))
        finally:
            membership.close()
        assert {(one.identity, one.http_port) for one in found.workers} == {
            (one.identity, one.http_port) for one in cluster.members
        }
