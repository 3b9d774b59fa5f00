"""Data loaders with worker processes: the bytes are right, and the metrics of all processes together are what happened.

Each runs with PyTorch's own DataLoader, and with the same ways of starting processes and handing over, without it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import pytest

from alluxiofs.testing.stand_in_workers import StandInCluster
from tests.integrations.needed import needed
from tests.servers import program, servers_folder
from tests.telemetry.sink import Sink
from tests.telemetry.test_prometheus import page, series

pytestmark = pytest.mark.timeout(300)

_ROOT = Path(__file__).parents[3]
WORKERS, FILES, SIZE, EPOCHS = 4, 16, 20_000, 2
# Four interpreters that import PyTorch one after the other take a minute: how a DataLoader starts by default must do.
LOADERS = pytest.mark.parametrize(("loader", "start"), [("queues", "fork"), ("queues", "spawn"), ("torch", "fork")])
_READS = 'alluxio_http_server_result_total{method="read",state="ok"}'
_FROM_CLUSTER = 'alluxiofs_read_bytes_total{source="cluster"}'


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"sample-{number}").write_bytes(os.urandom(SIZE))
    return folder


@pytest.fixture
def cluster(lake: Path) -> Iterator[StandInCluster]:
    with StandInCluster(lake, workers=2) as workers:
        workers.load_all()
        yield workers


def python(loader: str) -> List[str]:
    """An interpreter that can import what the loader needs."""
    if loader == "torch" and importlib.util.find_spec("torch") is None:
        if (servers_folder() / "bin" / "without-torch").is_file():
            pytest.skip("scripts/install-servers.sh has found no PyTorch for this machine")
        return [program("with-torch"), sys.executable]
    return [sys.executable]


@contextlib.contextmanager
def training(cluster: StandInCluster, lake: Path, loader: str, **told: Any) -> Iterator[Set[int]]:
    """The processes that have loaded all files, twice; they are there within the block."""
    arguments = {
        **cluster.arguments,
        "target_protocol": "file",
        "page_store": None,
        "telemetry": "otel" if told["telemetry"] == "otlp" else {"name": "prometheus", "port": 0},
    }
    whole = {
        "arguments": arguments,
        "files": [cluster.url(f"sample-{number}") for number in range(FILES)],
        "contents": str(lake),
        "loader": loader,
        "workers": WORKERS,
        "epochs": EPOCHS,
        "targets": None,
        **told,
    }
    command = [*python(loader), "-m", "tests.integrations.loaders.loading", json.dumps(whole)]
    # A proper end is part of it: at that the last values are sent.
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said: Dict[str, Any] = json.loads(process.stdout.readline() or '{"compared": "nothing: it has ended"}')
            assert said["compared"] == EPOCHS * FILES
            assert process.pid not in said["processes"]
            yield set(said["processes"])
        finally:
            process.communicate(timeout=100)
    assert process.returncode == 0


def reads_that_workers_saw(cluster: StandInCluster) -> float:
    pages = [series(page(f"http://{member.host}:{member.http_port}/metrics")) for member in cluster.members]
    return sum(one.get(_READS, 0.0) for one in pages)


@LOADERS
def test_a_page_for_each_process(cluster: StandInCluster, lake: Path, tmp_path: Path, loader: str, start: str) -> None:
    targets = tmp_path / "targets"
    targets.mkdir()
    told = {"telemetry": "prometheus", "start": start, "targets": str(targets)}
    with training(cluster, lake, loader, **told) as processes:
        found = {int(file.stem): json.loads(file.read_text())[0]["targets"][0] for file in targets.iterdir()}
        assert set(found) == processes
        assert len(set(found.values())) == WORKERS, "two of them show one page"
        pages = [series(page(f"http://{address}/metrics")) for address in found.values()]
        assert sum(one[_FROM_CLUSTER] for one in pages) == EPOCHS * FILES * SIZE, "the parent's reads are the parent's"
        assert sum(one[_READS] for one in pages) + 1 == reads_that_workers_saw(cluster), "its own is the one besides"


@LOADERS
def test_otlp_from_each_process(
    cluster: StandInCluster, lake: Path, monkeypatch: pytest.MonkeyPatch, loader: str, start: str
) -> None:
    needed("opentelemetry.exporter.otlp.proto.grpc.metric_exporter")
    with Sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100000")  # so that only the end of a process sends anything
        with training(cluster, lake, loader, telemetry="otlp", start=start) as processes:
            assert not sink.metrics
        sent = [
            (int(resource["service.instance.id"].rpartition("-")[2]), point.as_int)
            for resource, metric in sink.metrics
            if metric.name == "alluxiofs_read_bytes"
            for point in metric.sum.data_points
            if point.attributes[0].value.string_value == "cluster"
        ]
        assert sorted(process for process, _ in sent) == sorted(processes), "each tells once, and at its end"
        assert sum(count for _, count in sent) == EPOCHS * FILES * SIZE
