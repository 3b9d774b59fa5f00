"""The under store obstore keeps the contract, on real servers of S3's protocol."""

from __future__ import annotations

from typing import Any, Iterator
from uuid import uuid4

import pytest

from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.under_stores import UnderStoreContract
from tests.servers import S3Server
from tests.understores.needed import needed

needed("obstore", "fast", since=OLDEST_PYTHON)


def make(options: Any) -> ObstoreUnderStore:
    return ObstoreUnderStore(Target("s3", options), ObstoreUnderStore.Settings(), make_context())


@pytest.fixture(scope="module")
def store_on_versitygw(s3_server: S3Server) -> Iterator[UnderStore]:
    store = make(s3_server.options)
    yield store
    store.close()


@pytest.fixture(scope="module")
def store_on_minio(minio_server: S3Server) -> Iterator[UnderStore]:
    store = make(minio_server.options)
    yield store
    store.close()


@pytest.fixture(scope="module")
def minio_client(minio_server: S3Server) -> Any:
    import s3fs

    return s3fs.S3FileSystem(**minio_server.options, skip_instance_cache=True)


class TestOnVersitygw(UnderStoreContract):
    @pytest.fixture
    def store(self, store_on_versitygw: UnderStore) -> UnderStore:
        return store_on_versitygw

    @pytest.fixture
    def root(self, store: UnderStore, s3_bucket: str) -> str:
        return s3_bucket


class TestOnMinio(UnderStoreContract):
    @pytest.fixture
    def store(self, store_on_minio: UnderStore) -> UnderStore:
        return store_on_minio

    @pytest.fixture
    def root(self, store: UnderStore, minio_client: Any) -> str:
        bucket = f"test-{uuid4().hex[:12]}"
        minio_client.mkdir(bucket)
        return bucket
