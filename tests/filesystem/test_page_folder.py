"""Which folders pages are kept in, and who is told of one that is not used: what ``docs/quickstart.md`` says."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import logging, sys
import fsspec
exec(sys.argv[1])
fs = fsspec.filesystem("alluxiofs", target_protocol="file", page_store={"name": "disk", "path": "pages"})
assert fs.cat_file("file") == fs.cat_file("file") == b"data"
print(fs.describe()["page_store"]["problem"])
"""


def run(folder: Path, setup: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "file").write_bytes(b"data")
    command = [sys.executable, "-c", SCRIPT, setup]
    pipe = subprocess.PIPE
    return subprocess.run(command, cwd=folder, check=True, stdout=pipe, stderr=pipe, text=True)


def test_a_folder_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert run(tmp_path).stdout == "None\n"
    assert stat.S_IMODE((tmp_path / "pages").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_one_that_only_its_owner_writes_is_used(tmp_path: Path, mode: int) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages").chmod(mode)
    assert run(tmp_path).stdout == "None\n"
    assert list((tmp_path / "pages").iterdir())


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_one_that_others_may_write_is_not_and_the_log_says_so_once_to_those_who_have_one(
    tmp_path: Path, mode: int
) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages").chmod(mode)
    silent, shown = run(tmp_path), run(tmp_path, "logging.basicConfig()")
    for done in (silent, shown):
        assert "others may write to the folder; chmod go-w it" in done.stdout
    assert silent.stderr == ""
    (line,) = shown.stderr.splitlines()
    assert line.startswith("WARNING:alluxiofs:page store 'disk' does not work")
    assert not list((tmp_path / "pages").iterdir())
