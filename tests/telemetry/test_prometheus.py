"""The page for Prometheus, to the letter."""

from __future__ import annotations

import builtins
import gc
import importlib
import json
import logging
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import fsspec
import pytest

from alluxiofs.errors import ConfigurationError, MissingExtraError
from alluxiofs.interfaces import Call, Event, Telemetry
from alluxiofs.plugins._telemetry.catalogue import METRICS, Kind
from alluxiofs.plugins.telemetry_prometheus import PrometheusTelemetry
from alluxiofs.testing import CountingTelemetryContract, Failure, WatchingTelemetryContract, make_context
from tests.telemetry.conftest import Cluster

prometheus_client: Any = importlib.import_module("prometheus_client")


def page(url: str, path: str = "/metrics", **headers: str) -> str:
    request = urllib.request.Request(url.replace("/metrics", path), headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def series(text: str) -> Dict[str, float]:
    """The lines of a page that have values."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    found = {name: float(value) for name, _, value in lines}
    assert len(found) == len(lines), "a series is there twice"
    return found


def make(**settings: Any) -> PrometheusTelemetry:
    return PrometheusTelemetry(PrometheusTelemetry.Settings(**{"port": 0, **settings}), make_context())


def url_of(telemetry: Telemetry) -> str:
    url: str = telemetry.describe()["url"]
    return url


@pytest.fixture
def telemetry() -> Iterator[PrometheusTelemetry]:
    made = make()
    yield made
    made.close()


class TestPrometheus(CountingTelemetryContract, WatchingTelemetryContract):
    @pytest.fixture
    def make(self) -> Callable[[], Telemetry]:
        return make

    @pytest.fixture
    def count(self) -> Callable[[Telemetry, str, str], int]:
        def counted(telemetry: Telemetry, method: str, state: str) -> int:
            name = f'alluxio_http_server_result_total{{method="{method}",state="{state}"}}'
            return int(series(page(url_of(telemetry))).get(name, 0))

        return counted

    @pytest.fixture
    def counter(self) -> Callable[[Telemetry, str, str], int]:
        def said(telemetry: Telemetry, name: str, counter: str) -> int:
            telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
            end = {"capacity": "_bytes"}.get(counter, "_total")
            return int(series(page(url_of(telemetry))).get(f"alluxiofs_{name}_{counter}{end}", 0))

        return said


# --- names, labels, values ----------------------------------------------------------------------------------------


def test_the_contract_to_the_letter(telemetry: PrometheusTelemetry) -> None:
    for seconds in (0.01, 0.0101, 0.16, 0.2, 3.0):
        telemetry.record_call(Call("worker", "alluxio", "read", "ok", seconds, 4096))
    telemetry.record_call(Call("worker", "alluxio", "read", "timeout", 0.5))
    lines = page(url_of(telemetry)).splitlines()
    shown = [line for line in lines if line.startswith("alluxio_http") and "_sum" not in line]
    assert shown == [
        'alluxio_http_server_call_latency_ms_bucket{le="10.0",method="read",success="false"} 0.0',
        'alluxio_http_server_call_latency_ms_bucket{le="40.0",method="read",success="false"} 0.0',
        'alluxio_http_server_call_latency_ms_bucket{le="160.0",method="read",success="false"} 0.0',
        'alluxio_http_server_call_latency_ms_bucket{le="640.0",method="read",success="false"} 1.0',
        'alluxio_http_server_call_latency_ms_bucket{le="+Inf",method="read",success="false"} 1.0',
        'alluxio_http_server_call_latency_ms_count{method="read",success="false"} 1.0',
        'alluxio_http_server_call_latency_ms_bucket{le="10.0",method="read",success="true"} 1.0',
        'alluxio_http_server_call_latency_ms_bucket{le="40.0",method="read",success="true"} 2.0',
        'alluxio_http_server_call_latency_ms_bucket{le="160.0",method="read",success="true"} 3.0',
        'alluxio_http_server_call_latency_ms_bucket{le="640.0",method="read",success="true"} 4.0',
        'alluxio_http_server_call_latency_ms_bucket{le="+Inf",method="read",success="true"} 5.0',
        'alluxio_http_server_call_latency_ms_count{method="read",success="true"} 5.0',
        'alluxio_http_server_result_total{method="read",state="ok"} 5.0',
        'alluxio_http_server_result_total{method="read",state="timeout"} 1.0',
    ]
    values = series("\n".join(lines))
    assert values['alluxio_http_server_call_latency_ms_sum{method="read",success="true"}'] == pytest.approx(3380.1)
    assert values['alluxio_http_server_call_latency_ms_sum{method="read",success="false"}'] == pytest.approx(500)
    assert "# TYPE alluxio_http_server_call_latency_ms histogram" in lines
    assert "# TYPE alluxio_http_server_result_total counter" in lines


def test_the_page_is_what_parsers_expect(telemetry: PrometheusTelemetry) -> None:
    open_metrics: Any = importlib.import_module("prometheus_client.openmetrics.parser").text_string_to_metric_families
    plain: Any = importlib.import_module("prometheus_client.parser").text_string_to_metric_families

    telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.02, 4096))
    telemetry.record_event(Event("fallback", "timeout", "worker-1"))
    text = page(url_of(telemetry))
    assert {family.name for family in plain(text)} == {metric.name for metric in METRICS}
    negotiated = page(url_of(telemetry), Accept="application/openmetrics-text; version=1.0.0")
    assert {(family.name, family.type) for family in open_metrics(negotiated)} == {
        (metric.name, metric.kind.value) for metric in METRICS
    }


def test_names_follow_the_rules() -> None:
    ours = [metric for metric in METRICS if not metric.name.startswith("alluxio_http_server_")]
    for metric in ours:
        assert metric.name.startswith("alluxiofs_")
        assert not metric.name.endswith("_total"), "counters get it when they are shown"
        assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds"), "base units"
    for metric in METRICS:
        assert not {"path", "url", "user", "worker"} & set(metric.labels)
        assert list(metric.labels) == sorted(metric.labels)


def test_a_worker_that_fails(cluster: Cluster, free_port: int) -> None:
    fs = cluster.filesystem({"name": "prometheus", "port": free_port})
    fs.pipe_file("/metrics/one", b"0123456789")
    fs.cat_file("/metrics/one")
    cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
    assert fs.cat_file("/metrics/one") == b"0123456789"
    values = series(page(f"http://127.0.0.1:{free_port}/metrics"))
    assert values['alluxio_http_server_result_total{method="read",state="ok"}'] == 1
    assert values['alluxio_http_server_result_total{method="read",state="unavailable"}'] == 2
    assert values['alluxiofs_failovers_total{reason="unavailable"}'] == 1
    assert values['alluxiofs_fallbacks_total{reason="unavailable"}'] == 1
    assert values['alluxiofs_read_bytes_total{source="cluster"}'] == 10
    assert values['alluxiofs_read_bytes_total{source="under_store"}'] == 10
    assert values['alluxiofs_written_bytes_total{under_store="fsspec"}'] == 10
    calls = 'alluxiofs_under_store_call_duration_seconds_count{method="read",state="ok",under_store="fsspec"}'
    assert values[calls] == 1
    assert "/metrics/one" not in page(f"http://127.0.0.1:{free_port}/metrics")


def test_what_plugins_make_up_is_bounded(telemetry: PrometheusTelemetry) -> None:
    for number in range(3000):
        telemetry.record_call(Call("worker", "alluxio", f"method-{number}", "ok", 0.01))
        telemetry.record_event(Event("fallback", f"reason-{number}"))
    values = series(page(url_of(telemetry)))
    counted = [value for name, value in values.items() if name.startswith("alluxio_http_server_result_total")]
    assert len(counted) <= 1001
    assert sum(counted) == 3000, "none is lost"


# --- one page a port ------------------------------------------------------------------------------------------------


def test_filesystems_that_name_a_port_share_its_page(cluster: Cluster, free_port: int) -> None:
    one = cluster.filesystem(
        {"name": "prometheus", "port": free_port}, page_store={"name": "memory", "capacity": "8MB"}
    )
    other = cluster.filesystem(
        {"name": "prometheus", "port": free_port}, page_store={"name": "memory", "capacity": "8MB"}, replicas=1
    )
    assert one.gateway is not other.gateway
    one.pipe_file("/metrics/shared", b"0123456789")
    one.cat_file("/metrics/shared")
    other.cat_file("/metrics/shared")
    values = series(page(f"http://127.0.0.1:{free_port}/metrics"))
    assert values["alluxiofs_page_store_capacity_bytes"] == 8 * 2**20, "one page store, which both have"
    assert values['alluxio_http_server_result_total{method="read",state="ok"}'] >= 1


def test_a_port_that_is_taken_is_a_warning(cluster: Cluster, free_port: int, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        fs = cluster.filesystem({"name": "prometheus", "port": free_port})
        fs.pipe_file("/metrics/taken", b"0123456789")
        with caplog.at_level(logging.WARNING):
            assert fs.cat_file("/metrics/taken") == b"0123456789"
        assert fs.describe()["telemetry"][0]["url"] is None
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert str(free_port) in warnings[0]


def test_a_free_port_is_shown_by_describe(cluster: Cluster) -> None:
    fs = cluster.filesystem({"name": "prometheus", "port": 0})
    assert fs.describe()["telemetry"][0]["url"] is None, "nothing listens before the first operation"
    fs.pipe_file("/metrics/free", b"0123456789")
    assert "alluxiofs_written_bytes_total" in page(fs.describe()["telemetry"][0]["url"])
    json.dumps(fs.describe())


def test_the_port_is_given_back_when_nobody_records(cluster: Cluster, free_port: int) -> None:
    fs = cluster.filesystem({"name": "prometheus", "port": free_port})
    fs.pipe_file("/metrics/gone", b"0123456789")
    page(f"http://127.0.0.1:{free_port}/metrics")
    del fs
    gc.collect()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", free_port))


def test_only_the_metrics_are_there(telemetry: PrometheusTelemetry) -> None:
    telemetry.record_event(Event("retry", "timeout"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        page(url_of(telemetry), "/etc/passwd")
    assert page(url_of(telemetry), "/metrics?name[]=up")


# --- a registry of the application's ------------------------------------------------------------------------------


def test_a_registry_that_was_passed() -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("of_the_application", "Its own", registry=registry).inc()
    one, other = make(port=None, registry=registry), make(port=None, registry=registry)
    one.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    other.record_call(Call("worker", "alluxio", "read", "ok", 0.01))
    values = series(prometheus_client.generate_latest(registry).decode())
    assert values['alluxio_http_server_result_total{method="read",state="ok"}'] == 2
    assert values["of_the_application_total"] == 1
    one.close()
    assert (
        'alluxio_http_server_result_total{method="read",state="ok"} 2.0'
        in prometheus_client.generate_latest(registry).decode()
    )
    other.close()
    assert "alluxio_http" not in prometheus_client.generate_latest(registry).decode()


def test_a_registry_through_a_filesystem(cluster: Cluster) -> None:
    registry = prometheus_client.CollectorRegistry()
    fs = cluster.filesystem({"name": "prometheus", "port": 0, "registry": registry})
    fs.pipe_file("/metrics/registry", b"0123456789")
    assert page(fs.describe()["telemetry"][0]["url"]) == prometheus_client.generate_latest(registry).decode()


@pytest.mark.parametrize(
    ("setting", "value"), [("port", -1), ("port", 65536), ("port", "http"), ("registry", "default")]
)
def test_settings_that_cannot_be(cluster: Cluster, setting: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=setting):
        cluster.filesystem({"name": "prometheus", setting: value})


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'alluxiofs\[otel\]'"):
        fsspec.filesystem("alluxiofs", target_protocol="memory", telemetry="prometheus", skip_instance_cache=True)


# --- processes ------------------------------------------------------------------------------------------------------


def in_child(work: Callable[[], Any]) -> Any:
    """What ``work`` gives in a forked child, as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_records_anew(cluster: Cluster) -> None:
    fs = cluster.filesystem({"name": "prometheus", "port": 0})
    fs.pipe_file("/metrics/fork", b"0123456789")
    for _ in range(3):
        fs.cat_file("/metrics/fork")

    def work() -> List[Any]:
        fs.cat_file("/metrics/fork")
        url = fs.describe()["telemetry"][0]["url"]
        return [url, series(page(url))]

    url, values = in_child(work)
    name = 'alluxio_http_server_result_total{method="read",state="ok"}'
    assert values[name] == 1
    own = fs.describe()["telemetry"][0]["url"]
    assert own != url
    assert series(page(own))[name] == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_hold_its_parents_port(cluster: Cluster, free_port: int) -> None:
    fs = cluster.filesystem({"name": "prometheus", "port": free_port})
    fs.pipe_file("/metrics/port", b"0123456789")

    def work() -> List[Any]:
        fs.cat_file("/metrics/port")
        return [fs.describe()["telemetry"][0]["url"], os.getpid()]

    url, _ = in_child(work)
    assert url is None, "the parent has the port"
    assert 'method="read"' not in page(f"http://127.0.0.1:{free_port}/metrics").replace(
        'under_store_call_duration_seconds_bucket{le="0.01",method="read"', ""
    )


def test_a_bad_name_of_a_setting_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(ConfigurationError, match="registry"):
        cluster.filesystem({"name": "prometheus", "registri": None})


def test_open_files_and_workers_are_those_of_the_moment(cluster: Cluster, free_port: int) -> None:
    fs = cluster.filesystem({"name": "prometheus", "port": free_port})
    fs.pipe_file("/metrics/open", b"0123456789")

    def shown(name: str) -> float:
        return series(page(f"http://127.0.0.1:{free_port}/metrics"))[name]

    with fs.open("/metrics/open") as one, fs.open("/metrics/open"):
        one.read()
        assert shown("alluxiofs_open_files") == 2
    assert shown("alluxiofs_open_files") == 0
    assert shown("alluxiofs_workers_alive") == 2
    cluster.membership.push("h1")
    assert shown("alluxiofs_workers_alive") == 1


@pytest.mark.parametrize("store", ["memory", "disk", "tiered"])
def test_bytes_by_where_they_came_from(cluster: Cluster, free_port: int, tmp_path: Path, store: str) -> None:
    disk = {"path": str(tmp_path / "pages"), "capacity": "64MB"}
    choices: Dict[str, Any] = {"memory": {"capacity": "8MB"}, "disk": disk, "tiered": {"disk": disk}}
    fs = cluster.filesystem(
        {"name": "prometheus", "port": free_port}, page_store={"name": store, **choices[store]}, metadata_ttl=60
    )
    fs.pipe_file("/metrics/sources", bytes(10_000))
    fs.cat_file("/metrics/sources")
    before = series(page(f"http://127.0.0.1:{free_port}/metrics"))
    for size in (4000, 4000, 10_000):
        assert fs.cat_file("/metrics/sources", 0, size) == bytes(size)
    after = series(page(f"http://127.0.0.1:{free_port}/metrics"))
    names = [f'alluxiofs_read_bytes_total{{source="{source}"}}' for source in ("cluster", "page_store")]
    assert before[names[0]] == after[names[0]] == 10_000
    assert after[names[1]] - before[names[1]] == 18_000
