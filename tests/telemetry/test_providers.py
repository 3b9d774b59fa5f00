"""The application's providers: whichever way they are named, whenever they are set, and in whatever process."""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any, Dict, List

import pytest

from alluxiofs.interfaces import Call, Event
from alluxiofs.interfaces.telemetry import Final
from alluxiofs.plugins.telemetry_otel import OtelTelemetry, views
from alluxiofs.testing import make_context
from tests.telemetry.conftest import Cluster
from tests.telemetry.test_otel import LATENCY, Recorded
from tests.telemetry.test_prometheus import in_child
from tests.unit.gateway.test_collected_meanwhile import ends

metrics: Any = importlib.import_module("opentelemetry.sdk.metrics")
export: Any = importlib.import_module("opentelemetry.sdk.metrics.export")

_SCENARIOS = {
    "named in both ways": """
metrics.set_meter_provider(provider)
read(make("otel"), make(NAMED, replicas=1), make(NAMED, replicas=3))
""",
    "set for all after it was named": """
one = make(NAMED, replicas=1)
read(one)
metrics.set_meter_provider(provider)
read(one, make("otel"))
""",
    "set for all after the first read": """
one = make("otel")
read(one)
metrics.set_meter_provider(provider)
read(one, make("otel", replicas=1), make(NAMED, replicas=3))
""",
    "named": "read(make(NAMED))",
    "none": """
read(make("otel"))
""",
}

_SCRIPT = """
import json, os, sys
from opentelemetry import metrics, trace
from opentelemetry.metrics import _internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from alluxiofs.plugins.telemetry_otel import views
from tests.telemetry.conftest import Cluster

def make(telemetry, **more):
    fs = cluster.filesystem(telemetry, **more)
    fs.pipe_file("/providers/one", b"0123456789")
    return fs

def read(*filesystems):
    for fs in filesystems:
        fs.cat_file("/providers/one")

def told():
    data = reader.get_metrics_data()
    found = {}
    for resource in data.resource_metrics if data else ():
        for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
            for point in metric.data.data_points:
                labels = {"read", "cluster", "ok", "true"}.intersection(point.attributes.values())
                value = getattr(point, "value", None)
                found.setdefault(" ".join([metric.name, *sorted(labels)]), []).append(
                    point.count if value is None else value
                )
    names = {
        "counted": "alluxio_http_server_result ok read",
        "timed": "alluxio_http_server_call_latency_ms read true",
        "bytes": "alluxiofs_read_bytes cluster",
    }
    said = {name: found.get(series, []) for name, series in names.items()}
    return {**said, "for all": [_internal._METER_PROVIDER is not None, trace._TRACER_PROVIDER is not None]}

answers = {}
for name, scenario in json.loads(sys.argv[1]).items():
    reading, writing = os.pipe()
    if os.fork() == 0:
        cluster, reader = Cluster(), InMemoryMetricReader()
        provider = MeterProvider([reader], views=views(), shutdown_on_exit=False)
        NAMED = {"name": "otel", "meter_provider": provider}
        exec(scenario)
        os.write(writing, json.dumps(told()).encode())
        os._exit(0)
    os.close(writing)
    answers[name] = json.loads(os.fdopen(reading).read())
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def said() -> Dict[str, Any]:
    """What processes show of their reads, whose applications set providers for all. Each has begun anew."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _SCRIPT, json.dumps(_SCENARIOS)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=root)
    assert (ran.returncode, ran.stderr) == (0, "")
    answers: Dict[str, Any] = json.loads(ran.stdout)
    return answers


@pytest.mark.parametrize("scenario", ["named in both ways", "set for all after it was named"])
def test_a_provider_that_is_named_and_set_for_all_is_one(said: Dict[str, Any], scenario: str) -> None:
    assert said[scenario] == {"counted": [3], "timed": [3], "bytes": [30], "for all": [True, False]}


def test_a_provider_that_is_set_for_all_later_is_told_from_then_on(said: Dict[str, Any]) -> None:
    told = said["set for all after the first read"]
    assert told["timed"] == [3]
    assert told["counted"] == [4], "what is counted was counted before, too"
    assert told["bytes"] == [40]


def test_nothing_is_set_for_all(said: Dict[str, Any]) -> None:
    assert said["named"] == {"counted": [1], "timed": [1], "bytes": [10], "for all": [False, False]}
    assert said["none"] == {"counted": [], "timed": [], "bytes": [], "for all": [False, False]}


class Unlike:
    """A provider that equals others, and so has no hash, and cannot be held weakly."""

    __slots__ = ("_inner",)
    __hash__ = None  # type: ignore[assignment]  # as Python itself has it where __eq__ is defined

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unlike)

    def get_meter(self, *arguments: Any, **named: Any) -> Any:
        return self._inner.get_meter(*arguments, **named)


def test_any_object_may_be_a_provider(cluster: Cluster) -> None:
    one, other = Recorded(), Recorded()
    for recorded in (one, other):
        provider = Unlike(recorded.provider)
        for replicas in (1, 2):
            fs = cluster.filesystem({"name": "otel", "meter_provider": provider}, replicas=replicas)
            fs.pipe_file("/providers/any", b"0123456789")
            assert fs.cat_file("/providers/any") == b"0123456789"
    for recorded in (one, other):
        assert recorded.value("alluxio_http_server_result", method="read", state="ok") == 2
        assert recorded.value("alluxiofs_read_bytes", source="cluster") == 20


def test_calls_beyond_the_series_that_a_reader_takes_are_counted_as_it_says() -> None:
    reader = export.InMemoryMetricReader()
    limits = getattr(reader, "_instrument_class_cardinality_limit", None)
    if limits is None:
        pytest.skip("this OpenTelemetry has no limit")
    for kind in list(limits):
        limits[kind] = 3
    provider = metrics.MeterProvider([reader], views=views(), shutdown_on_exit=False)
    telemetry = OtelTelemetry(OtelTelemetry.Settings(meter_provider=provider), make_context())
    for number in range(10):
        for seconds in (0.02, 0.03, 0.5):
            telemetry.record_call(Call("worker", "alluxio", f"method-{number}", "ok", seconds))
    data = reader.get_metrics_data()
    (points,) = (
        list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == LATENCY
    )
    assert len(points) < 10
    assert sum(point.count for point in points) == 30
    assert sum(point.sum for point in points) == pytest.approx(10 * 550)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("several", [False, True], ids=["all-at-once", "one-by-one"])
@pytest.mark.parametrize("delta", [False, True], ids=["cumulative", "delta"])
def test_what_a_forked_child_shows_is_its_own(cluster: Cluster, delta: bool, several: bool) -> None:
    kinds = (metrics.Histogram, metrics.ObservableCounter)
    preferred = dict.fromkeys(kinds, export.AggregationTemporality.DELTA) if delta else {}
    readers = [export.InMemoryMetricReader(preferred_temporality=preferred) for _ in range(1 + several)]
    provider = metrics.MeterProvider(readers, views=views(), shutdown_on_exit=False)
    fs = cluster.filesystem({"name": "otel", "meter_provider": provider})
    fs.pipe_file("/providers/fork", b"0123456789")
    for _ in range(5):
        fs.cat_file("/providers/fork")

    def shown() -> List[int]:
        data = readers[0].get_metrics_data()
        found = {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
        timed = sum(point.count for point in found[LATENCY] if point.attributes["method"] == "read")
        counted = found["alluxio_http_server_result"], found["alluxiofs_read_bytes"]
        reads, moved = (
            sum(point.value for point in points if {"read", "cluster"} & set(point.attributes.values()))
            for points in counted
        )
        return [timed, reads, moved]

    assert shown() == [5, 5, 50]

    def work() -> List[int]:
        for _ in range(2):
            fs.cat_file("/providers/fork")
        return shown()

    assert in_child(work) == [2, 2, 20]
    fs.cat_file("/providers/fork")
    assert shown() == ([1, 1, 10] if delta else [6, 6, 60])


def test_who_was_watched_before_the_first_operation_and_has_said_the_last_is_not_held() -> None:
    reader = export.InMemoryMetricReader()
    provider = metrics.MeterProvider([reader], views=views(), shutdown_on_exit=False)
    telemetry = OtelTelemetry(OtelTelemetry.Settings(meter_provider=provider), make_context())

    class Gone:
        def __call__(self) -> Final:
            return Final({"hits": 2})

    gone = Gone()
    found = weakref.ref(gone)
    telemetry.watch("page_store", gone)
    del gone
    telemetry.record_event(Event("retry", "timeout"))
    for _ in range(2):
        assert "alluxiofs_page_store_hits" in str(reader.get_metrics_data())
    gc.collect()
    assert found() is None


def test_what_is_recorded_while_the_instruments_are_made_waits_for_nobody_and_is_counted() -> None:
    """As whatever the collector of garbage runs may record: it comes at any object that the provider makes."""
    reader = export.InMemoryMetricReader()
    inner = metrics.MeterProvider([reader], views=views(), shutdown_on_exit=False)

    class Collected:
        def get_meter(self, *named: Any) -> Any:
            telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.02))
            telemetry.record_event(Event("retry", "timeout"))
            return inner.get_meter(*named)

    telemetry = OtelTelemetry(OtelTelemetry.Settings(meter_provider=Collected()), make_context())
    assert ends(lambda: telemetry.record_call(Call("worker", "alluxio", "read", "ok", 0.5)))
    data = reader.get_metrics_data()
    found = {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert [point.count for point in found[LATENCY]] == [2]
    assert [point.value for point in found["alluxiofs_retries"]] == [1]
