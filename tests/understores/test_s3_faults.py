"""What the under store s3 makes of a network and a server that fail, seen through a real S3 behind a proxy."""

from __future__ import annotations

import errno
import time
import urllib.request
from typing import Any, Iterator, Type

import pytest

from alluxiofs.errors import (
    BadAnswerError,
    DeadlineExceededError,
    FileChangedError,
    TemporaryError,
    UnavailableError,
)
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.faults import (
    Fault,
    FaultProxy,
    close,
    declare_length,
    drip,
    garbage,
    reset,
    stall,
    status,
    truncate,
    wrong_range,
)
from tests.servers import S3Server, free_port

DATA = bytes(range(256)) * 4096


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def store(s3_server: S3Server, proxy: FaultProxy) -> Iterator[UnderStore]:
    options = s3_server.options_at(f"http://{proxy.host}:{proxy.port}")
    options["config_kwargs"].update(retries={"total_max_attempts": 1})
    settings = S3UnderStore.Settings(part_size=Size("5MB"), parts_in_flight=1)  # what is over 10 MB is in parts
    store = S3UnderStore(Target("s3", options), settings, make_context())
    yield store
    store.close()


@pytest.fixture
def entry(store: UnderStore, s3_bucket: str) -> Entry:
    writer = store.create(f"{s3_bucket}/file")
    writer.write(memoryview(DATA))
    writer.commit()
    return store.stat(f"{s3_bucket}/file", Deadline.after(60))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (truncate(100_000), TemporaryError),
        (reset(100_000), TemporaryError),
        (garbage(), TemporaryError),
        (wrong_range(-1), BadAnswerError),
        (wrong_range(256), BadAnswerError),
        (status(200, DATA), BadAnswerError),
        (status(500), UnavailableError),
        (status(503, b"<Error><Code>SlowDown</Code><Message>slower, please</Message></Error>"), UnavailableError),
        (status(403), PermissionError),
        (status(412), FileChangedError),
        (status(416), FileChangedError),
        (declare_length(len(DATA)), TemporaryError),
    ],
)
def test_a_spoilt_read_is_an_error_and_the_next_one_is_right(
    store: UnderStore, proxy: FaultProxy, entry: Entry, fault: Fault, error: Type[Exception]
) -> None:
    rule = proxy.fault(fault, method="GET")
    target = bytearray(300_000)
    with pytest.raises(error):
        store.read_into(entry.name, entry.version, 256, memoryview(target), Deadline.after(60))
    assert rule.applied == 1
    store.read_into(entry.name, entry.version, 256, memoryview(target), Deadline.after(60))
    assert target == DATA[256:300_256]


@pytest.mark.parametrize("fault", [stall(), stall(0), stall(100_000)])
def test_a_stall_ends_with_the_limit_and_nothing_is_written_later(
    store: UnderStore, proxy: FaultProxy, entry: Entry, fault: Fault
) -> None:
    proxy.fault(fault, method="GET")
    target = bytearray(300_000)
    started = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        store.read_into(entry.name, entry.version, 0, memoryview(target), Deadline.after(100, stall=0.5))
    assert time.monotonic() - started < 30
    left = bytes(target)
    proxy.release()
    other = bytearray(1000)
    store.read_into(entry.name, entry.version, 0, memoryview(other), Deadline.after(60))
    assert target == left


def test_a_body_that_comes_slowly_is_read_as_long_as_it_comes(
    store: UnderStore, proxy: FaultProxy, entry: Entry
) -> None:
    proxy.fault(drip(10_000, 0.2), method="GET")
    target = bytearray(200_000)
    store.read_into(entry.name, entry.version, 0, memoryview(target), Deadline.after(60, stall=3.0))
    assert target == DATA[:200_000]


def test_a_failed_stat_is_no_absence(store: UnderStore, proxy: FaultProxy, entry: Entry) -> None:
    proxy.fault(status(503), method="HEAD")
    with pytest.raises(UnavailableError):
        store.stat(entry.name, Deadline.after(60))
    proxy.fault(status(500), method="GET")
    with pytest.raises(UnavailableError):
        list(store.list(entry.name.rpartition("/")[0], Deadline.after(60)))


@pytest.mark.parametrize("size", [1000, 12_000_000])
@pytest.mark.parametrize("fault", [status(500), close(performed=False)])
def test_a_failed_write_leaves_the_old_object_and_no_parts(
    store: UnderStore, proxy: FaultProxy, entry: Entry, s3_client: Any, fault: Fault, size: int
) -> None:
    proxy.fault(fault, method="PUT", skip=1 if size > 5_000_000 else 0, times=None)
    writer = store.create(entry.name)
    with pytest.raises(TemporaryError):
        for start in range(0, size, 1_000_000):
            writer.write(memoryview(bytes(min(1_000_000, size - start))))
        writer.commit()
    writer.abort()
    assert store.stat(entry.name, Deadline.after(60)).version == entry.version
    bucket = entry.name.partition("/")[0]
    assert not s3_client.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")


def test_large_objects_go_in_parts_and_an_aborted_one_leaves_none(
    store: UnderStore, entry: Entry, s3_client: Any
) -> None:
    bucket = entry.name.partition("/")[0]
    data = DATA * 12
    for end in ("commit", "abort"):
        writer = store.create(f"{bucket}/large-{end}")
        writer.write(memoryview(data))
        getattr(writer, end)()
    assert not s3_client.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")
    assert s3_client.cat_file(f"{bucket}/large-commit") == data
    assert not s3_client.exists(f"{bucket}/large-abort")


@pytest.mark.parametrize("ask", [UnderStore.stat, UnderStore.list])
def test_who_runs_out_of_time_is_told_what_went_wrong_until_then(ask: Any) -> None:
    """A refused connection is tried again, and the pauses take longer than there is time."""
    options = {"key": "k", "secret": "s", "endpoint_url": f"http://127.0.0.1:{free_port()}"}
    retries = {"config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": 100}}}
    store = S3UnderStore(Target("s3", {**options, **retries}), S3UnderStore.Settings(), make_context())
    with pytest.raises(TimeoutError, match="before that: .*(Could not connect to|no connection)") as caught:
        list(getattr(store, ask.__name__)("bucket/key", Deadline.after(8)))
    assert caught.value.__cause__ is not None
    store.close()


def test_what_a_store_says_is_in_the_error(store: UnderStore, s3_bucket: str, s3_server: S3Server) -> None:
    with pytest.raises(FileNotFoundError, match="NoSuchBucket") as caught:
        store.stat("no-such-bucket-here/key", Deadline.after(60))
    assert caught.value.filename == "no-such-bucket-here"
    options = {**s3_server.options, "secret": "wrong-wrong"}
    other = S3UnderStore(Target("s3", options), S3UnderStore.Settings(), make_context())
    with pytest.raises(PermissionError, match="SignatureDoesNotMatch") as denied:
        list(other.list(s3_bucket, Deadline.after(60)))
    assert denied.value.errno == errno.EACCES
    assert "wrong-wrong" not in str(denied.value)
    other.close()


def test_a_signed_url_can_be_followed(store: UnderStore, entry: Entry) -> None:
    with urllib.request.urlopen(store.sign(entry.name, 60), timeout=10) as answer:
        assert answer.read() == DATA
