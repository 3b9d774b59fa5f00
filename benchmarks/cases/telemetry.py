"""What telemetry costs a small read over the wire."""

from __future__ import annotations

import importlib
import random
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Sequence, Tuple

import fsspec

from benchmarks.core import Aim, Case, Outcome, UnavailableError, benchmark

_NONE = "none"
_SIZE = 4096
_FILE = 16 * 2**20


def _otel() -> Tuple[Any, Callable[[], object]]:
    """The settings of the telemetry, and what collects as an exporter would."""
    try:
        metrics: Any = importlib.import_module("opentelemetry.sdk.metrics")
        export: Any = importlib.import_module("opentelemetry.sdk.metrics.export")
    except ImportError as error:
        raise UnavailableError("OpenTelemetry is not installed: pip install 'alluxiofs[otel]'") from error
    from alluxiofs.plugins.telemetry_otel import views

    reader = export.InMemoryMetricReader()
    provider = metrics.MeterProvider([reader], views=views(), shutdown_on_exit=False)
    return {"name": "otel", "meter_provider": provider}, reader.get_metrics_data


def _prometheus() -> Tuple[Any, Callable[[], object]]:
    try:
        client: Any = importlib.import_module("prometheus_client")
    except ImportError as error:
        raise UnavailableError("prometheus-client is not installed: pip install 'alluxiofs[otel]'") from error
    registry = client.CollectorRegistry()
    settings = {"name": "prometheus", "port": None, "registry": registry}
    return settings, lambda: client.generate_latest(registry)


def _sampling(fs: Any, path: str, reads: int, collect: Callable[[], object]) -> Callable[[], Mapping[str, Outcome]]:
    places = [random.randrange(_FILE - _SIZE) for _ in range(reads)]
    file = fs.open(path)
    file.pread(0, _SIZE)

    def sample() -> Mapping[str, Outcome]:
        read = file.pread
        begun = time.perf_counter()
        for place in places:
            read(place, _SIZE)
        collect()
        return {"": {"seconds": (time.perf_counter() - begun) / reads}}

    return sample


@benchmark("telemetry", unit="4 kB read", turns=60, quick_turns=3)
def reads(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Random 4 kB reads of a worker, one thread; each turn ends with all that was recorded being collected."""
    from alluxiofs.testing.stand_in_workers import StandInCluster

    lake = folder / "lake"
    lake.mkdir()
    (lake / "data").write_bytes(bytes(_FILE))
    kinds: Dict[str, Tuple[Any, Callable[[], object]]] = {
        _NONE: (None, lambda: None),
        "prometheus": _prometheus(),
        "otel": _otel(),
    }
    both = [_prometheus(), _otel()]
    kinds["both"] = ([settings for settings, _ in both], lambda: [collect() for _, collect in both])
    with StandInCluster(lake, workers=1, processes=True) as cluster:
        cluster.load("data")
        cases = []
        for name, (telemetry, collect) in kinds.items():
            fs = fsspec.filesystem(
                "alluxiofs",
                target_protocol="file",
                page_store=None,
                telemetry=telemetry,
                metadata_ttl=3600,
                skip_instance_cache=True,
                **cluster.arguments,
            )
            sample = _sampling(fs, cluster.url("data"), 500 if quick else 1000, collect)
            aims = {} if name == _NONE else {"": [Aim(1.05, _NONE)]}
            cases.append(Case(name, sample, aims))
        yield cases
