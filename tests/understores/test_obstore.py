"""The under store obstore keeps the contract, on real servers."""

from __future__ import annotations

import json
import urllib.request
from typing import Any, Iterator
from uuid import uuid4

import pytest

from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.under_stores import UnderStoreContract
from tests.servers import GcsServer, S3Server
from tests.understores.needed import needed
from tests.understores.obstore_gcs_front import xml_front

needed("obstore", "fast", since=OLDEST_PYTHON)


def make(options: Any, protocol: str = "s3") -> ObstoreUnderStore:
    return ObstoreUnderStore(Target(protocol, options), ObstoreUnderStore.Settings(), make_context())


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


@pytest.fixture(scope="module")
def store_on_gcs(gcs_server: GcsServer) -> Iterator[UnderStore]:
    with xml_front(gcs_server) as front:
        store = make(front.options, "gs")
        yield store
        store.close()


class TestOnGcs(UnderStoreContract):
    @pytest.fixture
    def store(self, store_on_gcs: UnderStore) -> UnderStore:
        return store_on_gcs

    @pytest.fixture
    def root(self, store: UnderStore, gcs_server: GcsServer) -> str:
        bucket = f"test-{uuid4().hex[:12]}"
        body = json.dumps({"name": bucket}).encode()
        url = f"{gcs_server.endpoint}/storage/v1/b?project=test"
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).close()
        return bucket
