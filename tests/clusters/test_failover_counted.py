"""Who was asked after whom, and why: counted, described, logged; and how long a worker that is busy is left alone."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from alluxiofs import AlluxioFileSystem
from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.answers import Answer, parse_head
from alluxiofs.testing.stand_in_workers import StandInCluster, faults

DATA = bytes(range(256)) * 16
Connect = Callable[..., Any]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandInCluster]:
    (tmp_path / "a.bin").write_bytes(DATA)
    with StandInCluster(tmp_path, workers=2, dialect="rest") as running:
        yield running


def connect(cluster: StandInCluster, **arguments: Any) -> Any:
    process_breakers.reset()
    told = {"page_store": None, "target_protocol": "file", **arguments}
    return AlluxioFileSystem(skip_instance_cache=True, **{**cluster.arguments, **told})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.Status(503), "unavailable"),
        (faults.Stall(), "timeout"),
        (faults.Garbage(), "bad_answer"),
        (faults.Status(404), "not_found"),
    ],
    ids=["busy", "stalled", "garbage", "not-there"],
)
def test_each_is_counted_by_its_reason(
    cluster: StandInCluster, caplog: pytest.LogCaptureFixture, fault: faults.Fault, reason: str
) -> None:
    fs = connect(cluster, timeout=3 if reason == "timeout" else 30)
    assert fs.cat_file(cluster.url("a.bin")) == DATA
    assert fs.describe()["counters"]["failovers"] == {}
    cluster.fail("data", fault)
    with caplog.at_level(logging.INFO, "alluxiofs"):
        assert fs.cat_file(cluster.url("a.bin")) == DATA
    counters = fs.describe()["counters"]
    assert (counters["failovers"], counters["fallbacks"], counters["retries"]) == ({reason: 1}, {reason: 1}, {})
    said = [record.getMessage().split(" ")[0] for record in caplog.records]
    assert [said.count(kind) for kind in ("failover", "fallback")] == [1, 1]


def test_retries_are(cluster: StandInCluster) -> None:
    fs = connect(cluster, target_protocol=None, worker_hosts=[host_of(cluster)])
    cluster.workers[0].fail("info", faults.Status(503), times=2)
    assert fs.info(cluster.url("a.bin"))["size"] == len(DATA)
    assert fs.describe()["counters"]["retries"] == {"unavailable": 2}


def test_a_worker_that_says_for_how_long_it_is_busy_is_left_alone_for_so_long(cluster: StandInCluster) -> None:
    fs = connect(cluster, target_protocol=None, worker_hosts=[host_of(cluster)])
    fs.info(cluster.url("a.bin"))
    cluster.fail("*", faults.Status(503, headers=(("Retry-After", "1"),)))
    later = threading.Timer(0.4, cluster.recover)
    later.start()
    assert fs.info(cluster.url("a.bin"), refresh=True)["size"] == len(DATA)
    later.join()


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7.0), ("0", 0.0), ("-1", 0.0), ("1e9", 0.0), ("Mon, 23 Nov 2026 08:00:00 GMT", 0.0)]
)
def test_how_long_that_is(told: str, seconds: float) -> None:
    error = refused(Answer(parse_head(f"HTTP/1.1 429 Busy\r\nretry-after: {told}".encode())), "/a", "worker w")
    assert getattr(error, "retry_after", None) == seconds


def host_of(cluster: StandInCluster) -> Any:
    one = cluster.members[0]
    return {"host": one.host, "http_port": one.http_port, "data_port": one.data_port}
