"""Several kinds at once: each is told everything, and one that breaks neither breaks a read nor holds up the others."""

from __future__ import annotations

import contextlib
import importlib
import logging
from typing import Any, ContextManager, Iterator, Mapping, Optional, Type

import pytest

from alluxiofs.interfaces import Call, Event
from alluxiofs.testing import Failure, RecordingTelemetry
from tests.telemetry.conftest import Cluster
from tests.telemetry.test_otel import Recorded
from tests.telemetry.test_prometheus import series

READ_OK = 'alluxio_http_server_result_total{method="read",state="ok"}'


class Broken(RecordingTelemetry):
    """Fails at one of the things that it is told."""

    traces = True

    def __init__(self, at: str, failure: Type[BaseException] = RuntimeError) -> None:
        super().__init__()
        self._at = at
        self._failure = failure

    def _fail(self, at: str) -> None:
        if at == self._at:
            raise self._failure(f"broken at {at}")

    def record_call(self, call: Call) -> None:
        self._fail("a call")

    def record_event(self, event: Event) -> None:
        self._fail("an event")

    def watch(self, name: str, read: Any) -> None:
        self._fail("a reader")

    def span(self, name: str, side: Optional[str] = None, worker: Optional[str] = None) -> ContextManager[object]:
        @contextlib.contextmanager
        def span() -> Iterator[None]:
            self._fail("a span's beginning")
            try:
                yield
            finally:
                self._fail("a span's end")

        return span()

    def headers(self) -> Mapping[str, str]:
        self._fail("headers")
        return {}


def test_each_is_told_everything(cluster: Cluster) -> None:
    prometheus: Any = importlib.import_module("prometheus_client")
    recorded, recording, registry = Recorded(), RecordingTelemetry(), prometheus.CollectorRegistry()
    page_of = {"name": "prometheus", "port": 0, "registry": registry}
    fs = cluster.filesystem([page_of, {"name": "otel", "meter_provider": recorded.provider}, recording])
    fs.pipe_file("/several/all", b"0123456789")
    for _ in range(3):
        assert fs.cat_file("/several/all") == b"0123456789"
    assert series(prometheus.generate_latest(registry).decode())[READ_OK] == 3
    assert recorded.value("alluxio_http_server_result", method="read", state="ok") == 3
    assert recording.count("read") == 3
    assert [one["name"] for one in fs.describe()["telemetry"]] == ["prometheus", "otel", "recording"]


@pytest.mark.parametrize("at", ["a call", "an event", "a reader", "a span's beginning", "a span's end"])
def test_one_that_breaks_is_told_nothing_any_more(cluster: Cluster, caplog: pytest.LogCaptureFixture, at: str) -> None:
    recording = RecordingTelemetry()
    prometheus: Any = importlib.import_module("prometheus_client")
    registry = prometheus.CollectorRegistry()
    fs = cluster.filesystem([{"name": "prometheus", "port": 0, "registry": registry}, Broken(at), recording])
    fs.pipe_file("/several/broken", b"0123456789")
    assert fs.cat_file("/several/broken") == b"0123456789"
    cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
    assert fs.cat_file("/several/broken") == b"0123456789"
    with pytest.raises(FileNotFoundError, match="not-there"):
        fs.cat_file("/several/not-there")
    assert series(prometheus.generate_latest(registry).decode())[READ_OK] == recording.count("read") == 1
    assert [event.kind for event in recording.events] == ["failover", "fallback"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["telemetry 'recording' failed, and is told nothing any more"]


@pytest.mark.parametrize("at", ["a span's beginning", "a span's end"])
def test_who_ends_the_process_meanwhile_is_heard(cluster: Cluster, caplog: pytest.LogCaptureFixture, at: str) -> None:
    """Ctrl-C comes where it comes: it is no fault of the telemetry that it was in."""
    fs = cluster.filesystem([RecordingTelemetry(), Broken(at, KeyboardInterrupt), Broken("nothing")])
    with pytest.raises(KeyboardInterrupt, match=at):
        fs.exists("/several/interrupted")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
