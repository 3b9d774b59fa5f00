"""fsspec's own conformance suite over the gateway: each under store with each kind of page store."""

from __future__ import annotations

import posixpath
from typing import Any, Callable, Dict, Optional

import pytest
from fsspec.tests import abstract

from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(
        self, place: Place, page_store: Optional[Dict[str, Any]], filesystem: Callable[..., AlluxioFileSystem]
    ) -> AlluxioFileSystem:
        return filesystem(place, page_store=page_store)

    @pytest.fixture
    def fs_path(self, place: Place) -> str:
        return place.root

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def supports_empty_directories(self, place: Place) -> bool:
        return bool(place.arguments["target_protocol"] != "s3")


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    """``cp``."""


class TestGet(abstract.AbstractGetTests, Fixtures):
    """``get``."""


class TestPut(abstract.AbstractPutTests, Fixtures):
    """``put``."""


if hasattr(abstract, "AbstractOpenTests"):  # fsspec has these two since 2025.2

    class TestOpen(abstract.AbstractOpenTests, Fixtures):
        """``open``."""

    class TestPipe(abstract.AbstractPipeTests, Fixtures):
        """``pipe``."""
