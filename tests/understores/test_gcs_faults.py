"""GCS: large and compressed objects, answers that are spoilt, credentials that are refused."""

from __future__ import annotations

import gzip
import json
import threading
import urllib.request
from typing import Any, Callable, Iterator, List, Type
from uuid import uuid4

import pytest

from alluxiofs.errors import BadAnswerError, FileChangedError, TemporaryError, UnavailableError, UnknownSettingError
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins.under_store_gcs import GcsUnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once, no_io
from tests.faults import Fault, FaultProxy, close, garbage, ignore_range, reset, status, truncate, wrong_range
from tests.servers import GcsServer
from tests.understores.needed import needed

needed("gcsfs", "gcs")

PART = 256 * 1024
DATA = bytes(range(256)) * 4096  # 1 MiB


def make(options: Any, client: Any = None) -> GcsUnderStore:
    return GcsUnderStore(Target("gs", options, client), GcsUnderStore.Settings(part_size=Size(PART)), make_context())


def soon() -> Deadline:
    return Deadline.after(20)


def put(store: UnderStore, name: str, data: bytes) -> Entry:
    writer = store.create(name)
    writer.write(memoryview(data))
    writer.commit()
    return store.stat(name, soon())


def get(store: UnderStore, entry: Entry, start: int = 0, stop: int = -1) -> bytes:
    target = bytearray(((entry.size or 0) if stop < 0 else stop) - start)
    store.read_into(entry.name, entry.version, start, memoryview(target), soon())
    return bytes(target)


def refusal(code: int, message: str, reason: str = "") -> Fault:
    """An answer in the store's own words."""
    body = {"error": {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}}
    return status(code, json.dumps(body).encode(), {"Content-Type": "application/json"})


@pytest.fixture
def proxy(gcs_server: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(gcs_server.host, gcs_server.port) as proxy:
        yield proxy


@pytest.fixture
def client(gcs_server: GcsServer) -> Any:
    """gcsfs itself, to see the store with other eyes; it remembers what it listed."""
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(**gcs_server.options, skip_instance_cache=True)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"test-{uuid4().hex[:12]}"
    client.mkdir(name)
    return name


@pytest.fixture
def store(gcs_server: GcsServer, proxy: FaultProxy) -> Iterator[UnderStore]:
    """By way of the proxy."""
    store = make(gcs_server.options_at(f"http://127.0.0.1:{proxy.port}"))
    yield store
    store.close()


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 4 * PART, 4 * PART + 1])
def test_an_object_of_any_number_of_parts_is_whole(store: UnderStore, bucket: str, client: Any, size: int) -> None:
    data = (DATA * 2)[:size]
    entry = put(store, f"{bucket}/file", data)
    assert entry.size == size
    assert client.cat_file(f"{bucket}/file") == data


def test_an_upload_that_is_given_up_leaves_nothing(store: UnderStore, bucket: str, proxy: FaultProxy) -> None:
    old = put(store, f"{bucket}/file", b"old")
    writer = store.create(f"{bucket}/file")
    writer.write(memoryview(DATA))
    writer.abort()
    assert "DELETE" in [request.method for request in proxy.requests]  # a part that was on its way may come after it
    assert store.stat(f"{bucket}/file", soon()).version == old.version


def test_bytes_of_another_generation_than_the_one_told_of_do_not_count(
    store: UnderStore, bucket: str, proxy: FaultProxy
) -> None:
    put(store, f"{bucket}/file", DATA)
    other = status(206, bytes(1000), {"Content-Range": f"bytes 0-999/{len(DATA)}", "X-Goog-Generation": "1"})
    proxy.fault(other, when=lambda request: "alt=media" in request.query, times=1)
    entry, start, data = store.stat_and_read(f"{bucket}/file", 1000, soon())
    assert (entry, start, data) == (store.stat(f"{bucket}/file", soon()), 0, DATA[:1000])


def test_what_an_object_is_and_its_first_bytes_are_two_requests(
    store: UnderStore, bucket: str, proxy: FaultProxy
) -> None:
    put(store, f"{bucket}/file", DATA)
    before = len(proxy.requests)
    assert store.stat_and_read(f"{bucket}/file", 1000, soon())[1:] == (0, DATA[:1000])
    assert len(proxy.requests) == before + 2  # at the same time


def test_a_compressed_object_is_read_as_it_is_stored(store: UnderStore, bucket: str, client: Any) -> None:
    stored = gzip.compress(DATA)
    client.pipe_file(f"{bucket}/file", stored, fixed_key_metadata={"content_encoding": "gzip"})
    entry = store.stat(f"{bucket}/file", soon())
    assert entry.extra["contentEncoding"] == "gzip"
    assert entry.size == len(stored)
    assert get(store, entry) == stored
    assert get(store, entry, 5, 50) == stored[5:50]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (truncate(100_000), TemporaryError),
        (reset(100_000), TemporaryError),
        (wrong_range(-1), BadAnswerError),
        (wrong_range(256), BadAnswerError),
        (ignore_range(), BadAnswerError),
        (status(200, DATA), BadAnswerError),
        (refusal(403, "no access for you", "forbidden"), PermissionError),
        (refusal(403, "slower", "rateLimitExceeded"), UnavailableError),
        (refusal(412, "not this one", "conditionNotMet"), FileChangedError),
        (status(416), FileChangedError),
        (status(404, b"<html>a web page</html>"), OSError),
    ],
)
def test_a_spoilt_read_is_an_error_and_the_next_one_is_right(
    store: UnderStore, proxy: FaultProxy, bucket: str, fault: Fault, error: Type[Exception]
) -> None:
    entry = put(store, f"{bucket}/file", DATA)
    rule = proxy.fault(fault, method="GET")
    with pytest.raises(error) as caught:
        get(store, entry, 256, 300_256)
    assert not isinstance(caught.value, FileNotFoundError)
    assert rule.applied == 1
    assert get(store, entry, 256, 300_256) == DATA[256:300_256]


@pytest.mark.parametrize("fault", [status(503), reset(), close(performed=False), garbage()])
def test_what_passes_is_asked_again(store: UnderStore, proxy: FaultProxy, bucket: str, fault: Fault) -> None:
    entry = put(store, f"{bucket}/file", DATA)
    rule = proxy.fault(fault, method="GET", times=2)
    assert get(store, entry, 5, 500) == DATA[5:500]
    assert rule.applied == 2


def test_a_failed_stat_is_no_absence(store: UnderStore, proxy: FaultProxy, bucket: str) -> None:
    put(store, f"{bucket}/file", b"x")
    proxy.fault(refusal(503, "come back later", "backendError"), method="GET", times=None)
    with pytest.raises(UnavailableError, match="come back later"):
        store.stat(f"{bucket}/file", soon())
    with pytest.raises(UnavailableError):
        list(store.list(bucket, soon()))


@pytest.mark.parametrize("skip", range(4))
def test_a_part_that_the_store_is_too_busy_for_is_sent_again(
    store: UnderStore, proxy: FaultProxy, bucket: str, skip: int
) -> None:
    rule = proxy.fault(status(503), method="PUT", skip=skip)
    entry = put(store, f"{bucket}/file", DATA)
    assert rule.applied == 1
    assert get(store, entry) == DATA


@pytest.mark.parametrize("fault", [reset(), close(performed=True), close(performed=False)])
@pytest.mark.parametrize("skip", range(3))
def test_an_upload_that_gets_no_answer_leaves_the_old_object(
    store: UnderStore, proxy: FaultProxy, bucket: str, fault: Fault, skip: int
) -> None:
    entry = put(store, f"{bucket}/file", b"old")
    proxy.fault(fault, method="PUT", skip=skip)
    with pytest.raises(TemporaryError):
        put(store, f"{bucket}/file", DATA)
    assert store.stat(f"{bucket}/file", soon()).version == entry.version


@pytest.mark.parametrize("size", [1000, len(DATA)])
def test_a_failed_write_leaves_the_old_object(store: UnderStore, proxy: FaultProxy, bucket: str, size: int) -> None:
    entry = put(store, f"{bucket}/file", b"old")
    for method in ("POST", "PUT"):
        proxy.fault(status(503), method=method, times=None)
    with pytest.raises(TemporaryError):
        put(store, f"{bucket}/file", DATA[:size])
    assert store.stat(f"{bucket}/file", soon()).version == entry.version


def test_what_the_store_says_is_in_the_error(store: UnderStore, proxy: FaultProxy, bucket: str) -> None:
    with pytest.raises(FileNotFoundError, match="HTTP 404"):
        list(store.list("no-such-bucket-here", soon()))
    proxy.fault(refusal(403, "tester does not have storage.objects.get access", "forbidden"), method="GET")
    with pytest.raises(PermissionError, match="tester does not have storage.objects.get access"):
        store.stat(f"{bucket}/file", soon())


def test_a_bucket_that_is_not_empty_stays(store: UnderStore, bucket: str) -> None:
    put(store, f"{bucket}/file", b"x")
    with pytest.raises(OSError, match="not empty"):
        store.remove_directory(bucket, soon())
    store.remove_directory(bucket, soon(), recursive=True)
    with pytest.raises(FileNotFoundError):
        store.stat(bucket, soon())


def test_refused_credentials_are_not_kept(store: UnderStore, proxy: FaultProxy, bucket: str) -> None:
    rule = proxy.fault(refusal(401, "Invalid Credentials", "authError"), method="GET", times=None)
    with pytest.raises(PermissionError, match="Invalid Credentials"):
        store.stat(bucket, soon())
    rule.times = rule.applied
    assert store.stat(bucket, soon()).kind == "directory"


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
    options = {**gcs_server.options_at(f"http://127.0.0.1:{proxy.port}"), "token": credentials}
    seen: List[str] = []
    lock = threading.Lock()

    def expired(request: Any) -> bool:
        given = request.headers.get("authorization", "")
        with lock:
            seen.append(given)
        return bool(given.endswith("expired")) and request.method == "GET"

    proxy.fault(refusal(401, "Invalid Credentials", "authError"), when=expired, times=None)
    store = make(options)
    entry = at_once(*[lambda: store.stat(f"{bucket}/file", soon())] * 8)[0]
    assert get(store, entry, 0, 100) == DATA[:100]
    assert credentials.renewals == 1
    assert "Bearer token-1" in seen
    store.close()


def test_a_ready_client_remembers_no_listing(client: Any, bucket: str, gcs_server: GcsServer) -> None:
    store, other = make({}, client), make(gcs_server.options)
    put(other, f"{bucket}/dir/one", b"1")
    assert client.ls(f"{bucket}/dir") == [f"{bucket}/dir/one"]
    put(store, f"{bucket}/dir/two", b"2")
    assert sorted(entry.name for entry in store.list(f"{bucket}/dir", soon())) == [
        f"{bucket}/dir/one",
        f"{bucket}/dir/two",
    ]
    assert sorted(client.ls(f"{bucket}/dir")) == [f"{bucket}/dir/one", f"{bucket}/dir/two"]
    store.close()
    other.close()


def test_a_signed_url_can_be_followed(store: UnderStore, bucket: str, gcs_server: GcsServer) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    put(store, f"{bucket}/a b%41?", b"content")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key = rsa.generate_private_key(65537, 2048).private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    account = {
        "type": "service_account",
        "client_email": "tester@example.com",
        "private_key": key.decode(),
        "token_uri": "http://127.0.0.1:1/never-asked",
    }
    signing = make({**gcs_server.options, "token": account})
    with urllib.request.urlopen(signing.sign(f"{bucket}/a b%41?", 60), timeout=10) as answer:
        assert answer.read() == b"content"
    signing.close()
    with pytest.raises(PermissionError, match="cannot sign"):
        store.sign(f"{bucket}/a b%41?", 60)


def test_making_one_opens_nothing_and_finds_misspelt_options() -> None:
    make({"endpoint_url": "http://127.0.0.1:1", "token": "anon"})
    with no_io():
        store = make({"endpoint_url": "http://127.0.0.1:1", "token": "anon"})
        name = store.strip("gcs://bucket/a b#1")  # noqa: B005 not the method of texts
        assert store.url(name) == "gs://bucket/a b#1"
    with pytest.raises(UnknownSettingError, match="endpoint_url"):
        make({"endpoint_uri": "http://127.0.0.1:1"})


def test_an_identity_is_the_endpoint_and_no_secret() -> None:
    def identity(**options: str) -> str:
        return make(options).identity()

    assert identity(token="a", endpoint_url="http://one:1") == identity(token="b", endpoint_url="http://one:1/")
    assert identity(endpoint_url="http://one:1") != identity(endpoint_url="http://two:1")
