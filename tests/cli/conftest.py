"""The command, run in this process as a user would run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest
from attrs import define

from alluxiofs.cli import main

CONTENT = b"0123456789" * 1000
"""Of the file that ``busy`` has written."""


@define(frozen=True)
class Outcome:
    """What came of one run of the command."""

    code: int
    output: bytes
    errors: str

    @property
    def lines(self) -> list[str]:
        return self.output.decode("utf-8", "surrogateescape").splitlines()

    @property
    def error_lines(self) -> list[str]:
        return self.errors.splitlines()

    def json(self) -> Any:
        return json.loads(self.output)


class Command:
    """Calls ``alluxiofs`` with words."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def __call__(self, *words: object) -> Outcome:
        self._capture.readouterr()
        code = main([str(word) for word in words])
        output, errors = self._capture.readouterr()
        return Outcome(code, output, errors.decode("utf-8"))


@pytest.fixture
def command(capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    return Command(capfdbinary)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of an under store of local files: two files, a folder with one."""
    folder = tmp_path / "store"
    (folder / "inner").mkdir(parents=True)
    (folder / "one").write_bytes(b"1")
    (folder / "two.bin").write_bytes(bytes(range(256)) * 8)
    (folder / "inner" / "three").write_bytes(b"333")
    return folder


@pytest.fixture
def url(store: Path) -> str:
    """The URL of that folder."""
    return f"file://{store}"


@pytest.fixture
def busy() -> Any:
    """A filesystem that shows its metrics, and has read and written something."""
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="memory",
        page_store={"name": "memory", "capacity": "8MB"},
        telemetry={"name": "prometheus", "port": 0},
        skip_instance_cache=True,
    )
    fs.pipe_file("/monitoring/file", CONTENT)
    assert fs.cat_file("/monitoring/file") == CONTENT
    assert fs.cat_file("/monitoring/file") == CONTENT
    return fs


def port_of(fs: Any) -> int:
    return int(fs.describe()["telemetry"][0]["url"].rpartition(":")[2].partition("/")[0])
