"""The containers of ``contrib/monitoring/compose.yml``, without containers: what they mount is there and fits together,
and Prometheus runs on just these files."""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.integrations.needed import needed
from tests.servers import free_port, program, started

_CONTRIB = Path(__file__).parents[3] / "contrib" / "monitoring"
_PROMETHEUS, _GRAFANA = "/etc/prometheus", "/etc/grafana/provisioning"  # where their images look


@pytest.fixture
def services() -> Dict[str, Any]:
    found: Dict[str, Any] = read(_CONTRIB / "compose.yml")["services"]
    return found


def read(file: Path) -> Any:
    return needed("yaml").safe_load(file.read_text("utf-8"))


def mounted(service: Any) -> Dict[str, Path]:
    """The files of this repository that it sees, by where it sees them."""
    volumes = [volume.split(":") for volume in service["volumes"]]
    assert all(volume[2:] == ["ro"] for volume in volumes if volume[0].startswith(".")), "containers write nothing here"
    return {volume[1]: _CONTRIB / volume[0] for volume in volumes if volume[0].startswith(".")}


def flags(service: Any) -> Dict[str, str]:
    return dict(flag.split("=", 1) for flag in service["command"])


def test_what_is_mounted_is_there(services: Dict[str, Any]) -> None:
    assert set(services) == {"prometheus", "grafana"}
    assert set(mounted(services["prometheus"])) == {_PROMETHEUS}
    for service in services.values():
        assert service["network_mode"] == "host", "what is asked is on 127.0.0.1 of this machine"
        assert all(folder.is_dir() for folder in mounted(service).values())
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"]), "the same image each time"


def test_grafana_finds_its_data_source_and_its_dashboard(services: Dict[str, Any]) -> None:
    folders = mounted(services["grafana"])
    (source,) = read(folders[_GRAFANA] / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == f"http://{flags(services['prometheus'])['--web.listen-address']}"
    (provider,) = read(folders[_GRAFANA] / "dashboards" / "alluxiofs.yml")["providers"]
    dashboards = [json.loads(file.read_text("utf-8")) for file in folders[provider["options"]["path"]].glob("*.json")]
    assert [one["title"] for one in dashboards] == ["alluxiofs"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1", "it has no password"
    (choice,) = [one for one in dashboards[0]["templating"]["list"] if one["type"] == "datasource"]
    assert choice["query"] == source["type"]


def test_prometheus_runs_on_the_files_that_are_mounted(services: Dict[str, Any], tmp_path: Path) -> None:
    """With the command of the container, but for the port and the folder of its data."""
    told = flags(services["prometheus"])
    inside = told["--config.file"]
    assert inside.startswith(f"{_PROMETHEUS}/")
    told["--config.file"] = str(mounted(services["prometheus"])[_PROMETHEUS] / inside[len(_PROMETHEUS) + 1 :])
    port = free_port()
    told.update({"--storage.tsdb.path": str(tmp_path / "tsdb"), "--web.listen-address": f"127.0.0.1:{port}"})
    command = [program("prometheus"), *(f"{name}={value}" for name, value in told.items())]
    with started(command, port, tmp_path / "prometheus.log"):

        def ask(what: str) -> Any:
            """It answers 503 till it has begun, and has no targets till it has looked for them."""
            end = time.monotonic() + 60
            while True:
                with contextlib.suppress(urllib.error.HTTPError):
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{what}", timeout=30) as answer:
                        found = json.load(answer)["data"]
                        if any(found.values()):
                            return found
                assert time.monotonic() < end, what
                time.sleep(0.1)

        groups: List[Any] = ask("rules")["groups"]
        alerts = [rule["name"] for group in groups for rule in group["rules"] if rule["type"] == "alerting"]
        assert alerts == re.findall(r"- alert: (\w+)", (_CONTRIB / "rules" / "alerts.yml").read_text("utf-8"))
        targets = [
            (one["labels"]["job"], one["labels"]["instance"]) for one in ask("targets?state=active")["activeTargets"]
        ]
        assert ("alluxiofs", "127.0.0.1:9464") in targets, "the port that filesystems have by default"
    log = (tmp_path / "prometheus.log").read_text("utf-8")
    assert "level=info" in log
    assert "level=error" not in log, "a folder that it looks into is missing"
