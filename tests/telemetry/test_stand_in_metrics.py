"""What stand-in workers show of their side of the calls, beside what the client shows of its own."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any, Dict

import fsspec
import pytest

from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.telemetry.test_prometheus import page, series


def of_workers(cluster: StandInCluster) -> Dict[str, float]:
    together: Dict[str, float] = {}
    for member in cluster.members:
        text = page(f"http://{member.host}:{member.http_port}/metrics")
        parse: Any = importlib.import_module("prometheus_client.parser").text_string_to_metric_families
        assert {family.name for family in parse(text)} == {
            "alluxio_http_server_call_latency_ms",
            "alluxio_http_server_result",
            "alluxiofs_page_store_pages",
        }
        for name, value in series(text).items():
            together[name] = together.get(name, 0.0) + value
    return together


def once(cluster: StandInCluster, name: str, value: float) -> Dict[str, float]:
    """What they show when it is so much: a client may have an answer before it is counted."""
    end = time.monotonic() + 60
    while True:
        found = of_workers(cluster)
        if found.get(name) == value or time.monotonic() > end:
            return found


@pytest.mark.parametrize("processes", [False, True])
def test_both_sides_tell_the_same(tmp_path: Path, processes: bool) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with StandInCluster(tmp_path, workers=2, processes=processes) as cluster:
        cluster.load("file")
        fs = fsspec.filesystem(
            "alluxiofs",
            target_protocol="file",
            page_store=None,
            telemetry={"name": "prometheus", "port": 0},
            skip_instance_cache=True,
            **cluster.arguments,
        )
        for _ in range(3):
            assert fs.cat_file(cluster.url("file")) == b"0123456789"
        clients = series(page(fs.describe()["telemetry"][0]["url"]))
        reads = 'alluxio_http_server_result_total{method="read",state="ok"}'
        workers = once(cluster, reads, 3)
        assert workers[reads] == clients[reads] == 3
        assert workers['alluxio_http_server_call_latency_ms_count{method="read",success="true"}'] == 3
        assert workers['alluxio_http_server_call_latency_ms_bucket{le="+Inf",method="read",success="true"}'] == 3
        assert workers["alluxiofs_page_store_pages"] == 1
        assert not [name for name in workers if "metrics" in name], "who looks is not counted"


def test_what_went_wrong_is_counted_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with StandInCluster(tmp_path, workers=1) as cluster:
        cluster.load("file")
        cluster.fail("page", faults.Status(500), times=1)
        fs = fsspec.filesystem("alluxiofs", target_protocol="file", page_store=None, **cluster.arguments)
        assert fs.cat_file(cluster.url("file")) == b"0123456789"
        failed = 'alluxio_http_server_result_total{method="read",state="failed"}'
        assert once(cluster, failed, 1)[failed] == 1
