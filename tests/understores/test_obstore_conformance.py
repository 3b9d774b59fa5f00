"""fsspec's own conformance suite over the gateway, with the under store obstore."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from tests.servers import S3Server
from tests.understores.conformance import Conformance, Place, Suites
from tests.understores.needed import needed

needed("obstore", "fast", since=OLDEST_PYTHON)


class TestS3(Conformance, Suites):
    @pytest.fixture
    def place(self, s3_server: S3Server, s3_client: Any) -> Place:
        name = f"test-{uuid4().hex[:12]}"
        s3_client.mkdir(name)
        return Place("s3", s3_server.options, s3_client, f"{name}/folder")

    @pytest.fixture
    def fs(self, place: Place, tmp_path: Path) -> Iterator[AlluxioFileSystem]:
        made = fsspec.filesystem(
            "alluxiofs",
            target_protocol=place.protocol,
            target_options=place.options,
            under_store="obstore",
            page_store={"name": "memory", "capacity": "64MB"},
            options={"alluxio.worker.page.store.page.size": "64KB"},
        )
        assert isinstance(made, AlluxioFileSystem)
        yield made
        AlluxioFileSystem.clear_instance_cache()
