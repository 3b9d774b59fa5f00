"""docs/clusters.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List

import pytest

from alluxiofs.cli.app import cli
from alluxiofs.settings.arguments import ARGUMENTS
from alluxiofs.settings.options import parse_options
from benchmarks.placement import POLICIES, measure

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "clusters.md").read_text("utf-8")
BLOCKS: List[str] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SHARES: Dict[str, List[List[str]]] = {}
for line in TEXT.splitlines():
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    if len(cells) == 5 and cells[1].isdigit():
        SHARES.setdefault(cells[0], []).append(cells[1:])


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_piece_of_python_runs(number: int) -> None:
    pytest.importorskip("s3fs")
    exec(compile(BLOCKS[number], "docs/clusters.md", "exec", dont_inherit=True), {})


@pytest.mark.parametrize(("name", "settings"), POLICIES)
def test_the_table_of_shares_is_what_is_measured(name: str, settings: Dict[str, int]) -> None:
    shown = f"`{name}`" + "".join(f", {value} {setting.replace('_', ' ')}" for setting, value in settings.items())
    rows = {row[0]: row[1:] for row in SHARES[shown]}
    assert list(rows) == ["3", "10", "50"]
    placed = measure(name, settings, 10)
    assert rows["10"] == [f"{placed.most:.2f}", f"{placed.least:.2f}", f"{placed.moved:.1%}"]


def test_what_is_named_exists() -> None:
    for name in re.findall(r"`(alluxio\.(?:user|dora|worker\.page)[\w.]+)`", TEXT):
        if name != "alluxio.user.worker.selection.policy":
            parse_options({name: "1"})
    for command in re.findall(r"alluxiofs (doctor|load)", TEXT):
        assert cli.get_command(None, command) is not None  # type: ignore[arg-type]  # no context is needed for it
    for name in re.findall(r"`(\w+)=", TEXT):
        assert name in ARGUMENTS or name in ("refresh", "dialect", "fall_back"), name


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= headings
    for other in DOCS.glob("*.md"):
        assert set(re.findall(r"\(clusters\.md#([\w-]+)\)", other.read_text("utf-8"))) <= headings, other
