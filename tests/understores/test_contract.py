"""Every built-in under store keeps the contract, each on the real thing."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator
from uuid import uuid4

import pytest
from fsspec.implementations.local import LocalFileSystem

from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_local import LocalUnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.under_stores import UnderStoreContract
from tests.servers import S3Server


@pytest.fixture(scope="module")
def s3_store(s3_server: S3Server) -> Iterator[UnderStore]:
    store = S3UnderStore(Target("s3", s3_server.options), S3UnderStore.Settings(), make_context())
    yield store
    store.close()


@pytest.fixture(scope="module")
def any_store_on_s3(s3_server: S3Server) -> UnderStore:
    return FsspecUnderStore(Target("s3", s3_server.options), FsspecUnderStore.Settings(), make_context())


class TestLocal(UnderStoreContract):
    @pytest.fixture
    def store(self) -> UnderStore:
        return LocalUnderStore(Target("file"), LocalUnderStore.Settings(), make_context())

    @pytest.fixture
    def root(self, store: UnderStore, tmp_path: Path) -> str:
        return str(tmp_path)


class TestAnyOnMemory(UnderStoreContract):
    @pytest.fixture
    def store(self) -> UnderStore:
        return FsspecUnderStore(Target("memory"), FsspecUnderStore.Settings(), make_context())

    @pytest.fixture
    def root(self, store: UnderStore) -> str:
        name = f"/test-{uuid4().hex}"
        store.make_directory(name, Deadline.after(5))
        return name


class TestAnyOnLocalFiles(UnderStoreContract):
    @pytest.fixture
    def store(self) -> UnderStore:
        return FsspecUnderStore(Target("file"), FsspecUnderStore.Settings(), make_context())

    @pytest.fixture
    def root(self, store: UnderStore, tmp_path: Path) -> str:
        return str(tmp_path)


class TestAnyOnAReadyClient(TestAnyOnLocalFiles):
    @pytest.fixture
    def store(self) -> UnderStore:
        class Files(LocalFileSystem):
            cachable = False

        return FsspecUnderStore(Target("file", client=Files()), FsspecUnderStore.Settings(), make_context())


class TestS3(UnderStoreContract):
    @pytest.fixture
    def store(self, s3_store: UnderStore) -> UnderStore:
        return s3_store

    @pytest.fixture
    def root(self, store: UnderStore, s3_bucket: str) -> str:
        return s3_bucket


class TestAnyOnS3(UnderStoreContract):
    refused = ("?versionId=",)
    many = 40  # its pages are s3fs's own affair

    @pytest.fixture
    def store(self, any_store_on_s3: UnderStore) -> UnderStore:
        return any_store_on_s3

    @pytest.fixture
    def root(self, store: UnderStore, s3_bucket: str) -> str:
        return s3_bucket
