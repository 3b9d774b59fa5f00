"""The under store oss keeps the contract, before a real S3 server with a front that checks OSS signatures."""

from __future__ import annotations

from typing import Any, Iterator
from uuid import uuid4

import pytest

from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins.under_store_oss import OssUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.under_stores import UnderStoreContract
from tests.oss_front import OssServer
from tests.understores.needed import needed

needed("ossfs", "oss")


def make(options: Any) -> OssUnderStore:
    return OssUnderStore(Target("oss", options), OssUnderStore.Settings(), make_context())


@pytest.fixture(scope="module")
def oss_store(oss_server: OssServer) -> Iterator[UnderStore]:
    store = make(oss_server.options)
    yield store
    store.close()


@pytest.fixture
def bucket(oss_store: UnderStore) -> str:
    """A bucket of the test's own; it goes with the server."""
    name = f"test-{uuid4().hex[:12]}"
    oss_store.make_directory(name, Deadline.after(10))
    return name


class TestOss(UnderStoreContract):
    @pytest.fixture
    def store(self, oss_store: UnderStore) -> UnderStore:
        return oss_store

    @pytest.fixture
    def root(self, store: UnderStore, bucket: str) -> str:
        return bucket
