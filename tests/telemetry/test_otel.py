"""OpenTelemetry with the application's own providers, to the letter."""

from __future__ import annotations

import functools
import importlib
import re
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping

import fsspec
import pytest

from alluxiofs.interfaces import Call, Event, Telemetry
from alluxiofs.plugins._telemetry import catalogue
from alluxiofs.plugins.telemetry_otel import OtelTelemetry, views
from alluxiofs.plugins.telemetry_prometheus import PrometheusTelemetry
from alluxiofs.testing import CountingTelemetryContract, Failure, WatchingTelemetryContract, make_context
from alluxiofs.testing.stand_in_workers import StandInCluster
from tests.telemetry.conftest import Cluster

metrics: Any = importlib.import_module("opentelemetry.sdk.metrics")
export: Any = importlib.import_module("opentelemetry.sdk.metrics.export")
trace: Any = importlib.import_module("opentelemetry.sdk.trace")
trace_export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
in_memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")


class Recorded:
    """A provider of the application's, and what it was told."""

    def __init__(self) -> None:
        self.reader = export.InMemoryMetricReader()
        self.provider = metrics.MeterProvider([self.reader], views=views(), shutdown_on_exit=False)

    def points(self) -> Dict[str, List[Any]]:
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
        assert len(scopes) <= 1
        found = [metric for scope in scopes for metric in scope.metrics]
        assert len({metric.name for metric in found}) == len(found), "an instrument is there twice"
        return {metric.name: list(metric.data.data_points) for metric in found}

    def value(self, name: str, **labels: str) -> int:
        return sum(point.value for point in self.points().get(name, ()) if dict(point.attributes) == labels)


_recorded: Dict[int, Recorded] = {}


class TestOtel(CountingTelemetryContract, WatchingTelemetryContract):
    @pytest.fixture
    def make(self) -> Callable[[], Telemetry]:
        recorded = Recorded()  # before: providers start threads

        def made() -> Telemetry:
            telemetry = OtelTelemetry(OtelTelemetry.Settings(meter_provider=recorded.provider), make_context())
            _recorded[id(telemetry)] = recorded
            return telemetry

        return made

    @pytest.fixture
    def count(self) -> Callable[[Telemetry, str, str], int]:
        return lambda telemetry, method, state: _recorded[id(telemetry)].value(
            "alluxio_http_server_result", method=method, state=state
        )

    @pytest.fixture
    def counter(self) -> Callable[[Telemetry, str, str], int]:
        def said(telemetry: Telemetry, name: str, counter: str) -> int:
            telemetry.record_event(Event("retry", "timeout"))
            ending = {"capacity": "_bytes"}.get(counter, "")
            return _recorded[id(telemetry)].value(f"alluxiofs_{name}_{counter}{ending}")

        return said


def make(**settings: Any) -> OtelTelemetry:
    return OtelTelemetry(OtelTelemetry.Settings(**settings), make_context())


def test_the_histogram_of_the_contract() -> None:
    recorded = Recorded()
    telemetry = make(meter_provider=recorded.provider)
    for seconds in (0.01, 0.0101, 0.16, 0.2, 3.0):
        telemetry.record_call(Call("worker", "alluxio", "read", "ok", seconds, 4096))
    (point,) = recorded.points()["alluxio_http_server_call_latency_ms"]
    assert dict(point.attributes) == {"method": "read", "success": "true"}
    assert point.explicit_bounds == (10, 40, 160, 640) or list(point.explicit_bounds) == [10, 40, 160, 640]
    assert list(point.bucket_counts) == [1, 1, 1, 1, 1]
    assert point.sum == pytest.approx(3380.1)


LATENCY = "alluxio_http_server_call_latency_ms"


def told_one_by_one() -> Any:
    """A view with other buckets: there each call is told as it happens."""
    view: Any = importlib.import_module("opentelemetry.sdk.metrics.view")
    buckets = view.ExplicitBucketHistogramAggregation([1, 2, 3])
    return view.View(instrument_name=LATENCY, aggregation=buckets)


def delta_reader() -> Any:
    kinds: Any = importlib.import_module("opentelemetry.sdk.metrics")
    delta = export.AggregationTemporality.DELTA
    return export.InMemoryMetricReader(preferred_temporality={kinds.Histogram: delta})


def latencies(reader: Any) -> Dict[str, Any]:
    data = reader.get_metrics_data()
    scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
    found = [metric for scope in scopes for metric in scope.metrics if metric.name == LATENCY]
    return {point.attributes["method"]: point for metric in found for point in metric.data.data_points}


def record(telemetry: OtelTelemetry, method: str, *seconds: float) -> None:
    for one in seconds:
        telemetry.record_call(Call("worker", "alluxio", method, "ok", one))


@pytest.mark.parametrize("delta", [False, True])
def test_a_histogram_is_what_the_calls_were(delta: bool) -> None:
    reader = delta_reader() if delta else export.InMemoryMetricReader()
    telemetry = make(meter_provider=metrics.MeterProvider([reader], views=views(), shutdown_on_exit=False))
    record(telemetry, "read", 0.002, 0.02, 0.03, 1.0)
    record(telemetry, "info", 0.05)
    first = latencies(reader)
    read, info = first["read"], first["info"]
    assert list(read.bucket_counts) == [1, 2, 0, 0, 1]
    assert (read.count, read.min, read.max) == (4, 2.0, 1000.0)
    assert read.sum == pytest.approx(1052)
    assert list(info.bucket_counts) == [0, 0, 1, 0, 0]

    record(telemetry, "read", 0.001, 0.2)
    read = latencies(reader)["read"]
    assert list(read.bucket_counts) == ([1, 0, 0, 1, 0] if delta else [2, 2, 0, 1, 1])
    assert (read.min, read.max) == (1.0, 200.0 if delta else 1000.0)
    assert read.sum == pytest.approx(201 if delta else 1253)


def test_a_view_of_the_application_has_its_buckets() -> None:
    reader = export.InMemoryMetricReader()
    provider = metrics.MeterProvider([reader], views=[told_one_by_one()], shutdown_on_exit=False)
    record(make(meter_provider=provider), "read", 0.0015, 0.0025, 0.0025, 0.1)
    (point,) = latencies(reader).values()
    assert list(point.bucket_counts) == [0, 1, 2, 1]


def test_every_reader_is_told_of_every_call() -> None:
    readers = [export.InMemoryMetricReader(), delta_reader()]
    telemetry = make(meter_provider=metrics.MeterProvider(readers, views=views(), shutdown_on_exit=False))
    record(telemetry, "read", 0.002, 0.02, 0.03, 1.0)
    for reader in readers:
        assert list(latencies(reader)["read"].bucket_counts) == [1, 2, 0, 0, 1]


def test_no_call_is_lost_while_somebody_collects() -> None:
    reader = delta_reader()
    telemetry = make(meter_provider=metrics.MeterProvider([reader], views=views(), shutdown_on_exit=False))
    working = threading.Thread(target=lambda: record(telemetry, "read", *[0.02] * 20_000))
    working.start()
    counted = 0
    while working.is_alive():
        counted += sum(point.count for point in latencies(reader).values())
    counted += sum(point.count for point in latencies(reader).values())
    assert counted == 20_000


@pytest.mark.parametrize("readers", [1, 2])
def test_what_plugins_make_up_is_bounded(readers: int) -> None:
    """With one reader calls are put in all at once, with several one by one."""
    reading = [export.InMemoryMetricReader() for _ in range(readers)]
    telemetry = make(meter_provider=metrics.MeterProvider(reading, views=views(), shutdown_on_exit=False))
    for number in range(1500):
        record(telemetry, f"method-{number}", 0.02)
    for reader in reading:
        points = latencies(reader)
        assert len(points) <= 1001
        assert sum(point.count for point in points.values()) == 1500, "none is lost"


def exported(record: Callable[[Telemetry], None]) -> List[str]:
    """What the exporter for Prometheus shows of it: the lines, without the labels that newer ones add of their own."""
    prometheus: Any = importlib.import_module("prometheus_client")
    exporter: Any = importlib.import_module("opentelemetry.exporter.prometheus")
    before = set(prometheus.REGISTRY._collector_to_names)
    provider = metrics.MeterProvider([exporter.PrometheusMetricReader()], views=views(), shutdown_on_exit=False)
    record(make(meter_provider=provider))
    text = prometheus.generate_latest(prometheus.REGISTRY).decode()
    provider.shutdown()
    for collector in set(prometheus.REGISTRY._collector_to_names) - before:
        prometheus.REGISTRY.unregister(collector)
    lines = [
        re.sub(r'otel_scope_\w+="[^"]*",?', "", line).replace(",}", "}").replace("{}", "") for line in text.splitlines()
    ]
    return [line for line in lines if line.startswith(("alluxio", "# TYPE alluxio"))]


def test_through_the_exporter_for_prometheus_to_the_letter() -> None:
    def record(telemetry: Telemetry) -> None:
        for seconds in (0.01, 0.0101, 0.16, 0.25, 3.0):
            telemetry.record_call(Call("worker", "alluxio", "read", "ok", seconds, 4096))
        telemetry.record_call(Call("worker", "alluxio", "read", "timeout", 0.5))

    assert [line for line in exported(record) if "alluxio_http" in line] == [
        "# TYPE alluxio_http_server_call_latency_ms histogram",
        'alluxio_http_server_call_latency_ms_bucket{le="10.0",method="read",success="true"} 1.0',
        'alluxio_http_server_call_latency_ms_bucket{le="40.0",method="read",success="true"} 2.0',
        'alluxio_http_server_call_latency_ms_bucket{le="160.0",method="read",success="true"} 3.0',
        'alluxio_http_server_call_latency_ms_bucket{le="640.0",method="read",success="true"} 4.0',
        'alluxio_http_server_call_latency_ms_bucket{le="+Inf",method="read",success="true"} 5.0',
        'alluxio_http_server_call_latency_ms_count{method="read",success="true"} 5.0',
        'alluxio_http_server_call_latency_ms_sum{method="read",success="true"} 3430.1',
        'alluxio_http_server_call_latency_ms_bucket{le="10.0",method="read",success="false"} 0.0',
        'alluxio_http_server_call_latency_ms_bucket{le="40.0",method="read",success="false"} 0.0',
        'alluxio_http_server_call_latency_ms_bucket{le="160.0",method="read",success="false"} 0.0',
        'alluxio_http_server_call_latency_ms_bucket{le="640.0",method="read",success="false"} 1.0',
        'alluxio_http_server_call_latency_ms_bucket{le="+Inf",method="read",success="false"} 1.0',
        'alluxio_http_server_call_latency_ms_count{method="read",success="false"} 1.0',
        'alluxio_http_server_call_latency_ms_sum{method="read",success="false"} 500.0',
        "# TYPE alluxio_http_server_result_total counter",
        'alluxio_http_server_result_total{method="read",state="ok"} 5.0',
        'alluxio_http_server_result_total{method="read",state="timeout"} 1.0',
    ]


def test_both_kinds_show_the_same_series() -> None:
    counters = {"gateway": ("bytes_from_workers", "bytes_from_under_stores"), "page_store": ("hit_bytes",)}
    watched = {
        name: {counter: number for number, counter in enumerate((*catalogue.WATCHED[name], *counters[name]), 1)}
        for name in counters
    }

    def record(telemetry: Telemetry) -> None:
        for target, component in (("worker", "alluxio"), ("under_store", "s3")):
            for method, state in (("read", "ok"), ("read", "timeout"), ("write", "ok")):
                telemetry.record_call(Call(target, component, method, state, 0.25, 1000))
        for kind in (*catalogue.EVENTS, "of-a-plugin"):
            telemetry.record_event(Event(kind, "timeout"))
        for name, numbers in watched.items():
            telemetry.watch(name, functools.partial(dict, numbers))

    prometheus: Any = importlib.import_module("prometheus_client")
    registry = prometheus.CollectorRegistry()
    page = PrometheusTelemetry(PrometheusTelemetry.Settings(port=None, registry=registry), make_context())
    record(page)
    text = prometheus.generate_latest(registry).decode()
    page.close()
    shown = [line for line in text.splitlines() if line.startswith(("alluxio", "# TYPE alluxio"))]
    assert sorted(exported(record)) == sorted(shown)
    assert len([line for line in shown if line.startswith("#")]) == len(catalogue.METRICS)


def test_two_filesystems_have_one_set_of_instruments(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    recorded = Recorded()
    telemetry = {"name": "otel", "meter_provider": recorded.provider}
    one, other = cluster.filesystem(telemetry), cluster.filesystem(telemetry, replicas=1)
    one.pipe_file("/otel/two", b"0123456789")
    one.cat_file("/otel/two")
    other.cat_file("/otel/two")
    assert recorded.value("alluxio_http_server_result", method="read", state="ok") == 2
    assert recorded.value("alluxiofs_read_bytes", source="cluster") == 20
    assert not caplog.records


def test_nothing_global_is_set(cluster: Cluster) -> None:
    api: Any = importlib.import_module("opentelemetry.metrics")
    before = api.get_meter_provider()
    fs = cluster.filesystem("otel")
    fs.pipe_file("/otel/global", b"0123456789")
    assert fs.cat_file("/otel/global") == b"0123456789"
    assert api.get_meter_provider() is before


def spans_of(work: Callable[[Any], Any]) -> List[Any]:
    exporter = in_memory.InMemorySpanExporter()
    provider = trace.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(trace_export.SimpleSpanProcessor(exporter))
    work(provider)
    provider.shutdown()
    return list(exporter.get_finished_spans())


def test_calls_are_spans_within_their_operation(cluster: Cluster) -> None:
    def work(provider: Any) -> None:
        recorded = Recorded()
        fs = cluster.filesystem(
            {"name": "otel", "meter_provider": recorded.provider, "tracer_provider": provider}, metadata_ttl=0
        )
        fs.pipe_file("/otel/spans", b"0123456789")
        cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
        assert fs.cat_file("/otel/spans") == b"0123456789"

    spans = spans_of(work)
    by_id = {span.context.span_id: span for span in spans}
    (operation,) = [span for span in spans if span.name == "alluxiofs.cat_file"]
    assert operation.parent is None
    reads = [span for span in spans if span.name == "alluxiofs.read"]
    assert len(reads) == 3, "two workers and the under store"
    assert all(by_id[span.parent.span_id] is operation for span in reads)
    assert [event.name for event in operation.events] == ["failover", "fallback"]
    assert [span.attributes.get("error.type") for span in reads] == ["UnavailableError", "UnavailableError", None]
    assert all("spans" not in str(dict(span.attributes)) for span in spans), "no path"


def test_an_operation_within_another_is_no_span_of_its_own(cluster: Cluster) -> None:
    def work(provider: Any) -> None:
        fs = cluster.filesystem({"name": "otel", "meter_provider": Recorded().provider, "tracer_provider": provider})
        fs.pipe({"/otel/many/1": b"1", "/otel/many/2": b"2"})
        assert fs.cat(["/otel/many/1", "/otel/many/2"]) == {"/otel/many/1": b"1", "/otel/many/2": b"2"}

    roots = [span.name for span in spans_of(work) if span.parent is None]
    assert roots == ["alluxiofs.pipe", "alluxiofs.cat"]


def test_headers_carry_the_trace() -> None:
    headers: List[Mapping[str, str]] = []

    def work(provider: Any) -> None:
        telemetry = make(meter_provider=Recorded().provider, tracer_provider=provider)
        with telemetry.span("read", "alluxio"):
            headers.append(telemetry.headers())

    (span,) = spans_of(work)
    assert headers[0]["traceparent"].split("-")[1:3] == [
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
    ]


def test_workers_are_told_which_call_it_is_that_asks_them_from_whatever_thread(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"file-{number}").write_bytes(b"0123456789")
    asked: List[str] = []

    def work(provider: Any) -> None:
        telemetry = {"name": "otel", "meter_provider": Recorded().provider, "tracer_provider": provider}
        with StandInCluster(tmp_path, workers=2) as workers:
            workers.load_all()
            fs = fsspec.filesystem(
                "alluxiofs",
                target_protocol="file",
                page_store=None,
                telemetry=telemetry,
                skip_instance_cache=True,
                **workers.arguments,
            )
            assert len(fs.cat([workers.url(f"file-{number}") for number in range(8)])) == 8
            seen = [request for worker in workers.workers for request in worker.seen]
            asked.extend(
                request.headers["traceparent"].rpartition("-")[0]
                for request in seen
                if "traceparent" in request.headers
            )

    spans = spans_of(work)
    (operation,) = [span for span in spans if span.parent is None]
    reads = [
        span for span in spans if span.attributes.get("alluxiofs.side") == "alluxio" and span.name.endswith(".read")
    ]
    assert len(reads) == 8
    assert {span.parent.span_id for span in reads} == {operation.context.span_id}
    told = {f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}" for span in reads}
    assert told <= set(asked)


def test_without_a_tracer_provider_there_is_nothing_to_send() -> None:
    telemetry = make(meter_provider=Recorded().provider)
    assert not telemetry.traces
    assert telemetry.headers() == {}


@pytest.mark.parametrize("setting", ["meter_provider", "tracer_provider"])
def test_providers_that_are_none(cluster: Cluster, setting: str) -> None:
    with pytest.raises(TypeError, match=setting):
        cluster.filesystem({"name": "otel", setting: "global"})
