"""The files for operators in ``contrib/monitoring``: what can be said of them without running anything under load."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Set

import pytest

from alluxiofs.interfaces import Call, Event
from alluxiofs.plugins._telemetry.catalogue import METRICS, Kind
from alluxiofs.plugins.telemetry_prometheus import PrometheusTelemetry
from alluxiofs.testing import make_context
from tests.servers import missing, program
from tests.telemetry.test_prometheus import page

_CONTRIB = Path(__file__).parents[2] / "contrib" / "monitoring"
_RULES = _CONTRIB / "rules"
_DASHBOARD = _CONTRIB / "grafana" / "dashboards" / "alluxiofs.json"


def promtool(*arguments: Any) -> None:
    command = [program("promtool"), *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def shown() -> Set[str]:
    """The names of all series that a process may show."""
    endings = {Kind.COUNTER: ("_total",), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
    return {metric.name + ending for metric in METRICS for ending in endings[metric.kind]}


def named(text: str) -> Set[str]:
    """The series that queries ask for."""
    return set(re.findall(r"(?<![:\w])alluxio(?:fs|_http_server)_\w+", text))


def test_promtool_understands_the_configuration_and_the_rules() -> None:
    promtool("check", "config", _CONTRIB / "prometheus.yml")
    promtool("check", "rules", _RULES / "recording.yml", _RULES / "alerts.yml")


def test_prometheus_own_parser_finds_nothing_wrong_but_the_name_that_is_a_contract() -> None:
    telemetry = PrometheusTelemetry(PrometheusTelemetry.Settings(port=0), make_context())
    for target, component in (("worker", "alluxio"), ("under_store", "s3")):
        telemetry.record_call(Call(target, component, "read", 'what "a plugin" \\ says\n', 0.02, 4096))
    telemetry.record_event(Event("fallback", "timeout", "worker-1"))
    text = page(telemetry.describe()["url"])
    telemetry.close()
    command = [program("promtool"), "check", "metrics"]
    ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout + ran.stderr == (
        "alluxio_http_server_call_latency_ms metric names should not contain abbreviated units\n"
    )


def test_each_alert_fires_and_none_of_them_when_all_is_well() -> None:
    promtool("test", "rules", _RULES / "tests.yml")
    alerts = re.findall(r"- alert: (\w+)", (_RULES / "alerts.yml").read_text("utf-8"))
    tested = re.findall(r"- name: (.+)", (_RULES / "tests.yml").read_text("utf-8"))
    assert [name for name in tested if ", " not in name] == [*alerts, "all is well"]


def test_what_is_recorded_is_asked_for_by_an_alert_or_the_dashboard() -> None:
    recording = (_RULES / "recording.yml").read_text("utf-8")
    recorded = re.findall(r"- record: (\S+)", recording)
    assert recorded
    asked = (
        recording.replace("record: ", "") + (_RULES / "alerts.yml").read_text("utf-8") + _DASHBOARD.read_text("utf-8")
    )
    assert [name for name in recorded if asked.count(name) < 2] == []


@pytest.mark.parametrize("file", ["rules/recording.yml", "rules/alerts.yml", "grafana/dashboards/alluxiofs.json"])
def test_only_metrics_that_exist_are_asked_for(file: str) -> None:
    names = named((_CONTRIB / file).read_text("utf-8"))
    assert names
    assert not names - shown()


def test_the_dashboard_shows_every_metric_but_those_of_plugins() -> None:
    names = named(_DASHBOARD.read_text("utf-8"))
    for metric in METRICS:
        if metric.name != "alluxiofs_other_events":
            assert any(name.startswith(metric.name) for name in names), metric.name


def test_no_number_is_red_because_it_is_over_80() -> None:
    """Grafana's thresholds of its own: 80 and more is red, of bytes a second as of processes."""
    for panel in json.loads(_DASHBOARD.read_text("utf-8"))["panels"]:
        if panel["type"] == "stat":
            colored = panel["options"]["colorMode"] != "none"
            assert colored == ("thresholds" in panel["fieldConfig"]["defaults"]), panel["title"]


def test_no_percentiles_are_put_together() -> None:
    """They are of buckets that were added up, and nothing is added up, averaged or compared of them after that."""
    queries = re.findall(r'"expr": "(.*?)(?<!\\\\)"', _DASHBOARD.read_text("utf-8"))
    assert len(queries) > 30
    for query in queries:
        assert "histogram_quantile" not in query or query.startswith("histogram_quantile("), query
        assert "avg" not in query, query


@pytest.fixture
def generator() -> Any:
    """The module that writes the dashboard."""
    if sys.version_info < (3, 11):
        pytest.skip("grafana-foundation-sdk is for Python 3.11 and later")
    if importlib.util.find_spec("grafana_foundation_sdk") is None:
        missing("grafana-foundation-sdk is not installed: pip install grafana-foundation-sdk")
    spec = importlib.util.spec_from_file_location("dashboard", _CONTRIB / "grafana" / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_dashboard_is_what_its_generator_writes(generator: Any) -> None:
    assert _DASHBOARD.read_text("utf-8") == generator.text()


def test_the_dashboard_is_what_grafana_understands(generator: Any) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    read = json.loads(_DASHBOARD.read_text("utf-8"))
    parsed = Dashboard.from_json(json.loads(_DASHBOARD.read_text("utf-8")))
    assert json.loads(JSONEncoder().encode(parsed)) == read, "nothing is lost"
    numbers = [panel["id"] for panel in read["panels"]]
    assert len(set(numbers) - {0}) == len(numbers), "links to panels go by them"
    places = [panel["gridPos"] for panel in read["panels"]]
    taken = {(place["x"] + x, place["y"] + y) for place in places for x in range(place["w"]) for y in range(place["h"])}
    assert len(taken) == sum(place["w"] * place["h"] for place in places), "panels lie over each other"
