"""A forked child waits for no lock that a thread of its parent holds, whichever it is, and uses no connection of it."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import random
import socket
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple
from uuid import uuid4

import pytest

from alluxiofs.errors import UnknownComponentError
from alluxiofs.fileobjects import ahead
from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.gateway import budget, threads
from alluxiofs.interfaces import Deadline
from alluxiofs.testing.stand_in_workers import StandInCluster
from tests.filesystem.inherited import all_locks_held, connections, in_child, still_held

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

DATA = random.Random(1).getrandbits(8 * 300_000).to_bytes(300_000, "big")
PAGE = 64 * 1024
PATIENCE = 80.0  # seconds that a child has; it needs less than one
PROCESSES = [  # where its files are, and where its pages
    ("memory", "none"),
    ("file", "memory"),
    ("file", "tiered"),
    ("s3", "none"),
    ("s3 by s3fs", "memory"),
    ("workers", "disk"),
]


class Process:
    """What a process has when it forks: filesystems that were used, and files that are open.

    Parameters
    ----------
    arguments, root:
        Of the filesystem, and where it keeps its files.
    counted:
        How many calls telemetry has counted in this process.
    """

    def __init__(self, arguments: Dict[str, Any], root: str, counted: Callable[[], float]) -> None:
        self.arguments, self.root, self.counted = arguments, root, counted
        self.fs: Any = None
        self.files: List[Any] = []
        self.unfinished: List[Any] = []

    def begin(self) -> None:
        """Make everything that is made late."""
        self.fs = AlluxioFileSystem(**self.arguments, skip_instance_cache=True)
        self.fs.pipe_file(f"{self.root}/shared", DATA)
        self.files = [self.fs.open(f"{self.root}/shared") for _ in range(2)]
        self.files.append(self.fs.open(f"{self.root}/shared", block_size=1000, cache_type="readahead"))
        for file in self.files:
            assert [file.read(20_000) for _ in range(5)] == [DATA[n : n + 20_000] for n in range(0, 100_000, 20_000)]
        self.unfinished = [self.fs.open(f"{self.root}/unfinished", "wb")]
        self.unfinished[0].write(b"x")
        self.work("parent")
        deadline = Deadline.after(PATIENCE)
        while not threads.has_room(1 << 60):  # of its own accord nothing is sent any more
            deadline.wait()
            time.sleep(0.01)

    def work(self, who: str) -> None:
        """Whatever a filesystem is used for, and nothing of it is done in vain."""
        fs, own = self.fs, f"{self.root}/of-{who}"
        assert fs.cat_file(f"{self.root}/shared", 5, 200_000) == DATA[5:200_000]
        assert fs.cat_ranges([f"{self.root}/shared"] * 2, [0, 70_000], [9, 150_000]) == [DATA[:9], DATA[70_000:150_000]]
        fs.pipe_file(own, DATA)
        with fs.open(own) as file:  # first with gaps, which are then filled side by side; and with what comes ahead
            assert [file.pread(start, 9) for start in (70_000, 200_000)] == [DATA[70_000:][:9], DATA[200_000:][:9]]
            assert file.pread(0, len(DATA)) == DATA
        with fs.open(f"{self.root}/shared") as file:
            assert b"".join(iter(lambda: file.read(10_000), b"")) == DATA
        with fs.open(own, "ab") as more:
            more.write(b"more")
        fs.cp_file(own, f"{own}-copy")
        fs.mv(f"{own}-copy", f"{own}-moved")
        assert fs.cat_file(f"{own}-moved") == DATA + b"more"
        assert {own, f"{own}-moved"} <= set(fs.ls(self.root, detail=False, refresh=True))
        assert fs.info(own, refresh=True)["size"] == len(DATA) + 4
        fs.rm(f"{own}-moved")
        fs.touch(own)
        fs.describe()
        hits = self.counters().get("hits", 0)
        for _ in range(2):
            assert fs.cat_file(f"{self.root}/shared") == DATA
        if fs.gateway.parts.page_store is not None:
            assert self.counters()["hits"] > hits  # pages are kept: who waits for a lock in vain does without
        fs.invalidate_cache()
        assert self.counted() > 0

    def counters(self) -> Dict[str, int]:
        store = self.fs.gateway.parts.page_store
        return {} if store is None else store.counters()

    def go_on(self, held: Mapping[int, str]) -> None:
        """What a child does: works, as its parent did, reads the parent's files and drops them, and makes its own."""
        assert still_held(held) == []
        warned: List[str] = []
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: warned.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("alluxiofs").addHandler(handler)
        self.work("child")
        for file in self.files[1:]:  # the first is closed as it is
            assert file.read() == DATA[100_000:]
        self.end()
        elsewhere = [{**worker, "host": "localhost"} for worker in self.arguments.get("worker_hosts", ())]
        changed = {**self.arguments, **({"worker_hosts": elsewhere} if elsewhere else {}), "metadata_ttl": 17}
        with pytest.raises(UnknownComponentError):  # after looking through all that is installed
            AlluxioFileSystem(**{**changed, "policy": "nobody's"}, skip_instance_cache=True)
        self.fs = AlluxioFileSystem(**changed, skip_instance_cache=True)
        self.work("new-in-child")
        self.end()
        gc.collect()
        assert ahead.room.left == ahead.room.most  # what the parent has of it is not given back here
        assert not warned

    def end(self) -> None:
        """Close and drop everything."""
        for file in self.unfinished:
            file.discard()
        for file in self.files:
            file.close()
        self.unfinished, self.files, self.fs = [], [], None
        AlluxioFileSystem.clear_instance_cache()


def run_cluster(pipe: Connection, folder: Path) -> None:
    """Workers in a process of their own, whose locks nobody holds."""
    cluster = StandInCluster(folder, workers=2, page_size=PAGE).start()
    pipe.send(cluster.arguments)
    pipe.recv()
    cluster.stop()


def arguments_of(store: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Tuple[Dict[str, Any], str]]:
    if store == "memory":
        yield {"target_protocol": "memory"}, f"/test-{uuid4().hex}"
    elif store == "file":
        yield {"target_protocol": "file"}, str(folder)
    elif store == "workers":
        context: Any = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        cluster = context.Process(target=run_cluster, args=(there, folder))
        cluster.start()
        yield {"target_protocol": "file", **here.recv()}, str(folder)
        here.send("end")
        cluster.join()
    else:
        server = request.getfixturevalue("s3_server")
        bucket = f"test-{uuid4().hex[:12]}"
        request.getfixturevalue("s3_client").mkdir(bucket)
        under_store = "fsspec" if store == "s3 by s3fs" else "s3"
        yield (
            {"target_protocol": "s3", "target_options": server.options, "under_store": under_store},
            f"{bucket}/folder",
        )


def page_store_of(kind: str, folder: Path) -> Any:
    disk = {"path": str(folder), "capacity": "64MB"}
    return {
        "none": None,
        "memory": {"name": "memory", "capacity": "64MB"},
        "disk": {"name": "disk", **disk},
        "tiered": {"name": "tiered", "disk": disk},
    }[kind]


def telemetry() -> Tuple[List[Any], Callable[[], float]]:
    """Both kinds at once, and how many calls either has counted in this process, whichever has counted fewer."""
    prometheus: Any = pytest.importorskip("prometheus_client")
    metrics: Any = pytest.importorskip("opentelemetry.sdk.metrics")
    export: Any = pytest.importorskip("opentelemetry.sdk.metrics.export")
    registry, reader = prometheus.CollectorRegistry(), export.InMemoryMetricReader()
    provider = metrics.MeterProvider([reader], shutdown_on_exit=False)

    def counted() -> float:
        shown = [
            sample.value for family in registry.collect() for sample in family.samples if sample.name.endswith("_count")
        ]
        data = reader.get_metrics_data()
        put = [
            point.count
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if hasattr(point, "count")
        ]
        return min(float(sum(shown)), float(sum(put)))

    page = {"name": "prometheus", "port": 0, "registry": registry}
    return [page, {"name": "otel", "meter_provider": provider}], counted


@pytest.fixture
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Process]:
    store, pages = request.param
    (tmp_path / "files").mkdir()
    places = arguments_of(store, request, tmp_path / "files")
    arguments, root = next(places)
    told, counted = telemetry()
    arguments = {
        **arguments,
        "page_store": page_store_of(pages, tmp_path / "pages"),
        "telemetry": told,
        "options": {"alluxio.worker.page.store.page.size": str(PAGE)},
    }
    made = Process(arguments, root, counted)
    try:
        made.begin()
        yield made
    finally:
        made.end()
        next(places, None)


@pytest.mark.parametrize("process", PROCESSES, ids="-".join, indirect=True)
def test_a_forked_child_waits_for_no_lock_of_its_parent(process: Process) -> None:
    before = connections() if sys.platform == "linux" else {}
    with all_locks_held() as held:
        assert len(held) > 20
        wrong = in_child(lambda: process.go_on(held), held, PATIENCE)
    assert not wrong, wrong
    after = connections() if sys.platform == "linux" else {}
    both = before.keys() & after.keys()
    assert {ends: after[ends] for ends in both} == {ends: before[ends] for ends in both}
    process.work("parent-later")
    assert process.files[0].read() == DATA[100_000:]


def test_a_lock_that_nobody_renews_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten = threading.Lock()
    monkeypatch.setattr(budget, "forgotten", forgotten, raising=False)

    def check() -> None:
        assert still_held(held) == ["alluxiofs.gateway.budget.forgotten"]

    with all_locks_held() as held:
        assert not in_child(check, held, PATIENCE)
        wrong = in_child(forgotten.acquire, held, 1)
    assert "has not ended after 1 s" in wrong
    assert "alluxiofs.gateway.budget.forgotten" in wrong


@pytest.mark.skipif(sys.platform != "linux", reason="where else a connection tells what was sent is another matter")
@pytest.mark.parametrize("use", ["send", "end"])
def test_a_connection_that_a_child_uses_is_found(use: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        there, _ = server.accept()
        with there:
            ends = client.getsockname(), client.getpeername()
            before = connections()[ends]
            assert not in_child(lambda: None, {}, PATIENCE)
            assert connections()[ends] == before
            done = (lambda: client.sendall(b"x")) if use == "send" else (lambda: client.shutdown(socket.SHUT_RDWR))
            assert not in_child(done, {}, PATIENCE)
            there.recv(1)
            assert connections()[ends] != before
