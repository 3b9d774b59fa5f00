"""How often workers are asked, and over how many connections: counted where the questions arrive."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.testing.stand_in_workers import StandInCluster

SMALL = 4096
FILES = 40
BIG = 4 * 2**20
NEVER = {"version_age": 3600}  # no moment passes within a test, however slow the machine


@pytest.fixture(params=["pages", "rest"])
def cluster(request: Any, tmp_path: Path) -> Iterator[StandInCluster]:
    """Two workers, files of 4 kB and one of several pages, all of which the workers in charge hold."""
    for number in range(FILES):
        (tmp_path / f"small-{number}.bin").write_bytes(os.urandom(SMALL))
    (tmp_path / "big.bin").write_bytes(os.urandom(BIG))
    with StandInCluster(tmp_path, workers=2, dialect=request.param) as running:
        running.load_all()
        yield running


def bytes_route(cluster: StandInCluster) -> str:
    return "page" if cluster.arguments["transport"]["dialect"] == "pages" else "data"


def connect(cluster: StandInCluster, target_protocol: Optional[str] = None, **arguments: Any) -> Any:
    """A filesystem without a page store, whose connections are open and which knows all that is found out once."""
    transport = {**cluster.arguments["transport"], **NEVER}
    told: Dict[str, Any] = {**cluster.arguments, "transport": transport, "page_store": None, **arguments}
    fs = AlluxioFileSystem(target_protocol=target_protocol, skip_instance_cache=True, **told)
    for number in range(FILES):
        fs.info(cluster.url(f"small-{number}.bin"))
        fs.cat_file(cluster.url(f"small-{number}.bin"))
    fs.cat_file(cluster.url("big.bin"), 2**20, 2**20 + 10)  # with which the size of pages is proved
    fs.invalidate_cache()
    cluster.forget_record()
    return fs


def names(cluster: StandInCluster) -> List[str]:
    return [cluster.url(f"small-{number}.bin") for number in range(FILES)]


def counted(cluster: StandInCluster) -> Tuple[Dict[str, int], int]:
    return cluster.requests, cluster.connections


def test_one_request_for_each_info_that_is_not_known(cluster: StandInCluster) -> None:
    fs = connect(cluster)
    for name in names(cluster):
        assert fs.info(name)["size"] == SMALL
    assert counted(cluster) == ({"info": FILES}, 0)
    for name in names(cluster):
        fs.info(name)
    assert counted(cluster) == ({"info": FILES}, 0), "it is known now"


@pytest.mark.parametrize("target_protocol", [None, "file"], ids=["workers-alone", "with-an-under-store"])
def test_one_request_for_each_small_read(cluster: StandInCluster, tmp_path: Path, target_protocol: Any) -> None:
    fs, data = connect(cluster, target_protocol), (tmp_path / "big.bin").read_bytes()
    with fs.open(cluster.url("big.bin")) as file:
        file.pread(0, SMALL)  # the version that was opened is compared with the worker's
        cluster.forget_record()
        for offset in random.Random(6).sample(range(BIG // SMALL), 200):
            assert file.pread(offset * SMALL, SMALL) == data[offset * SMALL : (offset + 1) * SMALL]
    assert counted(cluster) == ({bytes_route(cluster): 200}, 0)


@pytest.mark.parametrize("target_protocol", [None, "file"], ids=["workers-alone", "with-an-under-store"])
def test_one_request_more_for_the_first_read_of_a_file(
    cluster: StandInCluster, tmp_path: Path, target_protocol: Any
) -> None:
    """What was told of it when it was opened may not be so any more: the worker's version is looked at with it."""
    fs = connect(cluster, target_protocol, transport={**cluster.arguments["transport"], "version_age": 0})
    for name in names(cluster):
        fs.info(name)
    cluster.forget_record()
    for name in names(cluster):
        assert fs.cat_file(name) == (tmp_path / name.rsplit("/", 1)[1]).read_bytes()
    assert counted(cluster) == ({"info": FILES, bytes_route(cluster): FILES}, 0)


def test_who_opened_a_file_at_other_times_reads_it_by_one_request(cluster: StandInCluster, tmp_path: Path) -> None:
    fs, data = connect(cluster), (tmp_path / "big.bin").read_bytes()
    first, second = (fs.open(cluster.url("big.bin"), refresh=True) for _ in range(2))
    with first, second:
        cluster.forget_record()
        for number in range(20):
            for file in (first, second):
                assert file.pread(number * SMALL, SMALL) == data[number * SMALL :][:SMALL]
    assert counted(cluster) == ({bytes_route(cluster): 40}, 0)


def test_with_an_under_store_workers_are_asked_for_its_version_of_each_file_and_for_no_info(
    cluster: StandInCluster, tmp_path: Path
) -> None:
    fs = connect(cluster, "file")
    for name in names(cluster):
        fs.info(name)
    assert counted(cluster) == ({}, 0), "a worker may be behind: who has the file says what it is"
    os.utime(tmp_path / "small-0.bin", (1, 1))
    fs.invalidate_cache()
    assert fs.cat_file(cluster.url("small-0.bin")) == (tmp_path / "small-0.bin").read_bytes()
    assert cluster.requests["info"] >= 1
    assert fs.describe()["counters"]["bytes_from_under_stores"] >= SMALL


def test_threads_have_a_connection_each_and_keep_it(cluster: StandInCluster, tmp_path: Path) -> None:
    fs, data = connect(cluster), (tmp_path / "big.bin").read_bytes()
    threads, reads = 4, 50
    wrong: List[int] = []
    with fs.open(cluster.url("big.bin")) as file:

        def read(seed: int, meet: threading.Barrier) -> None:
            meet.wait()
            wrong.extend(
                offset
                for offset in random.Random(seed).sample(range(BIG // SMALL), reads)
                if file.pread(offset * SMALL, SMALL) != data[offset * SMALL : (offset + 1) * SMALL]
            )

        for _ in range(2):
            cluster.forget_record()
            meet = threading.Barrier(threads)
            running = [threading.Thread(target=read, args=(seed, meet)) for seed in range(threads)]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()
            assert cluster.connections <= threads
            assert cluster.requests[bytes_route(cluster)] == threads * reads
    assert wrong == []
    assert sum(worker.open_connections for worker in cluster.workers) <= 2 * len(cluster.workers) + threads
