"""No secret in anything that anybody may see: log lines, metrics, spans, reprs, descriptions, errors."""

from __future__ import annotations

import importlib
import json
import logging
import traceback
from pathlib import Path
from typing import Any, Dict, List

import fsspec
import pytest

from alluxiofs import LogConfig, setup_logger
from alluxiofs.cli import main
from alluxiofs.testing import Failure
from tests.telemetry.conftest import Cluster
from tests.telemetry.test_prometheus import page

CANARY = "canary-7f3a91"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_secret_is_in_no_output(
    log_format: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    prometheus: Any = importlib.import_module("prometheus_client")
    trace: Any = importlib.import_module("opentelemetry.sdk.trace")
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
    in_memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    spans, tracers = in_memory.InMemorySpanExporter(), trace.TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(export.SimpleSpanProcessor(spans))

    caplog.set_level(logging.DEBUG, "alluxiofs")
    outputs: List[str] = []
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        # Nobody listens there, so that every kind of failure is told of.
        target_options={
            "key": f"{CANARY}-key",
            "secret": f"{CANARY}-secret",
            "token": f"{CANARY}-token",
            "endpoint_url": "http://127.0.0.1:9",
        },
        page_store={"name": "memory", "capacity": "8MB"},
        telemetry=[
            {"name": "prometheus", "port": 0, "registry": prometheus.CollectorRegistry()},
            {"name": "otel", "tracer_provider": tracers},
        ],
        logger=LogConfig(path=str(tmp_path / "logs"), level="DEBUG", format=log_format),
        deadline=1,
        timeout=0.5,
        retries=1,
        skip_instance_cache=True,
    )
    for operation, *arguments in (
        (fs.cat_file, f"bucket/{CANARY}-path"),
        (fs.ls, "bucket"),
        (fs.pipe_file, "bucket/file", b"0"),
    ):
        with pytest.raises(OSError, match="bucket") as caught:
            operation(*arguments)
        error: Any = caught.value
        while error is not None:
            outputs += [str(error), repr(error)]
            error = error.__cause__ or error.__context__
    described = fs.describe()
    outputs += [repr(fs), str(fs), repr(fs.gateway), json.dumps(described)]
    outputs.append(page(described["telemetry"][0]["url"]))
    finished = spans.get_finished_spans()
    outputs += [span.to_json() for span in finished]
    outputs += [text for record in caplog.records for text in (record.getMessage(), repr(vars(record)))]
    outputs += [file.read_text("utf-8") for file in (tmp_path / "logs").glob("*")]
    tracers.shutdown()

    assert finished
    for output in outputs:
        for secret in ("key", "secret", "token"):
            assert f"{CANARY}-{secret}" not in output
    for words in (["metrics"], ["metrics", "--json"], ["top", "--count", "1", "--interval", "0.1"]):
        assert main([*words[:1], described["telemetry"][0]["url"], *words[1:]]) == 0
        said = capfd.readouterr()
        assert "read" in said.out
        assert CANARY not in said.out + said.err
    seen = [page(described["telemetry"][0]["url"]), *(span.to_json() for span in finished)]
    assert not [text for text in seen if f"{CANARY}-path" in text], "neither metrics nor spans have paths"


@pytest.mark.parametrize("workers", [{}, {"worker_hosts": "127.0.0.1:9"}], ids=["straight", "workers"])
def test_what_stands_before_an_at_is_in_no_output(workers: Dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "alluxiofs")
    prometheus: Any = importlib.import_module("prometheus_client")
    registry = prometheus.CollectorRegistry()
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="http",
        page_store=None,
        telemetry={"name": "prometheus", "port": None, "registry": registry},
        deadline=1,
        timeout=0.5,
        retries=1,
        skip_instance_cache=True,
        **workers,
    )
    url = f"http://user:{CANARY}@127.0.0.1:9/file"
    outputs: List[str] = []
    for operation in (fs.info, fs.cat_file, fs.ls, fs.open, fs.rm_file, lambda path: fs.pipe_file(path, b"0")):
        with pytest.raises(OSError, match="127.0.0.1") as caught:
            operation(url)
        outputs += traceback.format_exception(caught.type, caught.value, caught.tb)
        outputs += [repr(caught.value), repr(caught.value.args)]
    outputs += [repr(fs), json.dumps(fs.describe()), prometheus.generate_latest(registry).decode()]
    logged = [text for record in caplog.records for text in (record.getMessage(), repr(vars(record)))]
    assert any("127.0.0.1:9/file" in text for text in logged)
    assert not [text for text in [*outputs, *logged] if CANARY in text]


@pytest.mark.parametrize("words", ["doctor", "doctor --json", "describe --json", "stat --debug", "load --debug"])
def test_a_secret_is_in_no_output_of_a_command(
    words: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "alluxiofs")
    options = {
        **{f"target_options.{name}": f"{CANARY}-{name}" for name in ("key", "secret", "token")},
        "target_options.endpoint_url": "http://127.0.0.1:9",
        "target_protocol": "s3",
        "worker_hosts": "127.0.0.1:9",
        "page_store": "memory",
        "deadline": 1,
        "timeout": 0.5,
        "retries": 0,
    }
    named = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    code = main([*words.split(), *named, f"s3://bucket/{CANARY}-path"])
    said = capfd.readouterr()
    assert (code == 0) == words.startswith("describe")
    assert f"{CANARY}-path" in said.out + said.err or code == 0
    logged = [text for record in caplog.records for text in (record.getMessage(), repr(vars(record)))]
    for output in (said.out, said.err, *logged):
        for secret in ("key", "secret", "token"):
            assert f"{CANARY}-{secret}" not in output


def test_the_package_says_nothing_where_nobody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory", telemetry={"name": "prometheus", "port": 0})
    fs.pipe_file("/canary/quiet", b"0")
    assert fs.cat_file("/canary/quiet") == b"0"
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert not logging.getLogger("alluxiofs").handlers or all(
        isinstance(handler, logging.NullHandler) for handler in logging.getLogger("alluxiofs").handlers
    )


def test_records_say_who_failed_at_what(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "alluxiofs")
    fs = cluster.filesystem(None)
    fs.pipe_file("/canary/fields", b"0123456789")
    cluster.workers[cluster.first].failure = cluster.workers[cluster.second].failure = Failure.DEAD
    assert fs.cat_file("/canary/fields") == b"0123456789"
    failover, fallback = (
        {name: vars(record).get(name) for name in ("operation", "path", "worker", "component", "reason")}
        for record in caplog.records
        if hasattr(record, "operation")
    )
    assert failover == {
        "operation": "read",
        "path": "memory:///canary/fields",
        "worker": failover["worker"],
        "component": "in-process",
        "reason": "unavailable",
    }
    hosts = {f"{one.host}:{one.http_port}" for one in (cluster.first, cluster.second)}
    assert {failover["worker"], fallback["worker"]} == hosts


def test_no_handler_twice_and_none_that_writes(tmp_path: Path) -> None:
    for _ in range(2):
        setup_logger(LogConfig(path=str(tmp_path)))
    handlers = logging.getLogger("alluxiofs").handlers
    assert [type(handler) for handler in handlers if not hasattr(handler, "records")] == [logging.NullHandler]
