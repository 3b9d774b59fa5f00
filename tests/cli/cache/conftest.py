"""Files, and a page store on disk that programs keep them in."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Dict

import pytest
from attrs import frozen

from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.interfaces import PageStore
from tests.cli.conftest import Command, Outcome

__all__ = ["PAGE", "SIZES", "Kept", "content", "kept", "write"]

PAGE = 16 << 10
SIZES = {"one": 1, "large": 10 * PAGE + 1, "sub/a b#1": PAGE, "subway": 3 * PAGE}


def content(name: str, size: int) -> bytes:
    """Bytes that only this file has."""
    piece = f"{name};".encode()
    return (piece * (size // len(piece) + 1))[:size]


@frozen
class Kept:
    """A folder of files, and the folder of a page store that programs keep them in."""

    command: Command
    files: Path
    pages: Path

    @property
    def url(self) -> str:
        return f"file://{self.files}"

    def arguments(self, capacity: str = "100MB") -> Dict[str, Any]:
        return {
            "target_protocol": "file",
            "page_store": {"name": "disk", "path": str(self.pages), "capacity": capacity},
            "options": {"alluxio.worker.page.store.page.size": PAGE},
        }

    def program(self, capacity: str = "100MB") -> AlluxioFileSystem:
        """What a program reads with."""
        return AlluxioFileSystem(**self.arguments(capacity))

    def store(self) -> PageStore:
        """The page store of a program."""
        store = self.program().gateway.parts.page_store
        assert store is not None
        return store

    def read(self, *names: str) -> None:
        """Have a program read files."""
        fs = self.program()
        for name in names or SIZES:
            assert fs.cat_file(f"{self.files}/{name}") == content(name, SIZES[name])

    def __call__(self, command: str, *words: object) -> Outcome:
        """Run ``alluxiofs cache`` on the folder of pages."""
        return self.command("cache", command, *words, "--path", self.pages)

    def pin(self, *words: object, capacity: str = "100MB") -> Outcome:
        """Run ``alluxiofs cache pin`` with the program's arguments."""
        store = json.dumps(self.arguments(capacity)["page_store"])
        page_size = f"options.alluxio.worker.page.store.page.size={PAGE}"
        return self.command("cache", "pin", *words, "--page-store", store, "-o", page_size)

    def listed(self, *words: object) -> Dict[str, Any]:
        """What is kept, by the names of the files."""
        entries = self("ls", "--json", *words).json()
        return {str(entry["url"]).replace(f"{self.url}/", ""): entry for entry in entries}


def write(path: Path, data: bytes) -> None:
    """Write a file that changed some time ago: what was written just now may change again unseen, so that nothing kept
    of it is found again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    settled = time.time() - 3600
    os.utime(path, (settled, settled))


@pytest.fixture
def kept(command: Command, tmp_path: Path) -> Kept:
    files = tmp_path / "files"
    for name, size in SIZES.items():
        write(files / name, content(name, size))
    return Kept(command, files, tmp_path / "pages")
