"""What a process shows when nothing is wrong alarms nobody, however long that goes on; what it shows of faults does."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, List
from urllib.parse import urlsplit

import fsspec
import pytest

from alluxiofs.testing.stand_in_workers import StandInCluster
from tests.servers import program
from tests.telemetry.test_prometheus import page, series

_RULES = Path(__file__).parents[2] / "contrib" / "monitoring" / "rules"
_HELD, _COLD = 6, 3
_STEP = "30s"
_STEPS = 240  # two hours


@pytest.fixture
def page_store() -> Any:
    return {"name": "memory", "capacity": "64MB"}


@pytest.fixture
def process(tmp_path: Path, page_store: Any) -> Any:
    """A filesystem of two workers, which hold most of the files."""
    lake = tmp_path / "lake"
    lake.mkdir()
    for number in range(_HELD + _COLD):
        (lake / f"file-{number}").write_bytes(os.urandom(300_000))
    with StandInCluster(lake, workers=2, page_size="64KB") as cluster:
        for number in range(_HELD):
            cluster.load(f"file-{number}")
        fs = fsspec.filesystem(
            "alluxiofs",
            target_protocol="file",
            page_store=page_store,
            telemetry={"name": "prometheus", "port": 0},
            metadata_ttl=0,
            skip_instance_cache=True,
            **cluster.arguments,
        )
        yield fs, cluster


def work(fs: Any, cluster: StandInCluster, turn: int) -> None:
    """Some of everything that programs do, and that is no fault."""
    fs.ls(cluster.url())
    assert not fs.exists(cluster.url("not-there"))
    for number in range(_HELD + _COLD):
        assert fs.cat_file(cluster.url(f"file-{number}"))
    with fs.open(cluster.url("file-0"), block_size=64 * 1024) as file:
        while file.read(50_000):
            pass
    # Somebody else has written it anew, and so what was kept of it is of no use any more.
    Path(urlsplit(cluster.url(f"file-{_HELD}")).path).write_bytes(os.urandom(300_000 - turn % 2))


def shown(fs: Any) -> Dict[str, float]:
    """What the process shows now; all calls are quick ones, for how busy this machine is does not matter."""
    found = series(page(fs.describe()["telemetry"][0]["url"]))
    for name in found:
        if "_bucket{" in name:
            found[name] = found[re.sub(r'_bucket{le="[^"]*",', "_count{", name)]
    return found


def alerts(folder: Path, before: Dict[str, float], after: Dict[str, float]) -> List[str]:
    """Those that fire within two hours in which each step brings what there was between the two pages."""
    job = 'job="alluxiofs",instance="a:1"'
    going_on = {f"up{{{job}}}": "1+0x240"}
    for name, value in after.items():
        metric, _, labels = name.partition("{")
        more = value - before.get(name, 0.0)
        level = metric in {"alluxiofs_open_files", "alluxiofs_workers_alive", "alluxiofs_breakers_open"} or (
            metric.startswith("alluxiofs_page_store_") and not metric.endswith("_total")
        )
        going_on[f"{metric}{{{job},{labels or '}'}"] = f"{value}+{0 if level else more}x{_STEPS}"
    test = {
        "rule_files": [str(_RULES / "recording.yml"), str(_RULES / "alerts.yml")],
        "evaluation_interval": _STEP,
        "tests": [
            {
                "interval": _STEP,
                "input_series": [{"series": name, "values": values} for name, values in going_on.items()],
                "promql_expr_test": [
                    # Those that fired at any time: it is to be none, and who fires is in what promtool says.
                    {
                        "expr": 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[2h]))',
                        "eval_time": "119m",
                        "exp_samples": [],
                    }
                ],
            }
        ],
    }
    file = folder / "alerts.json"  # JSON is YAML
    file.write_text(json.dumps(test))
    command = [program("promtool"), "test", "rules", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = ran.stdout + ran.stderr
    if ran.returncode == 0:
        return []
    _, found, got = said.partition("got:")
    assert found, said
    return sorted(word.split('"')[1] for word in got.split("{") if word.startswith("alertname="))


def test_nobody_is_alarmed_when_nothing_is_wrong(process: Any, tmp_path: Path) -> None:
    fs, cluster = process
    work(fs, cluster, 0)
    before = shown(fs)
    work(fs, cluster, 1)
    after = shown(fs)
    assert (
        after['alluxiofs_fallbacks_total{reason="not_held"}'] > before['alluxiofs_fallbacks_total{reason="not_held"}']
    )
    assert alerts(tmp_path, before, after) == []


@pytest.mark.parametrize("page_store", [None])
def test_somebody_is_alarmed_when_workers_are_gone(process: Any, tmp_path: Path) -> None:
    fs, cluster = process
    work(fs, cluster, 0)
    before = shown(fs)
    for worker in cluster.workers:
        worker.kill()
    for turn in range(3):
        work(fs, cluster, turn)
    after = shown(fs)
    found = alerts(tmp_path, before, after)
    assert {"AlluxiofsBreakersOpen", "AlluxiofsFallbacks", "AlluxiofsWorkersFail"} <= set(found)


@pytest.mark.parametrize("page_store", [None])
def test_what_the_under_store_bears_is_told_as_long_as_workers_are_passed_over(process: Any) -> None:
    """Nobody fails then, for nobody is asked: the metric that says who bears it must not fall to nothing."""
    fs, cluster = process
    for worker in cluster.workers:
        worker.kill()
    for turn in range(3):
        work(fs, cluster, turn)
    before = fallbacks(fs)
    for number in range(_HELD):
        fs.cat_file(cluster.url(f"file-{number}"))
    assert fallbacks(fs) >= before + _HELD


def fallbacks(fs: Any) -> float:
    found = shown(fs)
    return sum(value for name, value in found.items() if name.startswith("alluxiofs_fallbacks_total{"))
