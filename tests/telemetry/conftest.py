"""Filesystems that record, and pages to look at."""

from __future__ import annotations

import gc
from typing import Any, Dict, Iterator

import fsspec
import pytest

from alluxiofs.testing import InProcessWorkers, ScriptedMembership, stand_ins
from tests import servers


@pytest.fixture
def free_port() -> int:
    """A port that nobody has, below those that connections are given."""
    return servers.free_port()


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """Filesystems that a test made are gone after it, and the pages of their telemetry with them."""
    from alluxiofs.filesystem import AlluxioFileSystem

    gc.collect()
    yield
    AlluxioFileSystem.clear_instance_cache()
    gc.collect()  # a page lives as long as somebody records for it, and a port has one page


class Cluster:
    """Two workers in memory before the memory filesystem."""

    def __init__(self) -> None:
        self.workers = InProcessWorkers()
        self.membership = ScriptedMembership()
        self.first, self.second = self.membership.push("h1,h2").workers

    def filesystem(self, telemetry: Any, **arguments: Any) -> Any:
        """A filesystem of these workers."""
        options: Dict[str, Any] = {"page_store": None, "retries": 0, **arguments}
        return fsspec.filesystem(
            "alluxiofs",
            fs=fsspec.filesystem("memory"),
            plugins=[stand_ins],
            transport={"name": "in-process", "workers": self.workers},
            membership=self.membership,
            telemetry=telemetry,
            skip_instance_cache=True,
            **options,
        )


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()
