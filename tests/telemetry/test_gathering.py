"""Calls that are handed over many at once: whoever looks sees all that have ended, exactly."""

from __future__ import annotations

import gc
import importlib
import os
import threading
from bisect import bisect_left
from typing import Any, Callable, Dict, List, Optional, Sequence

import pytest

from alluxiofs.assembly.gathering import TOGETHER
from alluxiofs.interfaces import Call
from alluxiofs.plugins.telemetry_otel import views
from alluxiofs.testing import Failure, RecordingTelemetry
from tests.telemetry.conftest import Cluster
from tests.telemetry.test_otel import LATENCY, delta_reader, latencies
from tests.telemetry.test_prometheus import in_child, series

metrics: Any = importlib.import_module("opentelemetry.sdk.metrics")
export: Any = importlib.import_module("opentelemetry.sdk.metrics.export")
prometheus: Any = importlib.import_module("prometheus_client")

READ_OK = 'alluxio_http_server_result_total{method="read",state="ok"}'
BOUNDS = (10, 40, 160, 640)


class Shown:
    """Both kinds at once, and what they show."""

    def __init__(self, delta: bool = False) -> None:
        self.registry = prometheus.CollectorRegistry()
        self.reader = delta_reader() if delta else export.InMemoryMetricReader()
        self._delta, self._told = delta, 0
        self.provider = metrics.MeterProvider([self.reader], views=views(), shutdown_on_exit=False)

    @property
    def telemetry(self) -> List[Any]:
        page = {"name": "prometheus", "port": None, "registry": self.registry}
        return [page, {"name": "otel", "meter_provider": self.provider}]

    def page(self) -> Dict[str, float]:
        return series(prometheus.generate_latest(self.registry).decode())

    def reads(self) -> Sequence[float]:
        """How many reads each has shown until now."""
        point = latencies(self.reader).get("read")
        if point is not None:  # older ones show none where nothing was added
            self._told = point.count + (self._told if self._delta else 0)
        return [self.page().get(READ_OK, 0), self._told]


def buckets_of(calls: Sequence[Call]) -> List[int]:
    counts = [0] * (len(BOUNDS) + 1)
    for call in calls:
        counts[bisect_left(BOUNDS, call.seconds * 1000)] += 1
    return counts


def written(cluster: Cluster, fs: Any) -> Any:
    fs.pipe_file("/gathered/one", b"0123456789")
    return fs.open("/gathered/one")


@pytest.mark.parametrize("reads", [1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER + 7])
def test_both_show_what_the_calls_were(cluster: Cluster, reads: int) -> None:
    shown, recording = Shown(), RecordingTelemetry()
    fs = cluster.filesystem([*shown.telemetry, recording])
    with written(cluster, fs) as file:
        for _ in range(reads):
            file.pread(0, 10)
    calls = [call for call in recording.calls if call.method == "read" and call.target == "worker"]
    assert len(calls) == reads, "who does not gather is told of each as it ends"

    point, page = latencies(shown.reader)["read"], shown.page()
    assert (point.count, page[READ_OK]) == (reads, reads)
    assert list(point.bucket_counts) == buckets_of(calls)
    labels = 'method="read",success="true"'
    cumulative = [page[f'{LATENCY}_bucket{{le="{bound}",{labels}}}'] for bound in ("10.0", "40.0", "160.0", "640.0")]
    assert cumulative == [sum(buckets_of(calls)[: place + 1]) for place in range(4)]
    lasted = [call.seconds * 1000 for call in calls]
    assert point.sum == pytest.approx(sum(lasted))
    assert page[f"{LATENCY}_sum{{{labels}}}"] == pytest.approx(sum(lasted))
    assert (point.min, point.max) == (pytest.approx(min(lasted)), pytest.approx(max(lasted)))


@pytest.mark.parametrize("delta", [False, True], ids=["cumulative", "delta"])
def test_none_is_lost_and_none_counted_twice_while_threads_read_and_others_look(cluster: Cluster, delta: bool) -> None:
    shown = Shown(delta)
    fs = cluster.filesystem(shown.telemetry)
    read, least = [], [0.0]

    with written(cluster, fs) as file:

        def work() -> None:
            for _ in range(700):
                file.pread(0, 10)
                read.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            ended = len(read)
            page, told = shown.reads()
            assert ended <= page <= 2800, "all that had ended are shown"
            assert ended <= told <= 2800
            assert page >= least[-1], "a counter only grows"
            least.append(page)
        for thread in threads:
            thread.join()
    assert list(shown.reads()) == [2800, 2800]


def test_calls_that_fail_are_among_them(cluster: Cluster) -> None:
    shown = Shown()
    fs = cluster.filesystem(shown.telemetry, fallback=False)
    with written(cluster, fs) as file:
        file.pread(0, 10)
        cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
        with pytest.raises(OSError, match="dead"):
            file.pread(0, 10)
    assert shown.page()['alluxio_http_server_result_total{method="read",state="unavailable"}'] == 2
    assert shown.page()[READ_OK] == 1


def test_what_a_filesystem_that_is_gone_had_not_handed_over_is_shown(cluster: Cluster) -> None:
    shown = Shown()
    stays = cluster.filesystem(shown.telemetry)
    goes = cluster.filesystem(shown.telemetry, replicas=1)
    with written(cluster, stays) as file:
        file.pread(0, 10)
    assert goes.gateway is not stays.gateway
    assert goes.cat_file("/gathered/one") == b"0123456789"
    del goes
    gc.collect()
    assert list(shown.reads()) == [2, 2]
    assert list(shown.reads()) == [2, 2], "once"


def test_a_reader_that_comes_later_sees_what_comes_later(cluster: Cluster) -> None:
    shown, later = Shown(), export.InMemoryMetricReader()
    if not hasattr(shown.provider, "add_metric_reader"):
        pytest.skip("this OpenTelemetry takes readers only when a provider is made")
    fs = cluster.filesystem(shown.telemetry)
    with written(cluster, fs) as file:
        file.pread(0, 10)
        assert list(shown.reads()) == [1, 1]
        shown.provider.add_metric_reader(later)
        for _ in range(5):
            file.pread(0, 10)
        assert list(shown.reads()) == [6, 6]
        file.pread(0, 10)
        assert latencies(later)["read"].count == 6, "those since it came"
    assert list(shown.reads()) == [7, 7]


class Gathers(RecordingTelemetry):
    """Takes many calls at once, and may fail at it."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self._fails = fails
        self.hand_over: Optional[Callable[[], bool]] = None

    def gather(self, hand_over: Callable[[], bool]) -> Callable[[Sequence[Call]], object]:
        self.hand_over = hand_over
        return self._take

    def _take(self, calls: Sequence[Call]) -> None:
        if self._fails:
            raise RuntimeError("broken at calls")
        self.calls.extend(calls)


def test_one_that_fails_at_them_is_told_nothing_any_more(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    broken, well, at_once = Gathers(fails=True), Gathers(fails=False), RecordingTelemetry()
    fs = cluster.filesystem([broken, well, at_once])
    with written(cluster, fs) as file:
        for _ in range(3):
            file.pread(0, 10)
        assert at_once.count("read") == 3
        assert well.count("read") == 0
        assert well.hand_over is not None
        assert well.hand_over(), "more may come"
        assert well.count("read") == 3
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["telemetry 'recording' failed, and is told nothing any more"]


def test_one_that_fails_at_something_else_is_handed_none_any_more(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_at_events(_event: object) -> None:
        raise RuntimeError("broken at events")

    broken, well = Gathers(fails=False), Gathers(fails=False)
    monkeypatch.setattr(broken, "record_event", broken_at_events)
    fs = cluster.filesystem([broken, well])
    with written(cluster, fs) as file:
        cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
        assert file.pread(0, 10) == b"0123456789"  # of the under store, which is an event
    assert well.hand_over is not None
    assert well.hand_over()
    assert well.count("read", target="under_store") == 1
    assert broken.calls == []


def test_who_looks_learns_when_no_more_will_come(cluster: Cluster) -> None:
    looks = Gathers(fails=False)
    fs = cluster.filesystem([looks])
    with written(cluster, fs) as file:
        file.pread(0, 10)
    assert looks.hand_over is not None
    assert looks.hand_over() is True
    assert fs.cat_file("/gathered/one") == b"0123456789"
    del fs, file
    gc.collect()
    assert looks.hand_over() is False
    assert looks.count("read") == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_none_of_those_its_parent_had_not_handed_over(cluster: Cluster) -> None:
    shown = Shown()
    fs = cluster.filesystem(shown.telemetry)
    with written(cluster, fs) as file:
        for _ in range(3):
            file.pread(0, 10)

        def work() -> Any:
            file.pread(0, 10)
            return shown.page()[READ_OK]

        assert in_child(work) == 1
    assert list(shown.reads()) == [3, 3]
