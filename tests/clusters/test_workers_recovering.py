"""Without an under store there is nobody else: who is passed over is asked in the end, and may be well again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, List

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.errors import UnavailableError
from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.testing.stand_in_workers import StandInCluster, StandInWorker, faults

DATA = bytes(range(256)) * 20


@pytest.fixture(params=["pages", "rest"])
def cluster(request: Any, tmp_path: Path) -> Iterator[StandInCluster]:
    (tmp_path / "a.bin").write_bytes(DATA)
    process_breakers.reset()
    with StandInCluster(tmp_path, workers=3, dialect=request.param) as running:
        for worker in running.workers:
            worker.load("a.bin")
        yield running
    process_breakers.reset()


def through(cluster: StandInCluster, **arguments: Any) -> Any:
    told = {"page_store": None, "metadata_ttl": 0, "deadline": 10, **cluster.arguments, **arguments}
    return AlluxioFileSystem(skip_instance_cache=True, **told)


def ranked(cluster: StandInCluster, fs: Any) -> List[StandInWorker]:
    """The workers in the order in which they are asked for the file."""
    ports = [one.http_port for one in fs._gateway.workers_of(fs._gateway.locate(cluster.url("a.bin")))]
    return sorted(cluster.workers, key=lambda worker: ports.index(worker.worker.http_port))


def have_passed_over(workers: List[StandInWorker]) -> None:
    for worker in workers:
        worker.kill()
        process_breakers.of("alluxio", worker.worker).failed(waited=True)


@pytest.mark.parametrize("count", [1, 2])
def test_one_that_was_dead_and_is_well_while_the_others_are_dead(cluster: StandInCluster, count: int) -> None:
    fs = through(cluster)
    order = ranked(cluster, fs)
    assert fs.cat_file(cluster.url("a.bin")) == DATA
    have_passed_over(order[:count])
    order[0].revive()
    for worker in order[count:]:
        worker.kill()
    assert fs.cat_file(cluster.url("a.bin")) == DATA
    assert fs.info(cluster.url("a.bin"))["size"] == len(DATA)


def test_one_that_fails_once_while_the_others_are_dead(cluster: StandInCluster) -> None:
    fs = through(cluster)
    order = ranked(cluster, fs)
    assert fs.cat_file(cluster.url("a.bin")) == DATA
    have_passed_over(order[1:])
    for route in ("info", "page", "data"):
        order[0].fail(route, faults.Status(503), times=1)
        assert fs.cat_file(cluster.url("a.bin")) == DATA


def test_each_is_asked_and_the_first_once_more(cluster: StandInCluster) -> None:
    fs = through(cluster, retries=2)
    order = ranked(cluster, fs)
    fs.info(cluster.url("a.bin"))
    cluster.forget_record()
    cluster.fail("info", faults.Status(503))
    with pytest.raises(UnavailableError):
        fs.info(cluster.url("a.bin"))
    assert [worker.requests for worker in order] == [{"info": 2}, {"info": 2}, {"info": 1}]
