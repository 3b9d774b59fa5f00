"""By OTLP over gRPC to a collector, from many processes, as the environment says."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import pytest

from alluxiofs.testing.guards import eventually
from tests.servers import free_port, missing
from tests.telemetry.sink import Sink

_ROOT = Path(__file__).parents[2]
_EXAMPLE = _ROOT / "contrib" / "monitoring" / "otlp" / "many_processes.py"
_CONTENT = b"0123456789"


@pytest.fixture
def sink() -> Iterator[Sink]:
    if importlib.util.find_spec("opentelemetry.exporter") is None or importlib.util.find_spec("grpc") is None:
        missing("the exporter is not installed: pip install opentelemetry-exporter-otlp-proto-grpc")
    with Sink() as listening:
        yield listening


def environment(sink: Sink, **variables: str) -> Dict[str, str]:
    """One that names the sink."""
    return {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
        **variables,
    }


def run(sink: Sink, *command: object, folder: Optional[Path] = None, **variables: str) -> str:
    """A process in an environment that names the sink; what it printed."""
    words, told = [sys.executable, *map(str, command)], environment(sink, **variables)
    ran = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, env=told, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "file").write_bytes(_CONTENT)
    return (tmp_path / "file").as_uri()


def test_many_processes_each_as_itself(sink: Sink, url: str) -> None:
    said = run(sink, _EXAMPLE, 2, url, OTEL_SERVICE_NAME="training", OTEL_RESOURCE_ATTRIBUTES="team=vision")
    assert said == "2 processes have read 20 bytes\n"
    assert len({one["service.instance.id"] for one in sink.resources}) == 2
    assert {(one["service.name"], one["team"]) for one in sink.resources} == {("training", "vision")}

    durations = sink.last("alluxiofs_under_store_call_duration_seconds")
    assert len(durations) == 2
    for point in durations.values():
        assert list(point.explicit_bounds) == [0.01, 0.04, 0.16, 0.64]
    assert [point.as_int for point in sink.last("alluxiofs_read_bytes").values()] == [10, 10]

    names = [span.name for span in sink.spans]
    assert names.count("alluxiofs.cat_file") == 2
    operations = {span.span_id for span in sink.spans if span.name == "alluxiofs.cat_file"}
    assert {span.parent_span_id for span in sink.spans if span.name == "alluxiofs.read"} == operations


def test_the_environment_turns_it_off(sink: Sink, url: str) -> None:
    assert run(sink, _EXAMPLE, 1, url, OTEL_SDK_DISABLED="true") == "1 processes have read 10 bytes\n"
    sdk: Any = importlib.import_module("opentelemetry.sdk.metrics")
    if hasattr(sdk.MeterProvider(shutdown_on_exit=False), "_disabled"):  # older ones do not know the variable
        assert not sink.spans
        assert not sink.metrics


_BY_NAME = """
import sys, fsspec
from opentelemetry import metrics
if "global" in sys.argv:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]))
fs = fsspec.filesystem("alluxiofs", target_protocol="file", telemetry="otel")
fs.cat_file(sys.argv[1])
if "global" in sys.argv:
    metrics.get_meter_provider().shutdown()
"""


@pytest.mark.parametrize("word", ["global", "none"])
def test_by_name_it_is_the_provider_that_the_application_has_set(sink: Sink, url: str, word: str) -> None:
    run(sink, "-c", _BY_NAME, url, word)
    found: Any = sink.last("alluxiofs_read_bytes")
    assert [point.as_int for point in found.values()] == ([10] if word == "global" else [])
    assert not sink.spans, "spans only go where a tracer provider was passed"


def test_what_the_page_of_the_documentation_shows_runs(sink: Sink, url: str, tmp_path: Path) -> None:
    page = (_ROOT / "docs" / "telemetry.md").read_text("utf-8")
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    code = "\n".join(textwrap.dedent(block) for _, block in blocks)
    for shown, here in (('"s3"', '"file"'), ("bucket/key", url), ("9464", str(free_port()))):
        assert shown in code
        code = code.replace(shown, here)
    (tmp_path / "targets").mkdir()
    read = f"\nfsspec.filesystem('alluxiofs', target_protocol='file', telemetry=telemetry).cat_file({url!r})"
    ends = f"{read}\nbegin(0)\nmeters.shutdown()\ntracers.shutdown()"
    run(sink, "-c", code + ends, folder=tmp_path)
    assert sink.spans
    assert sink.metrics
    assert len(list((tmp_path / "targets").glob("*.json"))) == 1


def test_the_environment_says_how_often(sink: Sink, url: str) -> None:
    waiting = _BY_NAME.replace("metrics.get_meter_provider().shutdown()", "sys.stdin.read(); os._exit(0)")
    command = [sys.executable, "-c", f"import os{waiting}", url, "global"]
    told = environment(sink, OTEL_METRIC_EXPORT_INTERVAL="200")
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=told) as process:
        try:
            assert eventually(lambda: bool(sink.last("alluxiofs_read_bytes")), 60), "before it ends, and without a word"
        finally:
            process.communicate(timeout=30)
    assert process.returncode == 0
