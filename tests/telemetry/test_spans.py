"""Spans: one for each operation, in it one for each call on the wire; what went wrong is told to the operation's."""

from __future__ import annotations

import importlib
import logging
from typing import Any, Callable, Iterator, List, Tuple

import pytest

from alluxiofs.testing import Failure
from tests.telemetry.conftest import Cluster
from tests.telemetry.test_otel import Recorded

trace: Any = importlib.import_module("opentelemetry.sdk.trace")
trace_export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
in_memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")


class Traced:
    """A tracer provider of the application's, and a filesystem that tells it."""

    def __init__(self, cluster: Cluster, **arguments: Any) -> None:
        self._exporter = in_memory.InMemorySpanExporter()
        self.provider = trace.TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(trace_export.SimpleSpanProcessor(self._exporter))
        telemetry = {"name": "otel", "meter_provider": Recorded().provider, "tracer_provider": self.provider}
        self.fs = cluster.filesystem(telemetry, **arguments)

    def of(self, work: Callable[[], Any]) -> List[Any]:
        """The spans of some work, in the order of their beginnings."""
        self._exporter.clear()
        work()
        return sorted(self._exporter.get_finished_spans(), key=lambda span: int(span.start_time))


@pytest.fixture
def traced(cluster: Cluster) -> Iterator[Traced]:
    made = Traced(cluster)
    made.fs.pipe_file("/spans/one", b"0123456789")
    yield made
    made.provider.shutdown()


def named(spans: List[Any]) -> List[Tuple[str, Any]]:
    return [(span.name, span.attributes.get("alluxiofs.side")) for span in spans]


def test_writing_is_a_call_of_the_operation(traced: Traced) -> None:
    spans = traced.of(lambda: traced.fs.pipe_file("/spans/two", b"0123456789"))
    operation, *calls = spans
    assert named(spans)[0] == ("alluxiofs.pipe_file", None)
    assert ("alluxiofs.write", "fsspec") in named(calls)
    assert {span.parent.span_id for span in calls} == {operation.context.span_id}


def test_what_an_open_file_writes_at_its_end_is_an_operation(traced: Traced) -> None:
    with traced.fs.open("/spans/three", "wb") as file:
        file.write(b"0123456789")
        spans = traced.of(file.commit)
    operation, *calls = spans
    assert named(spans)[0] == ("alluxiofs.write", None)
    assert ("alluxiofs.write", "fsspec") in named(calls)
    assert {span.parent.span_id for span in calls} == {operation.context.span_id}


def test_what_an_open_file_reads_is_told_of_failures(cluster: Cluster, traced: Traced) -> None:
    with traced.fs.open("/spans/one") as file:
        cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
        operation, *calls = traced.of(file.read)
    assert (operation.name, operation.parent, operation.attributes.get("alluxiofs.side")) == (
        "alluxiofs.read",
        None,
        None,
    )
    assert named(calls) == [("alluxiofs.read", "in-process")] * 2 + [("alluxiofs.read", "fsspec")]
    assert {span.parent.span_id for span in calls} == {operation.context.span_id}
    assert [event.name for event in operation.events] == ["failover", "fallback"]


def test_what_an_open_file_reads_is_a_part_of_what_the_application_does(traced: Traced) -> None:
    with traced.fs.open("/spans/one") as file:

        def work() -> None:
            with traced.provider.get_tracer("application").start_as_current_span("training"):
                file.read()

        training, operation, call = traced.of(work)
    assert operation.parent.span_id == training.context.span_id
    assert call.parent.span_id == operation.context.span_id


def test_that_no_workers_are_known_is_told_to_what_is_read(cluster: Cluster, traced: Traced) -> None:
    with traced.fs.open("/spans/one") as file:
        cluster.membership.push("")
        operation, _call = traced.of(file.read)
    assert [(event.name, event.attributes["alluxiofs.reason"]) for event in operation.events] == [
        ("fallback", "no_membership")
    ]


def test_dropping_what_workers_hold_is_a_call(traced: Traced) -> None:
    spans = traced.of(lambda: traced.fs.rm_file("/spans/one"))
    assert named(spans).count(("alluxiofs.drop", "in-process")) == 2
    assert len({span.attributes.get("alluxiofs.worker") for span in spans if span.name == "alluxiofs.drop"}) == 2


def test_nothing_is_told_to_a_span_that_has_ended(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, traced: Traced
) -> None:
    """What is read ahead outlasts the operation in which that began."""
    made = Traced(cluster, page_store={"name": "memory", "capacity": "64MB"})
    made.fs.pipe_file("/spans/long", bytes(12 * 2**20))
    cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
    with caplog.at_level(logging.DEBUG, "opentelemetry"), made.fs.open("/spans/long") as file:
        while file.read(300_000):
            pass
    assert [record.getMessage() for record in caplog.records if record.name.startswith("opentelemetry")] == []
