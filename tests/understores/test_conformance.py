"""fsspec's own conformance suite over the gateway, on each of the servers, with a page store of another kind on each.

``test_straight.py`` asks the same of the clients themselves; docs/under-stores.md has the differences.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import fsspec
import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from tests.understores.conformance import Conformance, Place, Suites, places


class Gateway(Conformance):
    kind = ""

    @pytest.fixture
    def place(self, request: pytest.FixtureRequest) -> Iterator[Place]:
        yield from places(self.kind, request)

    def page_store(self, folder: Path) -> Optional[Dict[str, Any]]:
        """Where pages are kept, if they are."""
        raise NotImplementedError

    @pytest.fixture
    def fs(self, place: Place, tmp_path: Path) -> Iterator[AlluxioFileSystem]:
        made = fsspec.filesystem(
            "alluxiofs",
            target_protocol=place.protocol,
            target_options=place.options,
            page_store=self.page_store(tmp_path),
            options={"alluxio.worker.page.store.page.size": "64KB"},
        )
        assert isinstance(made, AlluxioFileSystem)
        yield made
        AlluxioFileSystem.clear_instance_cache()


class TestGcs(Gateway, Suites):
    kind = "gs"

    def page_store(self, folder: Path) -> Optional[Dict[str, Any]]:
        return {"name": "memory", "capacity": "64MB"}


class TestOss(Gateway, Suites):
    kind = "oss"

    def page_store(self, folder: Path) -> Optional[Dict[str, Any]]:
        return {"name": "disk", "path": str(folder / "pages"), "capacity": "64MB"}


class TestHdfs(Gateway, Suites):
    kind = "hdfs"

    def page_store(self, folder: Path) -> Optional[Dict[str, Any]]:
        return None
