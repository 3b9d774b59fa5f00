"""What the transport makes of workers of the newer dialect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.errors import BadAnswerError, UnavailableError
from alluxiofs.interfaces import Worker
from alluxiofs.testing.stand_in_workers import faults
from tests.clusters.transports import (
    DATA,
    MakeCluster,
    MakeTransport,
    Reader,
    at,
    filesystem,
    make_cluster,
    make_transport,
    soon,
)

__all__ = ["make_cluster", "make_transport"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, OSError),
        (401, PermissionError),
        (403, PermissionError),
        (404, FileNotFoundError),
        (409, FileExistsError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (302, BadAnswerError),
    ],
)
def test_statuses_are_errors_with_what_the_worker_says(
    make_cluster: MakeCluster, make_transport: MakeTransport, status: int, error: type
) -> None:
    cluster, transport = make_cluster("rest"), make_transport(dialect="rest")
    cluster.fail("info", faults.Status(status, b'{"message": "so it is"}'))
    with pytest.raises(error, match="so it is"):
        transport.stat(cluster.members[0], at(cluster, "b.bin"), soon())


@pytest.mark.parametrize(
    "fault", [faults.RangeIgnored(), faults.OtherRange(1), faults.Short(), faults.Long(), faults.Truncate()]
)
def test_another_range_is_not_taken(
    make_cluster: MakeCluster, make_transport: MakeTransport, fault: faults.Fault
) -> None:
    cluster = make_cluster("rest")
    reader = Reader(make_transport(dialect="rest"), cluster)
    cluster.fail("data", fault)
    with pytest.raises(BadAnswerError):
        reader.read(100, 1000)


def test_a_redirect_is_followed_to_a_member(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest", workers=2, load=False, redirect_data=True)
    transport = make_transport(cluster.members, dialect="rest", headers={"authorization": "t"})
    for number in (0, 1):
        assert Reader(transport, cluster, number).read() == DATA
    assert cluster.requests["data"] == 3


def test_a_redirect_to_anybody_else_is_not(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest", workers=2)
    reader = Reader(make_transport(cluster.members[:1], dialect="rest"), cluster)
    other = cluster.members[1]
    for location in (
        f"http://127.0.0.1:{other.data_port}/mnt/b.bin",
        f"https://127.0.0.1:{cluster.members[0].data_port}/mnt/b.bin",
        f"//127.0.0.1:{other.data_port}/mnt/b.bin",
        "mnt/b.bin",
        "",
        "http://[::1/",
    ):
        cluster.workers[0].fail("data", faults.Redirect(location), times=1)
        with pytest.raises(BadAnswerError, match="none of the workers"):
            reader.read()
    assert cluster.workers[1].requests == {}


def test_a_redirect_that_names_nobody_is_to_whoever_sends_it(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster = make_cluster("rest", workers=2)
    reader = Reader(make_transport(cluster.members, dialect="rest"), cluster)
    cluster.workers[0].fail("data", faults.Redirect("/mnt/b.bin?again=1"), times=1)
    assert reader.read() == DATA
    assert [seen.target for seen in cluster.workers[0].seen if seen.route == "data"][1:] == ["/mnt/b.bin?again=1"]
    cluster.workers[0].fail("data", faults.Redirect("/mnt/b.bin"))
    with pytest.raises(BadAnswerError, match="again and again"):
        reader.read()


def test_redirects_in_a_circle_end(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest")
    reader = Reader(make_transport(cluster.members, dialect="rest"), cluster)
    cluster.fail("data", faults.Redirect(f"http://127.0.0.1:{cluster.members[0].data_port}/mnt/b.bin"))
    with pytest.raises(BadAnswerError, match="again and again"):
        reader.read()


def test_without_a_data_port_pages_are_read(make_cluster: MakeCluster, make_transport: MakeTransport) -> None:
    cluster = make_cluster("rest")
    reader = Reader(make_transport(dialect="rest"), cluster)
    cluster.fail("data", faults.Status(405))
    assert reader.read() == DATA
    assert cluster.requests["page"] >= 6


def test_behind_a_balancer_the_owner_is_asked_for_once_a_file(
    make_cluster: MakeCluster, make_transport: MakeTransport
) -> None:
    cluster = make_cluster("rest", workers=2, load=False)
    balancer = Worker(
        cluster.members[0].identity,
        "127.0.0.1",
        cluster.members[0].http_port,
        cluster.in_charge("b.bin").worker.data_port,
        {"domain": "127.0.0.1"},
    )
    transport = make_transport([balancer], dialect="rest")
    location = at(cluster, "b.bin")
    version = transport.stat(balancer, location, soon()).version
    for _ in range(5):
        buffer = bytearray(100)
        transport.read_into(balancer, location, version, 0, memoryview(buffer), soon())
        assert buffer == DATA[:100]
    assert cluster.requests["node"] == 1
    assert cluster.in_charge("b.bin").requests["data"] == 5


def test_a_change_drops_what_the_cluster_holds_and_nothing_else(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    fs = filesystem(cluster)
    assert fs.cat_file(f"{tmp_path}/b.bin") == DATA
    fs.pipe_file(f"{tmp_path}/b.bin", b"new")
    assert [worker.kept_pages("b.bin") for worker in cluster.workers] == [0, 0]
    assert (tmp_path / "b.bin").read_bytes() == b"new"
    assert fs.cat_file(f"{tmp_path}/b.bin") == b"new"


# --- what may be missing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "left_out", ["mName", "mUfsPath", "mPath", "mLastModificationTimeMs", "mContentHash", "mOwner"]
)
def test_a_description_may_leave_things_out(make_cluster: MakeCluster, tmp_path: Path, left_out: str) -> None:
    cluster = make_cluster("rest", workers=1)
    url = cluster.url("b.bin")
    said = {
        "mType": "file",
        "mName": "b.bin",
        "mPath": "/mnt/b.bin",
        "mUfsPath": url,
        "mLength": len(DATA),
        "mLastModificationTimeMs": int((tmp_path / "b.bin").stat().st_mtime * 1000),
        "mContentHash": "x",
        "mOwner": "me",
    }
    del said[left_out]
    for route in ("info", "files"):
        cluster.fail(route, faults.Status(200, json.dumps([said]).encode()))
    fs = AlluxioFileSystem(skip_instance_cache=True, page_store=None, **cluster.arguments)
    assert fs.info(url)["size"] == len(DATA)
    assert fs.ls(cluster.url()) == [url]
    assert fs.cat_file(url) == DATA


def test_a_worker_that_does_not_tell_the_time_is_not_believed_beside_an_under_store(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster("rest", workers=2)
    said = {"mType": "file", "mName": "b.bin", "mPath": "/mnt/b.bin", "mUfsPath": cluster.url("b.bin")}
    cluster.fail("info", faults.Status(200, json.dumps([{**said, "mLength": len(DATA)}]).encode()))
    (tmp_path / "b.bin").write_bytes(DATA[::-1])
    fs = filesystem(cluster)
    assert fs.cat_file(f"{tmp_path}/b.bin") == DATA[::-1], "of the same length, and they hold what was there before"
    assert fs.describe()["counters"]["bytes_from_workers"] == 0
