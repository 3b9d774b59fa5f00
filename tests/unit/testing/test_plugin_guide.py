"""The guide for plugin authors shows the package that is in contrib, and says what the code says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import alluxiofs.testing
from alluxiofs.registry import POINTS

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "plugins.md").read_text("utf-8")
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
    for piece in re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        ast.parse(piece)


def test_the_guide_names_every_point_and_every_tool_for_tests() -> None:
    for point in POINTS:
        assert f"`{point.hook}`" in GUIDE
        assert f"`{point.interface.__name__}`" in GUIDE
    for name in alluxiofs.testing.__all__:
        assert name in GUIDE, f"{name} of alluxiofs.testing"
