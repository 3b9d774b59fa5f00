"""The under store hdfs keeps the contract, on a real NameNode and DataNode."""

from __future__ import annotations

from typing import Any, Iterator
from uuid import uuid4

import pytest

from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins.under_store_hdfs import HdfsUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.under_stores import UnderStoreContract
from tests.servers import HdfsServer
from tests.understores.needed import needed

needed("hdfs_native", "hdfs", since=(3, 9))


def make(options: Any) -> HdfsUnderStore:
    return HdfsUnderStore(Target("hdfs", options), HdfsUnderStore.Settings(), make_context())


@pytest.fixture(scope="module")
def hdfs_store(hdfs_server: HdfsServer) -> Iterator[UnderStore]:
    store = make(hdfs_server.options)
    yield store
    store.close()


@pytest.fixture
def folder(hdfs_store: UnderStore) -> str:
    """A directory of the test's own; it goes with the server."""
    name = f"/test-{uuid4().hex[:12]}"
    hdfs_store.make_directory(name, Deadline.after(10))
    return name


class TestHdfs(UnderStoreContract):
    refused = (":",)

    @pytest.fixture
    def store(self, hdfs_store: UnderStore) -> UnderStore:
        return hdfs_store

    @pytest.fixture
    def root(self, store: UnderStore, folder: str) -> str:
        return folder
