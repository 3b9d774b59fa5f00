"""What is counted is what happened: once each, also of what fails, and of what has gone since."""

from __future__ import annotations

import contextlib
import gc
import importlib
import shutil
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.gateway.writing import PublishedWriter
from alluxiofs.interfaces import Writer
from alluxiofs.interfaces.telemetry import Final
from alluxiofs.plugins._telemetry.tally import Tally
from alluxiofs.testing import Failure
from alluxiofs.testing.stand_in_workers import StandInCluster
from tests.servers import S3Server
from tests.telemetry.conftest import Cluster
from tests.telemetry.test_prometheus import series

prometheus: Any = importlib.import_module("prometheus_client")

WRITE = 'alluxiofs_under_store_call_duration_seconds_count{{method="write",state="{state}",under_store="local"}}'
WRITTEN = 'alluxiofs_written_bytes_total{under_store="local"}'
SUBMITTED = 'alluxiofs_load_jobs_total{state="submitted"}'


class Counted:
    """A registry of the application's, and what is in it."""

    def __init__(self) -> None:
        self._registry = prometheus.CollectorRegistry()
        self.telemetry = {"name": "prometheus", "port": None, "registry": self._registry}

    def now(self) -> Dict[str, float]:
        return series(prometheus.generate_latest(self._registry).decode())


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def local(counted: Counted) -> Any:
    return fsspec.filesystem("alluxiofs", target_protocol="file", telemetry=counted.telemetry, skip_instance_cache=True)


# --- writes -----------------------------------------------------------------------------------------------------


def test_a_write_that_fails_has_written_nothing(local: Any, counted: Counted, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with local.open(f"{folder}/one", "wb") as file:
        file.write(b"0123456789")
    file = local.open(f"{folder}/two", "wb")
    file.write(b"0123456789")
    shutil.rmtree(folder)
    with pytest.raises(OSError, match="two"):
        file.close()
    now = counted.now()
    assert now[WRITE.format(state="ok")] == 1
    assert sum(value for name, value in now.items() if 'method="write"' in name and "_count" in name) == 2
    assert now[WRITTEN] == 10


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    resource = pytest.importorskip("resource", reason="this system has no limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_on_the_way_is_counted_once(local: Any, counted: Counted, tmp_path: Path) -> None:
    file = local.open(f"{tmp_path}/one", "wb")
    with no_file_larger_than(1000), pytest.raises(OSError, match="one"):
        file.write(bytes(2**20))
    with pytest.raises(OSError, match="one"):
        file.close()
    now = counted.now()
    assert now[WRITE.format(state="failed")] == 1
    assert not now.get(WRITTEN)
    assert now["alluxiofs_open_files"] == 0


class Slow(Writer):
    """A store's writer that takes its time."""

    def write(self, data: memoryview) -> None:
        time.sleep(0.05)

    def commit(self) -> None:
        """It is there."""

    def abort(self) -> None:
        """It is not."""


def test_how_long_a_write_took_has_all_of_its_pieces(local: Any, counted: Counted, tmp_path: Path) -> None:
    gateway = local.gateway
    writer = PublishedWriter(gateway, gateway.locate(f"{tmp_path}/one"), Slow(), "local")
    for _ in range(2):
        writer.write(memoryview(b"0123456789"))
    writer.commit()
    now = counted.now()
    assert now[WRITE.format(state="ok")] == 1
    assert now[WRITE.format(state="ok").replace("_count", "_sum")] >= 0.09
    assert now[WRITTEN] == 20


@pytest.mark.parametrize("end", [lambda file: file.close(), lambda file: file.discard()], ids=["written", "given up"])
def test_files_that_are_written_are_open(
    local: Any, counted: Counted, tmp_path: Path, end: Callable[[Any], None]
) -> None:
    (tmp_path / "read").write_bytes(b"0123456789")
    with local.open(f"{tmp_path}/read"):
        file = local.open(f"{tmp_path}/written", "wb")
        file.write(b"0123456789")
        assert counted.now()["alluxiofs_open_files"] == 2
        end(file)
        assert counted.now()["alluxiofs_open_files"] == 1
    assert counted.now()["alluxiofs_open_files"] == 0


# --- workers ----------------------------------------------------------------------------------------------------


def test_having_workers_drop_something_is_a_call(cluster: Cluster, counted: Counted) -> None:
    fs = cluster.filesystem(counted.telemetry)
    fs.pipe_file("/counts/dropped", b"0123456789")
    cluster.workers[cluster.first].failure = Failure.DEAD
    fs.rm_file("/counts/dropped")
    now = counted.now()
    assert now['alluxio_http_server_result_total{method="drop",state="ok"}'] == 3
    assert now['alluxio_http_server_result_total{method="drop",state="unavailable"}'] == 1


def test_a_load_job_for_what_was_missed_is_one(counted: Counted, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with StandInCluster(tmp_path, workers=1) as workers:
        fs = fsspec.filesystem(
            "alluxiofs",
            target_protocol="file",
            load_on_miss=True,
            telemetry=counted.telemetry,
            skip_instance_cache=True,
            **workers.arguments,
        )
        assert fs.cat_file(workers.url("file")) == b"0123456789"
        end = time.monotonic() + 30
        while 'alluxio_http_server_result_total{method="load",state="ok"}' not in counted.now():
            assert time.monotonic() < end, "no job was submitted"
            time.sleep(0.01)
    assert counted.now()[SUBMITTED] == 1
    assert counted.now()['alluxio_http_server_result_total{method="load",state="ok"}'] == 1


# --- what has gone ----------------------------------------------------------------------------------------------


def test_what_filesystems_counted_that_have_gone_is_counted(cluster: Cluster, counted: Counted) -> None:
    stays = cluster.filesystem(counted.telemetry)
    stays.pipe_file("/counts/gone", b"0123456789")
    for number in range(3):
        page_store = {"name": "memory", "capacity": f"{8 + number}MB"}
        fs = cluster.filesystem(counted.telemetry, page_store=page_store)
        for _ in range(2):
            assert fs.cat_file("/counts/gone") == b"0123456789"
        del fs
        gc.collect()
    for _ in range(2):
        now = counted.now()
        assert now['alluxiofs_read_bytes_total{source="cluster"}'] == 30
        assert now['alluxiofs_read_bytes_total{source="page_store"}'] == 30
        assert (now["alluxiofs_page_store_hits_total"], now["alluxiofs_page_store_misses_total"]) == (3, 3)
        assert "alluxiofs_page_store_capacity_bytes" not in now, "none is there any more"


def test_what_a_page_store_counted_last_is_counted_whoever_had_it_first(cluster: Cluster, counted: Counted) -> None:
    shared = {"name": "memory", "capacity": "8MB"}
    stays = cluster.filesystem(counted.telemetry)
    first = cluster.filesystem(counted.telemetry, page_store=shared)
    last = cluster.filesystem(counted.telemetry, page_store=shared, replicas=1)
    assert last.gateway.parts.page_store is first.gateway.parts.page_store
    stays.pipe_file("/counts/shared", b"0123456789")
    for _ in range(2):
        assert first.cat_file("/counts/shared") == b"0123456789"
        assert last.cat_file("/counts/shared") == b"0123456789"
    before = counted.now()["alluxiofs_page_store_hits_total"]
    del first
    gc.collect()
    assert last.cat_file("/counts/shared") == b"0123456789"
    del last
    gc.collect()
    assert counted.now()["alluxiofs_page_store_hits_total"] == before + 1


def test_a_page_store_that_is_in_use_is_not_asked_by_the_collector_of_garbage(cluster: Cluster) -> None:
    """Who keeps a page holds the store's lock, and the collector may run just then, on the same thread."""
    shared = {"name": "memory", "capacity": "8MB"}
    asked: List[str] = []
    stays = cluster.filesystem(Counted().telemetry, page_store=shared)
    store = stays.gateway.parts.page_store
    lock, store._lock = store._lock, _Told(asked)
    try:
        goes = cluster.filesystem(Counted().telemetry, page_store=shared, replicas=1)
        assert goes.gateway.parts.page_store is store
        del goes
        gc.collect()
        assert asked == []
    finally:
        store._lock = lock


class _Told:
    """A lock that tells when it is taken."""

    def __init__(self, asked: List[str]) -> None:
        self._asked = asked

    def __enter__(self) -> None:
        self._asked.append("taken")

    def __exit__(self, *_: object) -> None:
        """It is free again."""


def test_who_has_said_the_last_is_not_asked_again() -> None:
    asked = []

    def read() -> Final:
        asked.append(1)
        return Final({"hits": 2})

    tally = Tally()
    tally.watch("page_store", read)
    tally.watch("page_store", lambda: {"hits": 3})
    for _ in range(3):
        assert tally.counters("page_store") == {"hits": 5}
    assert asked == [1]


# --- who asks nobody --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["info", "ls", "cat_file", "find"])
def test_the_page_is_there_though_another_has_noted_all_of_it(s3_server: S3Server, tmp_path: Path, look: str) -> None:
    """Processes that share pages share what they know: the second one may have nobody to ask for long."""
    bucket = f"test-{uuid4().hex[:12]}"
    made: Dict[str, Any] = {
        "target_protocol": "s3",
        "target_options": s3_server.options,
        "page_store": {"name": "disk", "path": str(tmp_path), "capacity": "8MB"},
    }
    first = fsspec.filesystem("alluxiofs", **made)
    first.makedirs(bucket)
    path = f"{bucket}/folder/file"
    first.pipe_file(path, b"content")
    first.cat_file(path)
    where = bucket if look == "find" else f"{bucket}/folder" if look == "ls" else path
    wanted = getattr(first, look)(where)
    second = fsspec.filesystem("alluxiofs", **made, telemetry={"name": "prometheus", "port": 0})
    assert second.describe()["telemetry"][0]["url"] is None
    assert getattr(second, look)(where) == wanted
    counters = second.describe()["counters"]
    with urllib.request.urlopen(second.describe()["telemetry"][0]["url"], timeout=10) as page:
        now = series(page.read().decode())
    assert counters["bytes_from_under_stores"] == 0
    assert not any("_count" in name and value for name, value in now.items()), "nobody was asked"
