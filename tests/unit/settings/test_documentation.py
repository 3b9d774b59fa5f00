"""docs/configuration.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from alluxiofs.settings import Automatic, Choice, Settings
from alluxiofs.settings.arguments import ARGUMENTS
from alluxiofs.settings.options import parse_options
from alluxiofs.settings.types import Size

TEXT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text("utf-8")
ROWS: List[Tuple[str, ...]] = [
    tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in TEXT.splitlines() if line.startswith("| `")
]
ARGUMENT_ROWS: Dict[str, Tuple[str, ...]] = {
    name: row for row in ROWS if len(row) == 4 for name in re.findall(r"`(\w+)`", row[0])
}


def test_every_argument_is_there_and_no_other() -> None:
    assert set(ARGUMENT_ROWS) == set(ARGUMENTS)


@pytest.mark.parametrize(
    "name", sorted(set(ARGUMENTS) - {"page_store", "options", "logger", "under_store", "transport"})
)
def test_the_default_is_what_is_said(name: str) -> None:
    default: Any = getattr(Settings.parse(), name)
    said = ARGUMENT_ROWS[name][2].strip("`")
    if default is None or default == () or (default == {} and said == "–"):
        assert said in ("–", "none", "by the arguments above")
    elif isinstance(default, Choice):
        assert said == default.name
    elif isinstance(default, Size):
        assert Size(said) == default
    else:
        assert said == (f"{default:g}" if isinstance(default, float) else str(default))


def test_the_default_of_the_page_store_depends() -> None:
    assert Settings.parse().page_store is Automatic.AUTOMATIC


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(alluxio\.[\w.]+)`", TEXT)) - {"alluxio."}))
def test_every_property_is_known(name: str) -> None:
    value = {"policy": "MAGLEV", "default": "THROUGH", "root": "s3://bucket", "hostname": "here"}
    parse_options({name: value.get(name.rsplit(".", 1)[-1], "17")})


@pytest.mark.parametrize("piece", re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
def test_every_piece_of_python_runs(piece: str) -> None:
    exec(compile(piece, "docs/configuration.md", "exec", dont_inherit=True), {})
