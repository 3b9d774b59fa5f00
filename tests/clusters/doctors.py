"""What runs ``alluxiofs doctor``, and what it looks at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from alluxiofs.cli import main
from alluxiofs.testing.stand_in_workers import StandInCluster

__all__ = ["FILES", "Doctor", "cluster", "doctor", "lake", "told"]

FILES = 12


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for number in range(FILES):
        (tmp_path / f"file-{number}.bin").write_bytes(bytes([number]) * 9000)
    return tmp_path


@pytest.fixture
def cluster(lake: Path) -> Iterator[StandInCluster]:
    with StandInCluster(lake, workers=3, page_size=4096, virtual_nodes=5) as running:
        running.load_all()
        yield running


class Doctor:
    """Runs the command, and knows what it found."""

    def __init__(self, capfd: Any) -> None:
        self._capfd = capfd
        self.code = 0

    def __call__(self, path: str = "", **arguments: Any) -> List[Dict[str, Any]]:
        words = ["doctor", *([path] if path else []), "--json"]
        for name, value in arguments.items():
            words += ["-o", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        self._capfd.readouterr()
        self.code = main(words)
        output, errors = self._capfd.readouterr()
        assert errors == ""
        said = json.loads(output)
        assert said["ok"] == (self.code == 0)
        findings: List[Dict[str, Any]] = said["findings"]
        return findings

    def wrong(self, path: str = "", **arguments: Any) -> Tuple[str, str, str]:
        """The only thing that is wrong: what, its text, and the advice."""
        found = [one for one in self(path, **arguments) if one["grade"] == "wrong"]
        assert len(found) == 1, found
        return found[0]["what"], found[0]["text"], found[0]["advice"] or ""


@pytest.fixture
def doctor(capfd: Any) -> Doctor:
    return Doctor(capfd)


def told(cluster: StandInCluster, **more: Any) -> Dict[str, Any]:
    return {"target_protocol": "file", **cluster.arguments, **more}
