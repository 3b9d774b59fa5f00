"""What each choice of ``metadata`` means (docs/clusters.md, "What is believed"), with workers that are behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.testing.stand_in_workers import StandInCluster, faults

OLD, NEW = b"old" * 5000, b"new" * 7000


@pytest.fixture(params=["pages", "rest"])
def cluster(request: Any, tmp_path: Path) -> Iterator[StandInCluster]:
    """Workers that know and hold a file as it was before somebody else wrote it anew."""
    (tmp_path / "a.bin").write_bytes(OLD)
    with StandInCluster(tmp_path, workers=2, dialect=request.param, page_size=4096) as running:
        running.load_all()
        before = connect(running, "worker")
        before.info(running.url("a.bin"))
        before.ls(running.url())
        (tmp_path / "a.bin").write_bytes(NEW)
        os.utime(tmp_path / "a.bin", (2_000_000_000, 2_000_000_000))
        (tmp_path / "b.bin").write_bytes(b"b")
        running.forget_record()
        yield running


def connect(cluster: StandInCluster, metadata: str, **arguments: Any) -> Any:
    told = {"target_protocol": "file", "metadata": metadata, "metadata_ttl": 0, "page_store": None}
    return AlluxioFileSystem(skip_instance_cache=True, **{**cluster.arguments, **told, **arguments})


@pytest.mark.parametrize("metadata", ["auto", "under_store"])
def test_the_under_store_says_what_a_file_is(cluster: StandInCluster, metadata: str) -> None:
    fs = connect(cluster, metadata)
    assert fs.info(cluster.url("a.bin"))["size"] == len(NEW)
    assert len(fs.ls(cluster.url())) == 2
    assert cluster.requests == {}, "no worker is asked what is there"
    assert fs.cat_file(cluster.url("a.bin")) == NEW
    assert fs.describe()["counters"]["bytes_from_workers"] == 0, "they have another version"
    cluster.drop()
    cluster.load_all()
    fs = connect(cluster, metadata, timeout=29)  # one that has not heard of that other version a moment ago
    assert fs.cat_file(cluster.url("a.bin")) == NEW
    assert fs.describe()["counters"]["bytes_from_workers"] == len(NEW)


def test_workers_are_believed_where_that_was_chosen(cluster: StandInCluster) -> None:
    fs = connect(cluster, "worker")
    assert fs.info(cluster.url("a.bin"))["size"] == len(OLD)
    assert len(fs.ls(cluster.url())) == 1
    assert fs.cat_file(cluster.url("a.bin")) == OLD, "all of it is of one version, if an old one"
    assert cluster.requests["info"] >= 1
    cluster.drop()
    cluster.load_all()
    assert fs.info(cluster.url("a.bin"))["size"] == len(NEW)
    assert fs.cat_file(cluster.url("a.bin")) == NEW


def test_a_worker_that_was_chosen_and_fails_is_no_end(cluster: StandInCluster) -> None:
    fs = connect(cluster, "worker")
    for worker in cluster.workers:
        worker.kill()
    assert fs.info(cluster.url("a.bin"))["size"] == len(NEW)
    assert fs.cat_file(cluster.url("a.bin")) == NEW


@pytest.mark.parametrize("failing", [False, True], ids=["well", "drops-fail"])
def test_what_this_client_has_written_it_reads_back(cluster: StandInCluster, failing: bool) -> None:
    fs = connect(cluster, "worker")
    if failing:
        cluster.fail("rm", faults.Status(503))
    fs.pipe_file(cluster.url("a.bin"), b"mine")
    assert fs.info(cluster.url("a.bin"))["size"] == 4
    assert fs.cat_file(cluster.url("a.bin")) == b"mine"
    fs.pipe_file(cluster.url("c.bin"), b"another")
    assert cluster.url("c.bin").rsplit("/", 1)[1] in {name.rsplit("/", 1)[1] for name in fs.ls(cluster.url())}
    fs.rm(cluster.url("a.bin"))
    assert not fs.exists(cluster.url("a.bin"))
    with pytest.raises(FileNotFoundError):
        fs.cat_file(cluster.url("a.bin"))


def test_so_it_does_if_nothing_was_asked_of_workers_before(cluster: StandInCluster) -> None:
    """Which dialect they speak, and with it whether they can drop what was written, is found out by the write."""
    members = [{"host": one.host, "http_port": one.http_port, "data_port": one.data_port} for one in cluster.members]
    fs = connect(cluster, "worker", worker_hosts=members[:1], transport="alluxio")
    fs.pipe_file(cluster.url("a.bin"), b"mine")
    assert fs.cat_file(cluster.url("a.bin")) == b"mine"


def test_what_was_below_a_directory_that_was_removed_is_gone(cluster: StandInCluster, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "c.bin").write_bytes(b"c")
    fs = connect(cluster, "worker")
    assert fs.info(cluster.url("folder/c.bin"))["size"] == 1
    fs.rm(cluster.url("folder"), recursive=True)
    assert not fs.exists(cluster.url("folder/c.bin"))
    assert not fs.exists(cluster.url("folder"))
