"""Filesystems whose workers are found in etcd or behind one name: what is read while they come, go and get lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.interfaces import Deadline
from alluxiofs.plugins.membership_etcd import EtcdMembership
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once, eventually
from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.clusters.etcd import Etcd, etcd
from tests.clusters.transports import DATA, MakeCluster, make_cluster
from tests.servers import free_port

__all__ = ["make_cluster"]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as running:
        yield running


def found_in(hosts: str, cluster: StandInCluster, **arguments: Any) -> Any:
    told = {name: value for name, value in cluster.arguments.items() if name != "worker_hosts"}
    told = {"target_protocol": "file", "etcd_hosts": hosts, "metadata_ttl": 0, "page_store": None, **told, **arguments}
    return AlluxioFileSystem(skip_instance_cache=True, **told)


def from_workers(fs: Any, path: str) -> bool:
    """Read a file; whether workers gave its bytes."""
    before = fs.describe()["counters"]["bytes_from_workers"]
    assert fs.cat_file(path) == DATA
    given = fs.describe()["counters"]["bytes_from_workers"] - before
    assert given in (0, len(DATA))
    return bool(given)


# --- etcd ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_workers_come_and_go_and_the_under_store_stays(make_cluster: MakeCluster, server: Etcd, dialect: str) -> None:
    cluster = make_cluster(dialect, workers=2)
    path = cluster.url("b.bin")
    fs = found_in(server.host, cluster)
    assert not from_workers(fs, path), "an empty cluster means the under store"
    server.become(cluster.members)
    assert eventually(lambda: len(fs.describe()["workers"]) == 2, 60)
    assert from_workers(fs, path)
    server.become(())
    assert eventually(lambda: fs.describe()["workers"] == [], 60)
    assert not from_workers(fs, path)
    server.become(cluster.members[1:])
    assert eventually(lambda: len(fs.describe()["workers"]) == 1, 60)
    assert from_workers(fs, path)
    server.stop()
    assert from_workers(fs, path), "the last workers stay"


def test_an_etcd_that_was_never_there_means_the_under_store(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    nowhere = f"127.0.0.1:{free_port()}"
    assert not from_workers(found_in(nowhere, cluster), cluster.url("b.bin"))
    alone = found_in(nowhere, cluster, target_protocol=None)
    with pytest.raises(ConnectionError, match="etcd cannot be asked"):
        alone.cat_file(cluster.url("b.bin"))


def test_another_endpoint_is_followed_when_one_is_lost(
    make_cluster: MakeCluster, server: Etcd, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cluster = make_cluster(workers=2)
    with etcd(tmp_path_factory.mktemp("other")) as other:
        for one in (server, other):
            one.become(cluster.members)
        found = EtcdMembership(EtcdMembership.Settings([server.host, other.host]), make_context())
        assert len(found.snapshot(Deadline.after(10)).workers) == 2
        server.stop()
        other.become(cluster.members[:1])
        assert eventually(lambda: found.known().workers == tuple(cluster.members[:1]), 60)
        other.become(cluster.members)
        assert eventually(lambda: len(found.known().workers) == 2, 60), "it is watched now"
        found.close()


# --- one name for all of them -------------------------------------------------------------------------------------


def behind_a_name(cluster: StandInCluster, **arguments: Any) -> Any:
    told = {name: value for name, value in cluster.arguments.items() if name != "worker_hosts"}
    balancer = cluster.members[0]
    told.update(load_balance_domain="localhost", worker_http_port=balancer.http_port)
    told.update(worker_data_port=balancer.data_port, target_protocol="file", page_store=None, metadata_ttl=0)
    return AlluxioFileSystem(skip_instance_cache=True, **{**told, **arguments})


def owned_by(cluster: StandInCluster, number: int, folder: Path) -> str:
    """A file that a worker is in charge of."""
    names = (f"file-{index}.bin" for index in range(1000))
    name = next(name for name in names if cluster.in_charge(name).worker == cluster.members[number])
    (folder / name).write_bytes(DATA)
    return name


def test_the_owner_of_a_file_is_asked_for_once_and_asked_for_all_of_it(
    make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster("rest", workers=2)
    name = owned_by(cluster, 1, tmp_path)
    fs = behind_a_name(cluster)
    for _ in range(3):
        assert from_workers(fs, cluster.url(name))
    balancer, owner = cluster.workers
    assert balancer.requests["node"] == 1
    assert owner.requests["info"] >= 1
    owner.load(name)
    fs.pipe_file(cluster.url(name), b"new")
    assert owner.requests["rm"] == 1, "who holds it is told to drop it"
    assert owner.kept_pages(name) == 0
    assert fs.cat_file(cluster.url(name)) == b"new"


def test_of_many_who_read_a_file_at_once_one_asks_for_its_owner(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster("rest", workers=2)
    name = owned_by(cluster, 1, tmp_path)
    fs = behind_a_name(cluster)
    assert at_once(*[lambda: fs.cat_file(cluster.url(name))] * 8) == [DATA] * 8
    assert cluster.workers[0].requests["node"] == 1


@pytest.mark.parametrize("trouble", ["dead", "garbage", "nobody knows the owner"])
def test_an_owner_that_fails_is_no_end(make_cluster: MakeCluster, tmp_path: Path, trouble: str) -> None:
    cluster = make_cluster("rest", workers=2)
    name = owned_by(cluster, 1, tmp_path)
    fs = behind_a_name(cluster)
    if trouble == "nobody knows the owner":
        cluster.workers[0].fail("node", faults.Status(503))
    else:
        assert from_workers(fs, cluster.url(name))
    if trouble == "dead":
        cluster.workers[1].kill()
    elif trouble == "garbage":
        cluster.workers[1].fail("*", faults.Garbage())
    for _ in range(3):
        assert not from_workers(fs, cluster.url(name))
    fs.pipe_file(cluster.url(name), b"new")
    assert fs.cat_file(cluster.url(name)) == b"new"
