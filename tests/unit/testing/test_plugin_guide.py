"""The guide for plugin authors shows the package that is in contrib, and says what the code says."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import fsspec
import pytest

import alluxiofs.testing
from alluxiofs.registry import POINTS

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "plugins.md").read_text("utf-8")
PIECES = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
PACKAGE = ROOT / "contrib" / "alluxiofs-first-worker"


@pytest.mark.parametrize("path", re.findall(r"^`([\w/.-]+)`:\n\n```", GUIDE, re.MULTILINE))
def test_the_package_of_the_guide_is_the_one_in_contrib(path: str) -> None:
    found = re.search(rf"^`{re.escape(path)}`:\n\n```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert found[1] == (PACKAGE / path).read_text("utf-8")


def test_the_guide_shows_the_package_whole() -> None:
    shown = set(re.findall(r"^`([\w/.-]+)`:\n\n```", GUIDE, re.MULTILINE))
    there = {
        str(path.relative_to(PACKAGE).as_posix()) for path in PACKAGE.rglob("*.*") if path.suffix in (".py", ".toml")
    }
    assert shown == there


def test_every_piece_of_python_in_the_guide_can_be_parsed() -> None:
    for piece in PIECES:
        ast.parse(piece)


def test_the_guide_names_every_point_and_every_tool_for_tests() -> None:
    for point in POINTS:
        assert f"`{point.hook}`" in GUIDE
        assert f"`{point.interface.__name__}`" in GUIDE
    for name in alluxiofs.testing.__all__:
        assert name in GUIDE, f"{name} of alluxiofs.testing"


def test_the_under_store_of_the_guide_runs_and_keeps_its_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, use, test = (piece for piece in PIECES if "zipped" in piece)
    (tmp_path / "zipped.py").write_text(store, encoding="utf-8")
    (tmp_path / "test_zipped.py").write_text(test, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    exec(compile(use, "docs/plugins.md", "exec"), {"__name__": "guide"})
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_zipped.py"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE,
        check=False,
        timeout=100,
        text=True,
    )
    assert run.returncode == 0, run.stdout
    assert int(re.findall(r"(\d+) passed", run.stdout)[0]) >= 20


def test_the_piece_about_stand_ins_runs() -> None:
    piece = next(piece for piece in PIECES if "stand_ins" in piece and "telemetry.events" in piece)
    exec(compile(piece, "docs/plugins.md", "exec"), {"__name__": "guide"})


def test_the_piece_about_secrets_runs_and_hides() -> None:
    piece = next(piece for piece in PIECES if "secret(" in piece)
    names: Dict[str, Any] = {"__name__": "guide"}
    exec(compile(piece, "docs/plugins.md", "exec"), names)
    assert "hunter2" not in repr(names["Settings"]("https://there", "hunter2"))


def test_the_package_is_used_without_being_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PACKAGE / "src"))
    module = importlib.import_module("alluxiofs_first_worker")
    by_name = fsspec.filesystem("alluxiofs", target_protocol="memory", policy="first-worker", plugins=[module])
    by_class = fsspec.filesystem("alluxiofs", target_protocol="memory", policy=module.FirstWorker)
    by_settings = fsspec.filesystem("alluxiofs", target_protocol="memory", policy=module.FirstWorker.Settings(offset=1))
    for fs, offset in ((by_name, 0), (by_class, 0), (by_settings, 1)):
        policy = fs.describe()["policy"]
        assert (policy["name"], policy["settings"]) == ("first-worker", {"offset": offset})
