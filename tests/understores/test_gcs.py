"""The under store gcs keeps the contract, on a real server of its protocol."""

from __future__ import annotations

from typing import Any, Iterator
from uuid import uuid4

import pytest

from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins.under_store_gcs import GcsUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import get, put, soon
from alluxiofs.testing.under_stores import UnderStoreContract
from tests.servers import GcsServer
from tests.understores.needed import needed

needed("gcsfs", "gcs")


def make(options: Any) -> GcsUnderStore:
    return GcsUnderStore(Target("gs", options), GcsUnderStore.Settings(), make_context())


@pytest.fixture(scope="module")
def gcs_store(gcs_server: GcsServer) -> Iterator[UnderStore]:
    store = make(gcs_server.options)
    yield store
    store.close()


@pytest.fixture
def bucket(gcs_store: UnderStore) -> str:
    """A bucket of the test's own; it goes with the server."""
    name = f"test-{uuid4().hex[:12]}"
    gcs_store.make_directory(name, Deadline.after(10))
    return name


class TestGcs(UnderStoreContract):
    @pytest.fixture
    def store(self, gcs_store: UnderStore) -> UnderStore:
        return gcs_store

    @pytest.fixture
    def root(self, store: UnderStore, bucket: str) -> str:
        return bucket


def test_a_key_and_keys_below_it_are_both_there(gcs_store: UnderStore, bucket: str) -> None:
    put(gcs_store, f"{bucket}/x/y", b"below")
    put(gcs_store, f"{bucket}/x", b"the key itself")
    assert get(gcs_store, gcs_store.stat(f"{bucket}/x", soon())) == b"the key itself"
    assert get(gcs_store, gcs_store.stat(f"{bucket}/x/y", soon())) == b"below"
    listed = sorted((entry.name, entry.kind) for entry in gcs_store.list(bucket, soon()))
    assert listed == [(f"{bucket}/x", "directory"), (f"{bucket}/x", "file")]
    below = sorted(entry.name for entry in gcs_store.list(bucket, soon(), recursive=True))
    assert below == [f"{bucket}/x", f"{bucket}/x/y"]
