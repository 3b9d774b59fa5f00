"""The page of the documentation says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import attrs

from alluxiofs.logs import FIELDS
from alluxiofs.plugins._telemetry.catalogue import METRICS, Kind
from alluxiofs.plugins.telemetry_otel import OtelTelemetry
from alluxiofs.plugins.telemetry_prometheus import PrometheusTelemetry

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "telemetry.md").read_text("utf-8")


def test_every_metric_is_there_with_its_labels_and_nothing_else() -> None:
    rows = re.findall(r"^\| `(alluxio\w+)` \| (\w+) \| (.*?) \| \w+ \| (.*?) \| (.*?) \| \S.* \|$", _PAGE, re.MULTILINE)
    assert [
        (name, kind, tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, kind, labels, meaning, _ in rows
    ] == [
        (
            metric.name + ("_total" if metric.kind is Kind.COUNTER else ""),
            metric.kind.value,
            metric.labels,
            metric.help,
        )
        for metric in METRICS
    ]
    for _, _, _, _, places in rows:
        for place in re.findall(r"`(.*?)`", places):
            assert (_ROOT / "alluxiofs" / place).exists(), place


def test_every_setting_is_there() -> None:
    for settings in (PrometheusTelemetry.Settings, OtelTelemetry.Settings):
        for field in attrs.fields(settings):
            assert f"`{field.name}`" in _PAGE


def test_every_field_of_the_log_is_there_and_no_line_is_without() -> None:
    table = _PAGE.partition("## The log")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == FIELDS
    calls = [
        (file, call)
        for file in (_ROOT / "alluxiofs").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("debug", "info", "warning", "error", "exception", "log")
        and getattr(call.func.value, "attr", getattr(call.func.value, "id", "")).endswith("logger")
    ]
    assert len(calls) > 10
    for file, call in calls:
        assert "extra" in [keyword.arg for keyword in call.keywords], f"{file}, line {call.lineno}"
