"""What the documents show works: their Python blocks run, their links lead somewhere, their commands exist."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict

import click
import pytest
from attrs import fields_dict
from packaging.specifiers import SpecifierSet

from alluxiofs.cli.app import cli
from alluxiofs.cli.commands.cache import command as cache
from alluxiofs.cli.failures import Code
from alluxiofs.interfaces import Call, Event
from alluxiofs.interfaces.telemetry import LEVELS
from tests.integrations.needed import needed

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python *(?P<needs>[a-z]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (?P<name>\w+)\.py\n")
LINK = re.compile(r"\]\((?!https?://|#)(?P<path>[^)#]+)")
DOCUMENTS = [
    "README.md",
    "docs/README.md",
    "docs/cli.md",
    "docs/clusters.md",
    "docs/integrations.md",
    "docs/page-store.md",
    "docs/plugins.md",
    "docs/quickstart.md",
    "docs/sizing.md",
    "docs/telemetry.md",
]


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def run_blocks(text: str, document: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the Python blocks of a text one after the other, with the same names. Returns how many ran.

    A block that begins with ``# name.py`` is that file; one marked with a package needs it.
    """
    names: Dict[str, Any] = {"__name__": "document"}
    ran = 0
    for block in BLOCK.finditer(text):
        code, line = block["code"], text[: block.start("code")].count("\n")
        file = FILE_NAME.match(code)
        if file is not None:
            (folder / f"{file['name']}.py").write_text(code, encoding="utf-8")
            importlib.invalidate_caches()
            monkeypatch.delitem(sys.modules, file["name"], raising=False)
            continue
        if block["needs"]:
            needed(block["needs"])
        exec(compile("\n" * line + code, document, "exec"), names)
        ran += 1
    return ran


# Ray's own affair, as in test_ray.py.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")
@pytest.mark.filterwarnings("ignore::FutureWarning:ray.*")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", ["README.md", "docs/quickstart.md", "docs/integrations.md"])
def test_python_blocks_run_in_order(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    needed("s3fs")
    if document == "docs/integrations.md":
        needed("pandas")
        needed("pyarrow")
    assert run_blocks(text_of(document), document, tmp_path, monkeypatch) >= 4


def test_the_telemetry_of_the_plugin_guide_runs_and_keeps_its_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = text_of("docs/plugins.md")
    begin = guide.index("### Telemetry, method by method")
    section = "\n" * guide[:begin].count("\n") + guide[begin : guide.index("\n## ", begin)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run_blocks(section, "docs/plugins.md", tmp_path, monkeypatch) == 1
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_traffic.py"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        check=False,
        timeout=100,
        text=True,
    )
    assert run.returncode == 0, run.stdout


def test_the_package_of_the_plugin_guide_can_be_built_from_its_text(tmp_path: Path) -> None:
    shown = re.findall(r"^`([\w/.-]+)`:\n\n```\w+\n(.*?)^```$", text_of("docs/plugins.md"), re.MULTILINE | re.DOTALL)
    for name, text in shown:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    needed("hatchling")
    # Without the isolation of `python -m build`, which would fetch what is here already.
    run = subprocess.run(
        [sys.executable, "-c", "from hatchling.build import build_wheel; print(build_wheel('dist'))"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(tmp_path / "dist" / run.stdout.split()[-1]) as wheel:
        assert "alluxiofs_first_worker/__init__.py" in wheel.namelist()
        (metadata,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/METADATA"))
    (specifiers,) = re.findall(r"^Requires-Dist: alluxiofs([<>=!~].*)$", metadata, re.MULTILINE)
    assert SpecifierSet(specifiers).contains(version("alluxiofs"))


def test_the_guide_names_every_field_that_telemetry_is_told() -> None:
    guide = text_of("docs/plugins.md")
    for field in (*Call._fields, *fields_dict(Event)):
        assert f"| `{field}` |" in guide
    for level in LEVELS:
        assert guide.count(f"`{level}`") >= 2, "among what is watched, and among those of the moment"
    for method in ("record_call(call)", "record_event(event)", "watch(name, read)", "gather(hand_over)"):
        assert f"`{method}`" in guide


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    missing = [link["path"] for link in LINK.finditer(text_of(document)) if not (folder / link["path"]).exists()]
    assert missing == []


def test_the_page_of_the_command_names_all_commands_and_exit_codes() -> None:
    page = text_of("docs/cli.md")
    commands = {found.split()[0] for found in re.findall(r"^\| `([a-z][^`]*)` \|", page, re.MULTILINE)}
    assert commands == set(cli.list_commands(click.Context(cli)))
    subcommands = set(re.findall(r"^\| `cache ([a-z]+)", page, re.MULTILINE))
    assert subcommands == set(cache.list_commands(click.Context(cache)))
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert codes == {value for name, value in vars(Code).items() if name.isupper()}


def test_the_readme_names_all_commands() -> None:
    readme = text_of("README.md")
    section = readme[readme.index("## The command") : readme.index("## What is a plugin")]
    told = {
        name for line in re.findall(r"^- [^:]+: (.*)$", section, re.MULTILINE) for name in re.findall("`(.+?)`", line)
    }
    assert told == set(cli.list_commands(click.Context(cli)))


def test_the_table_of_plugins_is_what_there_is() -> None:
    from alluxiofs.registry import POINTS, Registry

    table = re.findall(r"^\| ([a-z ]+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", text_of("README.md"), re.MULTILINE)
    told = {name.replace(" ", "_"): set(re.findall(r"`([^`]+)`", built_in)) for name, built_in in table}
    del told["extension_point"]
    registry = Registry()
    there = {
        point.name: {one.name for one in registry.all(point).values() if one.source.package == "alluxiofs"}
        for point in POINTS
    }
    assert told == there
