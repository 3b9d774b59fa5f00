"""What ``contrib/monitoring`` shows of four processes under load, with workers and page stores that fail."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.servers import free_port, program, started

_CONTRIB = Path(__file__).parents[3] / "contrib" / "monitoring"
_PATIENCE = 60.0


class Prometheus:
    """A real one, that fetches each second."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def query(self, query: str) -> List[Any]:
        """The series that it gives now, with finite values."""
        for name, value in (("$job", "alluxiofs"), ("$instance", ".+"), ("$__rate_interval", "1m")):
            query = query.replace(name, value)
        with urllib.request.urlopen(f"{self._url}/query?{urllib.parse.urlencode({'query': query})}") as answer:
            found = json.load(answer)["data"]["result"]
        return [one for one in found if math.isfinite(float(one["value"][1]))]

    def await_data(self, queries: Dict[str, str]) -> None:
        """Wait until each of the queries has given data."""
        waiting, end = dict(queries), time.monotonic() + _PATIENCE
        while waiting and time.monotonic() < end:
            waiting = {name: query for name, query in waiting.items() if not self.query(query)}
            time.sleep(0.3 if waiting else 0)
        assert not waiting, "queries that give nothing"


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    """It runs on the operators' own files; only the intervals are shorter."""
    files = shutil.copytree(_CONTRIB, tmp_path / "monitoring")
    config = files / "prometheus.yml"
    config.write_text(re.sub(r"(_interval:) 15s", r"\1 1s", config.read_text("utf-8")), "utf-8")
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with started(command, port, tmp_path / "prometheus.log"):
        yield Prometheus(port)


@contextlib.contextmanager
def loads(tmp_path: Path, cluster: StandInCluster, stores: List[Any]) -> Iterator[List[str]]:
    """A process a page store; the last one has no under store to fall back to. Their pages."""
    processes = []
    for number, store in enumerate(stores):
        arguments = {
            **cluster.arguments,
            "target_protocol": "file",
            "page_store": store,
            "telemetry": {"name": "prometheus", "port": 0},
            "fallback": number < len(stores) - 1,
            "metadata_ttl": 0,
            "timeout": 1,
            "deadline": 3,
        }
        told = {"arguments": arguments, "folder": cluster.url(), "targets": str(tmp_path / "monitoring" / "targets")}
        command = [sys.executable, "-m", "tests.integrations.monitoring.load", json.dumps(told)]
        root = Path(__file__).parents[3]
        processes.append(
            subprocess.Popen(
                command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
            )
        )
    try:
        yield [process.stdout.readline().strip() for process in processes if process.stdout is not None]
    finally:
        for process in processes:
            process.communicate(timeout=_PATIENCE)


def panels() -> Dict[str, str]:
    """The queries of the dashboard, by row, panel and letter."""
    found: Dict[str, str] = {}
    row = ""
    for panel in json.loads((_CONTRIB / "grafana" / "dashboards" / "alluxiofs.json").read_text("utf-8"))["panels"]:
        row = panel["title"] if panel["type"] == "row" else row
        for target in panel.get("targets", ()):
            found[f"{row} / {panel['title']} / {target['refId']}"] = target["expr"]
    return found


def until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.2)


@pytest.mark.timeout(300)
def test_every_panel_and_every_rule_has_data(tmp_path: Path, prometheus: Prometheus) -> None:
    lake, pages = tmp_path / "lake", tmp_path / "pages"
    lake.mkdir()
    for number in range(20):
        (lake / f"small-{number}").write_bytes(os.urandom(10_000))
    (lake / "large").write_bytes(os.urandom(8 * 2**20))
    small = {"name": "memory", "capacity": "2MB"}
    stores: List[Any] = [small, {"name": "disk", "path": str(pages), "capacity": "64MB"}, small, None]
    with StandInCluster(lake, page_size="256KB") as cluster:
        cluster.load_all()
        targets = [f"{worker.host}:{worker.http_port}" for worker in cluster.members]
        (tmp_path / "monitoring" / "workers" / "stand-ins.json").write_text(json.dumps([{"targets": targets}]))
        with loads(tmp_path, cluster, stores) as urls:
            assert all(urls), "a process has ended"
            assert len(set(urls)) == 4
            until(lambda: len(prometheus.query('up{job="alluxiofs"} == 1')) == 4, "not all processes are scraped")

            cluster.fail("page", faults.Truncate(100), times=5)
            cluster.workers[0].kill()
            until(lambda: bool(prometheus.query("alluxiofs_breakers_opened_total")), "no breaker was opened")
            cluster.workers[1].kill()
            until(lambda: bool(prometheus.query("alluxiofs_retries_total")), "nothing was asked again")
            shutil.rmtree(pages)
            until(lambda: bool(prometheus.query("alluxiofs_page_store_failures_total")), "no page store has failed")
            cluster.recover()
            until(lambda: bool(prometheus.query("alluxiofs_breakers_closed_total")), "no breaker was closed")

            prometheus.await_data(panels())
            prometheus.await_data(
                {
                    name: f'alluxiofs_read_bytes_total{{source="{name}"}} > 0'
                    for name in ("page_store", "cluster", "under_store")
                }
            )
            recorded = re.findall(r"record: (\S+)", (_CONTRIB / "rules" / "recording.yml").read_text("utf-8"))
            prometheus.await_data({name: name for name in recorded})
            # Who else reads the pages finds the same as Prometheus: nothing is there twice, or under another name.
            for job, count in (("alluxiofs", 4), ("alluxio-workers", 2)):
                own = f'alluxio_http_server_result_total{{job="{job}", state="ok"}}'
                assert len(prometheus.query(f"count by (instance) ({own})")) == count
