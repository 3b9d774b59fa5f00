"""obstore on Google Cloud Storage: what is its own there."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List
from uuid import uuid4

import pytest

from alluxiofs.errors import FileChangedError, UnavailableError
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.plugins.under_store_gcs import GcsUnderStore
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once
from tests.faults import Fault, FaultProxy, Request, status
from tests.servers import GcsServer
from tests.understores.accounts import account_of, service_account
from tests.understores.needed import needed
from tests.understores.obstore_gcs_front import xml_front

needed("obstore", "fast", since=OLDEST_PYTHON)
needed("gcsfs", "gcs")

DATA = bytes(range(256)) * 2048  # 512 KiB


def make(options: Any) -> ObstoreUnderStore:
    return ObstoreUnderStore(Target("gs", options), ObstoreUnderStore.Settings(), make_context())


def soon() -> Deadline:
    return Deadline.after(20)


def get(store: UnderStore, entry: Entry, start: int, stop: int) -> bytes:
    target = bytearray(stop - start)
    store.read_into(entry.name, entry.version, start, memoryview(target), soon())
    return bytes(target)


def refusal(code: int, message: str) -> Fault:
    body = {"error": {"code": code, "message": message, "errors": [{"message": message}]}}
    return status(code, json.dumps(body).encode(), {"Content-Type": "application/json"})


@pytest.fixture
def proxy(gcs_server: GcsServer) -> Iterator[FaultProxy]:
    with xml_front(gcs_server) as front, FaultProxy(front.host, front.port) as proxy:
        yield proxy


@pytest.fixture
def store(gcs_server: GcsServer, proxy: FaultProxy) -> Iterator[UnderStore]:
    """By way of the proxy."""
    store = make(gcs_server.options_at(f"http://127.0.0.1:{proxy.port}"))
    yield store
    store.close()


@pytest.fixture
def client(gcs_server: GcsServer) -> Any:
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(**gcs_server.options, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"test-{uuid4().hex[:12]}"
    client.mkdir(name)
    return name


def test_a_compressed_object_is_read_as_it_is_stored(
    store: UnderStore, bucket: str, client: Any, proxy: FaultProxy
) -> None:
    stored = gzip.compress(DATA)
    client.pipe_file(f"{bucket}/file", stored, fixed_key_metadata={"content_encoding": "gzip"})
    entry = store.stat(f"{bucket}/file", soon())
    assert entry.size == len(stored)
    assert get(store, entry, 0, len(stored)) == stored
    assert get(store, entry, 5, 50) == stored[5:50]
    assert {request.headers.get("accept-encoding") for request in proxy.requests} == {"gzip"}


def test_a_version_is_one_for_stat_and_listing_and_told_from_the_next(
    store: UnderStore, bucket: str, client: Any
) -> None:
    client.pipe_file(f"{bucket}/file", DATA)
    entry = store.stat(f"{bucket}/file", soon())
    (listed,) = store.list(bucket, soon())
    assert listed.version.canonical() == entry.version.canonical()
    client.pipe_file(f"{bucket}/file", DATA[::-1])
    for old in (entry, listed):
        with pytest.raises(FileChangedError):
            get(store, old, 0, 10)


def test_identities_are_those_of_the_under_store_gcs(gcs_server: GcsServer) -> None:
    other = GcsUnderStore(Target("gs", gcs_server.options), GcsUnderStore.Settings(), make_context())
    assert make(gcs_server.options).identity() == other.identity()
    other.close()


def test_failures_are_told_in_the_stores_words(store: UnderStore, proxy: FaultProxy, bucket: str, client: Any) -> None:
    client.pipe_file(f"{bucket}/file", b"x")
    with pytest.raises(FileNotFoundError):
        store.stat(f"{bucket}/none", soon())
    proxy.fault(refusal(403, "tester does not have storage.objects.list access"), method="GET")
    with pytest.raises(PermissionError, match=r"tester does not have storage\.objects\.list access"):
        list(store.list(bucket, soon()))
    rule = proxy.fault(refusal(503, "come back later"), method="GET", times=None)
    with pytest.raises(UnavailableError, match="come back later"):
        list(store.list(bucket, soon()))
    assert rule.applied == 3


def test_one_renewal_of_an_expired_token_serves_all_threads(
    gcs_server: GcsServer, proxy: FaultProxy, bucket: str, client: Any
) -> None:
    from google.auth.credentials import Credentials

    class Renewable(Credentials):
        renewals = 0

        def refresh(self, request: Any) -> None:
            self.renewals += 1
            self.token = f"token-{self.renewals}"

    client.pipe_file(f"{bucket}/file", DATA[:1000])
    make_credentials: Callable[[], Any] = Renewable
    credentials = make_credentials()
    credentials.token = "expired"
    seen: List[str] = []
    lock = threading.Lock()

    def expired(request: Any) -> bool:
        with lock:
            seen.append(request.headers.get("authorization", ""))
        return seen[-1].endswith("expired")

    proxy.fault(refusal(401, "Invalid Credentials"), when=expired, times=None)
    store = make({**gcs_server.options_at(f"http://127.0.0.1:{proxy.port}"), "token": credentials})
    entry = at_once(*[lambda: next(iter(store.list(bucket, soon())))] * 8)[0]
    assert get(store, entry, 0, 100) == DATA[:100]
    assert credentials.renewals == 1
    assert "Bearer token-1" in seen
    store.close()


def test_a_key_file_that_was_found_is_looked_for_again_when_it_is_refused(
    proxy: FaultProxy, bucket: str, client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(request: Request) -> bool:
        return account_of(request.headers["authorization"]) != "right"

    client.pipe_file(f"{bucket}/file", b"x")
    proxy.fault(refusal(401, "Invalid Credentials"), when=refused, times=None)
    store = make({"endpoint_url": f"http://127.0.0.1:{proxy.port}"})
    for account in ("unknown", "gone"):
        file = service_account(account, "http://127.0.0.1:9/token", tmp_path / account)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
        with pytest.raises(PermissionError, match="Invalid Credentials"):
            list(store.list(bucket, soon()))
    file = service_account("right", "http://127.0.0.1:9/token", tmp_path / "right")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
    assert [entry.name for entry in store.list(bucket, soon())] == [f"{bucket}/file"]
    store.close()
