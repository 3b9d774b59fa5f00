"""obstore when things go wrong: answers that are spoilt, uploads that fail, credentials that end."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, Type

import pytest

from alluxiofs.errors import (
    BadAnswerError,
    DeadlineExceededError,
    FileChangedError,
    TemporaryError,
    UnavailableError,
)
from alluxiofs.interfaces import Deadline, UnderStore, Version
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.testing.guards import at_once
from tests.faults import Fault, FaultProxy, close, reset, stall, status, truncate, wrong_range
from tests.servers import S3Server
from tests.understores.needed import needed
from tests.understores.obstore_kit import DATA, get, given_up, make, put, refusal, soon

needed("obstore", "fast", since=OLDEST_PYTHON)


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def store(s3_server: S3Server, proxy: FaultProxy) -> Iterator[UnderStore]:
    """By way of the proxy."""
    store = make(s3_server.options_at(f"http://127.0.0.1:{proxy.port}"))
    yield store
    store.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (wrong_range(-1), BadAnswerError),
        (wrong_range(256), BadAnswerError),
        (status(200, DATA), BadAnswerError),
        (refusal(403, "AccessDenied", "no access for you"), PermissionError),
        (refusal(412, "PreconditionFailed", "not this one"), FileChangedError),
        (refusal(416, "InvalidRange", "no such range"), FileChangedError),
        (refusal(404, "NoSuchBucket", "where is it"), FileNotFoundError),
        (status(404, b"<html>a web page</html>"), OSError),
    ],
)
def test_a_spoilt_read_is_an_error_and_the_next_one_is_right(
    store: UnderStore, proxy: FaultProxy, s3_bucket: str, fault: Fault, error: Type[Exception]
) -> None:
    entry = put(store, f"{s3_bucket}/file", DATA)
    rule = proxy.fault(fault, method="GET")
    with pytest.raises(error) as caught:
        get(store, entry, 256, 300_256)
    assert isinstance(caught.value, FileNotFoundError) is (error is FileNotFoundError)
    assert rule.applied == 1
    assert get(store, entry, 256, 300_256) == DATA[256:300_256]


@pytest.mark.parametrize("fault", [truncate(100_000), reset(100_000)])
def test_a_body_that_ends_early_is_gone_on_with(
    store: UnderStore, proxy: FaultProxy, s3_bucket: str, fault: Fault
) -> None:
    entry = put(store, f"{s3_bucket}/file", DATA)
    rule = proxy.fault(fault, method="GET", times=2)
    assert get(store, entry, 256, 400_256) == DATA[256:400_256]
    assert rule.applied == 2


@pytest.mark.parametrize("fault", [truncate(10), reset(10)])
def test_a_body_that_never_comes_to_its_end_is_an_error(
    store: UnderStore, proxy: FaultProxy, s3_bucket: str, fault: Fault
) -> None:
    entry = put(store, f"{s3_bucket}/file", DATA)
    proxy.fault(fault, method="GET", times=None)
    with pytest.raises(TemporaryError):
        get(store, entry, 256, 300_256)


def test_a_body_is_gone_on_with_at_the_same_version_only(
    store: UnderStore, proxy: FaultProxy, s3_bucket: str, s3_client: Any
) -> None:
    entry = put(store, f"{s3_bucket}/file", DATA)
    changed = threading.Event()

    def change(request: Any) -> bool:
        if not changed.is_set():
            changed.set()
            s3_client.pipe_file(f"{s3_bucket}/file", DATA[::-1])
        return True

    proxy.fault(truncate(100_000), method="GET", times=1)
    proxy.fault(status(503), method="GET", when=change, times=1)
    with pytest.raises(FileChangedError):
        get(store, entry)


@pytest.mark.parametrize("fault", [status(503), close(performed=False)])
def test_what_passes_is_asked_again(store: UnderStore, proxy: FaultProxy, s3_bucket: str, fault: Fault) -> None:
    entry = put(store, f"{s3_bucket}/file", DATA)
    rule = proxy.fault(fault, method="GET", times=2)
    assert get(store, entry, 5, 500) == DATA[5:500]
    assert rule.applied == 2


def test_it_is_not_asked_for_ever(store: UnderStore, proxy: FaultProxy, s3_bucket: str) -> None:
    put(store, f"{s3_bucket}/file", b"x")
    rule = proxy.fault(refusal(503, "SlowDown", "come back later"), method="GET", times=None)
    with pytest.raises(UnavailableError, match="come back later"):
        list(store.list(s3_bucket, soon()))
    assert rule.applied == 3
    heads = proxy.fault(status(503), method="HEAD", times=None)
    with pytest.raises(UnavailableError):
        store.stat(f"{s3_bucket}/file", soon())
    assert heads.applied == 3


@pytest.mark.parametrize("after", [None, 100_000])
def test_a_server_that_stalls_is_waited_for_until_the_deadline(
    store: UnderStore, proxy: FaultProxy, s3_bucket: str, after: Any
) -> None:
    entry = put(store, f"{s3_bucket}/file", DATA)
    proxy.fault(stall(after), method="GET", times=None)
    target = bytearray(300_000)
    with pytest.raises(DeadlineExceededError):
        store.read_into(entry.name, entry.version, 0, memoryview(target), Deadline.after(0.3))
    as_it_was = bytes(target)
    proxy.release()
    with pytest.raises(TemporaryError):
        store.read_into(entry.name, entry.version, 0, memoryview(bytearray(10)), Deadline.after(0))
    assert bytes(target) == as_it_was, "nobody writes to the view any more"


def test_a_server_that_is_not_there_is_no_absence(s3_server: S3Server) -> None:
    store = make(s3_server.options_at("http://127.0.0.1:1"))
    with pytest.raises(ConnectionError):
        store.stat("bucket/key", soon())
    store.close()


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (status(301), "another region"),
        (
            status(400, b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
            "region 'eu-west-1'",
        ),
    ],
)
def test_a_bucket_of_another_region_says_what_to_do(
    store: UnderStore, proxy: FaultProxy, s3_bucket: str, fault: Fault, where: str
) -> None:
    proxy.fault(fault, method="GET", times=None)
    with pytest.raises(OSError, match=f"the bucket is in {where}; .*region_name"):
        list(store.list(s3_bucket, soon()))


def test_a_wrong_secret_is_told_and_not_shown(s3_server: S3Server, s3_bucket: str) -> None:
    store = make({**s3_server.options, "secret": "not-the-secret-at-all"})
    with pytest.raises(PermissionError, match="SignatureDoesNotMatch|signature") as caught:
        list(store.list(s3_bucket, soon()))
    assert "not-the-secret-at-all" not in f"{caught.value} {caught.value.__cause__} {store.__dict__}"
    store.close()


@pytest.mark.parametrize("skip", range(4))
def test_an_upload_that_fails_is_given_up(store: UnderStore, proxy: FaultProxy, s3_bucket: str, skip: int) -> None:
    old = put(store, f"{s3_bucket}/file", b"old")
    proxy.fault(refusal(403, "AccessDenied", "no more"), method="PUT", skip=skip, times=None)
    with pytest.raises(PermissionError, match="no more"):
        put(store, f"{s3_bucket}/file", DATA * 18)  # four parts
    assert given_up(proxy)
    assert store.stat(f"{s3_bucket}/file", soon()).version == old.version


def test_a_write_that_is_given_up_leaves_nothing(store: UnderStore, proxy: FaultProxy, s3_bucket: str) -> None:
    writer = store.create(f"{s3_bucket}/file")
    writer.write(memoryview(DATA * 12))
    assert not given_up(proxy)
    writer.abort()
    assert given_up(proxy)
    assert list(store.list(s3_bucket, soon())) == []


def test_what_is_on_a_condition_is_sent_once(store: UnderStore, proxy: FaultProxy, s3_bucket: str) -> None:
    """Sent again it would be refused by what it wrote itself: a file that is there, reported as another's."""
    rule = proxy.fault(close(performed=True), method="PUT", times=None)
    with pytest.raises(TemporaryError):
        put(store, f"{s3_bucket}/file", b"x", exclusive=True)
    assert rule.applied == 1


def test_an_answer_of_another_version_is_not_taken(store: UnderStore, s3_bucket: str) -> None:
    """Some stores overlook conditions: what the answer says of itself is compared, too."""
    entry = put(store, f"{s3_bucket}/file", DATA)
    for version in (Version("weak:W/x", 5), Version(None, len(DATA), 10**18, 10**9)):
        with pytest.raises(FileChangedError):
            store.read_into(entry.name, version, 0, memoryview(bytearray(10)), soon())


def test_one_renewal_of_expired_credentials_serves_all_threads(
    s3_server: S3Server, proxy: FaultProxy, s3_bucket: str
) -> None:
    asked = []
    lock = threading.Lock()

    def credentials() -> Dict[str, Any]:
        with lock:
            asked.append(datetime.now(timezone.utc))
        expired = len(asked) == 1
        return {
            "access_key_id": s3_server.key,
            "secret_access_key": s3_server.secret,
            **({"token": "expired"} if expired else {}),
        }

    at = f"http://127.0.0.1:{proxy.port}"
    store = make({"endpoint_url": at, "credential_provider": credentials})
    put(make(s3_server.options), f"{s3_bucket}/file", DATA[:1000])
    old = lambda request: request.headers.get("x-amz-security-token") == "expired"  # noqa: E731 a condition, in place
    proxy.fault(refusal(400, "ExpiredToken", "The provided token has expired."), when=old, times=None)
    entry = at_once(*[lambda: next(iter(store.list(s3_bucket, soon())))] * 8)[0]
    assert get(store, entry, 0, 100) == DATA[:100]
    assert len(asked) == 2
    store.close()


def test_credentials_that_cannot_be_had_are_a_permission_error(s3_server: S3Server) -> None:
    def credentials() -> Dict[str, Any]:
        raise RuntimeError("the vault is closed")

    store = make({"endpoint_url": s3_server.endpoint, "credential_provider": credentials})
    with pytest.raises(PermissionError, match="the vault is closed"):
        store.stat("bucket/key", soon())
    store.close()
