"""Gateways over two under stores with each kind of page store, and a table to write and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator
from uuid import uuid4

import pytest
from attrs import define
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.filesystem import AlluxioFileSystem
from tests.cli.conftest import command

__all__ = ["Gateway", "command", "gateway"]

PAGE_SIZE = 16 * 1024


@define(frozen=True)
class Gateway:
    """A filesystem, and an empty folder in its under store."""

    fs: AlluxioFileSystem
    arguments: Dict[str, Any]
    folder: str

    def fetched(self) -> int:
        """Bytes that came from the under store until now."""
        return int(self.fs.describe()["counters"]["bytes_from_under_stores"])

    def hits(self) -> int:
        """Reads of pages that were kept, until now; 0 without a page store."""
        return int(self.fs.describe()["counters"].get("page_store", {}).get("hits", 0))


def page_store(kind: str, folder: Path) -> Any:
    if kind == "disk":
        return {"name": "disk", "path": str(folder), "capacity": "100MB"}
    # The memory of a process is shared by equal settings: a capacity of its own keeps tests apart.
    return {"name": "memory", "capacity": 100 * 2**20 + uuid4().int % 2**20}


@pytest.fixture(params=["memory-memory", "memory-disk", "file-memory", "file-disk"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    """Named after its under store and its page store."""
    under_store, _, pages = request.param.partition("-")
    arguments = {
        "target_protocol": under_store,
        "page_store": page_store(pages, tmp_path / "pages"),
        "options": {"alluxio.worker.page.store.page.size": PAGE_SIZE},
    }
    folder = f"/test-{uuid4().hex[:12]}" if under_store == "memory" else str(tmp_path / "store")
    fs = AlluxioFileSystem(**arguments)
    fs.makedirs(folder)
    yield Gateway(fs, arguments, folder)
    if under_store == "memory":
        MemoryFileSystem().rm(folder, recursive=True)
