"""The page of the documentation says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import List

import attrs
import pytest

from alluxiofs.logs import FIELDS
from alluxiofs.plugins._telemetry import catalogue
from alluxiofs.plugins._telemetry.catalogue import METRICS, Kind, Metric
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


def recorded(metric: Metric) -> List[str]:
    """The words by which the code records it: a kind of events, the names of counters, or the value that calls are."""
    if metric is catalogue.READ_BYTES:
        return [counter for _, counter, _ in catalogue.SOURCES]
    if metric is catalogue.OTHER_EVENTS:
        return ["record_event"]
    words = [kind for kind, one in catalogue.EVENTS.items() if one is metric]
    for counters in catalogue.WATCHED.values():
        words += [counter for counter, one in counters.items() if one is metric]
    return words or ["record_call"]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_recorded_where_the_page_says(metric: Metric) -> None:
    (places,) = re.findall(rf"^\| `{metric.name}(?:_total)?` \|(?:[^|]*\|){{4}} (.*?) \|", _PAGE, re.MULTILINE)
    code = []
    for place in re.findall(r"`(.*?)`", places):
        there = _ROOT / "alluxiofs" / place
        files = sorted(there.rglob("*.py")) if place.endswith("/") else [there]
        text = "\n".join(file.read_text("utf-8") for file in files)
        assert any(re.search(rf"\b{word}\b", text) for word in recorded(metric)), place
        code.append(text)
    for word in recorded(metric):
        assert re.search(rf"\b{word}\b", "\n".join(code)), word


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
