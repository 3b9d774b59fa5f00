"""Without an under store, a file that somebody else has changed: seen by who opens it, told to who has it open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.errors import FileChangedError
from alluxiofs.testing.stand_in_workers import StandInCluster

OLD = b"old" * 3000


@pytest.fixture(params=["pages", "rest"])
def cluster(request: Any, tmp_path: Path) -> Iterator[StandInCluster]:
    (tmp_path / "a.bin").write_bytes(OLD)
    os.utime(tmp_path / "a.bin", (1_600_000_000, 1_600_000_000))
    with StandInCluster(tmp_path, workers=3, dialect=request.param, page_size=4096) as running:
        for worker in running.workers:
            worker.load("a.bin")
        yield running


def through(cluster: StandInCluster) -> Any:
    transport = {**cluster.arguments["transport"], "version_age": 0}
    told = {**cluster.arguments, "transport": transport, "page_store": None}
    return AlluxioFileSystem(skip_instance_cache=True, **told)


def change(cluster: StandInCluster, folder: Path, new: bytes) -> None:
    (folder / "a.bin").write_bytes(new)
    cluster.drop()
    for worker in cluster.workers:
        worker.load("a.bin")


@pytest.mark.parametrize("new", [b"new" * 3000, b"new" * 4000, b"new"], ids=["as-long", "longer", "shorter"])
@pytest.mark.parametrize("well", [True, False], ids=["all-well", "one-dead"])
def test_who_has_seen_nothing_of_it_reads_what_is_there(
    cluster: StandInCluster, tmp_path: Path, new: bytes, well: bool
) -> None:
    fs, url = through(cluster), cluster.url("a.bin")
    with fs.open(url) as file:
        assert fs.info(url)["size"] == len(OLD), "which is believed for a while"
        change(cluster, tmp_path, new)
        if not well:  # the last in line
            dead = fs._gateway.workers_of(fs._gateway.locate(url))[-1]
            next(worker for worker in cluster.workers if worker.worker.http_port == dead.http_port).kill()
        assert file.pread(1, 2) == b"ew"
    assert fs.cat_file(url) == new


def test_who_has_seen_some_of_it_is_told(cluster: StandInCluster, tmp_path: Path) -> None:
    fs, url = through(cluster), cluster.url("a.bin")
    with fs.open(url) as file:
        assert file.pread(0, 3) == b"old"
        change(cluster, tmp_path, b"new" * 3000)
        with pytest.raises(FileChangedError):
            file.pread(3, 3)
    assert fs.cat_file(url) == b"new" * 3000


def test_a_file_that_is_gone_is_not_there(cluster: StandInCluster, tmp_path: Path) -> None:
    fs, url = through(cluster), cluster.url("a.bin")
    assert fs.cat_file(url) == OLD
    (tmp_path / "a.bin").unlink()
    cluster.drop()
    with pytest.raises(FileNotFoundError):
        fs.cat_file(url)
