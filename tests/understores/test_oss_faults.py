"""OSS: large and compressed objects, answers that are spoilt, credentials that are refused."""

from __future__ import annotations

import gc
import gzip
import urllib.request
from typing import Any, Callable, Dict, Iterator, Type
from uuid import uuid4

import pytest

from alluxiofs.errors import (
    BadAnswerError,
    ConfigurationError,
    DeadlineExceededError,
    FileChangedError,
    TemporaryError,
    UnavailableError,
    UnknownSettingError,
)
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_oss import OssUnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import no_io
from tests.faults import Fault, FaultProxy, close, garbage, reset, stall, status, truncate, wrong_range
from tests.oss_front import OssServer
from tests.understores.needed import needed

needed("ossfs", "oss")

PART = 5 * 2**20  # the least that the S3 server behind the front takes
DATA = bytes(range(256)) * 4096  # 1 MiB


def make(options: Any, client: Any = None) -> OssUnderStore:
    settings = OssUnderStore.Settings(part_size=Size(PART), parts_in_flight=1)  # what is over two parts is sent in such
    return OssUnderStore(Target("oss", options, client), settings, make_context())


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


@pytest.fixture
def proxy(oss_server: OssServer) -> Iterator[FaultProxy]:
    with FaultProxy(oss_server.host, oss_server.port) as proxy:
        yield proxy


@pytest.fixture
def store(oss_server: OssServer, proxy: FaultProxy) -> Iterator[UnderStore]:
    """By way of the proxy."""
    store = make(oss_server.options_at(f"http://127.0.0.1:{proxy.port}"))
    yield store
    store.close()


@pytest.fixture
def bucket(oss_server: OssServer) -> str:
    other = make(oss_server.options)
    name = f"test-{uuid4().hex[:12]}"
    other.make_directory(name, soon())
    other.close()
    return name


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 1])
def test_an_object_of_any_number_of_parts_is_whole(store: UnderStore, bucket: str, s3_client: Any, size: int) -> None:
    data = (DATA * 16)[:size]
    entry = put(store, f"{bucket}/file", data)
    assert entry.size == size
    assert s3_client.cat_file(f"{bucket}/file") == data


def test_an_upload_that_is_given_up_leaves_no_parts(store: UnderStore, bucket: str, s3_client: Any) -> None:
    old = put(store, f"{bucket}/file", b"old")
    writer = store.create(f"{bucket}/file")
    writer.write(memoryview(DATA * 12))
    writer.abort()
    assert not s3_client.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")
    assert store.stat(f"{bucket}/file", soon()).version == old.version


def test_a_compressed_object_is_read_as_it_is_stored(store: UnderStore, bucket: str, s3_client: Any) -> None:
    stored = gzip.compress(DATA)
    s3_client.call_s3("put_object", Bucket=bucket, Key="file", Body=stored, ContentEncoding="gzip")
    entry = store.stat(f"{bucket}/file", soon())
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
        (status(200, DATA), BadAnswerError),
        (status(403), PermissionError),
        (status(412), FileChangedError),
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


@pytest.mark.parametrize("fault", [status(503), reset(), close(performed=False)])
def test_what_passes_is_asked_again(store: UnderStore, proxy: FaultProxy, bucket: str, fault: Fault) -> None:
    entry = put(store, f"{bucket}/file", DATA)
    rule = proxy.fault(fault, method="GET", times=2)
    assert get(store, entry, 5, 500) == DATA[5:500]
    assert rule.applied == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # oss2 drops a connection whose answer it cannot read
@pytest.mark.parametrize(
    "field", [b"", b"Content-Length:", b"Last-Modified: Mon, 23 Nov"], ids=["none", "number", "time"]
)
def test_a_head_that_breaks_off_is_a_failure_that_may_pass(
    store: UnderStore, proxy: FaultProxy, bucket: str, field: bytes
) -> None:
    entry = put(store, f"{bucket}/file", DATA)
    proxy.fault(garbage(b"HTTP/1.1 200 OK\r\nx-oss-request-id: 1\r\n" + field), times=None)
    for ask in (lambda: store.stat(entry.name, soon()), lambda: store.stat_and_read(entry.name, 10, soon())):
        with pytest.raises(TemporaryError):
            ask()
    gc.collect()  # here, where that is no failure


def test_a_stall_ends_with_the_limit_and_nothing_is_written_later(
    store: UnderStore, proxy: FaultProxy, bucket: str
) -> None:
    entry = put(store, f"{bucket}/file", DATA)
    proxy.fault(stall(100_000), method="GET")
    target = bytearray(300_000)
    with pytest.raises(DeadlineExceededError):
        store.read_into(entry.name, entry.version, 0, memoryview(target), Deadline.after(100, stall=0.5))
    left = bytes(target)
    proxy.release()
    assert get(store, entry, 0, 1000) == DATA[:1000]
    assert target == left


def test_a_failed_stat_is_no_absence(store: UnderStore, proxy: FaultProxy, bucket: str) -> None:
    put(store, f"{bucket}/file", b"x")
    proxy.fault(status(503), method="HEAD", times=None)
    with pytest.raises(UnavailableError):
        store.stat(f"{bucket}/file", soon())
    proxy.fault(status(500), method="GET", times=None)
    with pytest.raises(UnavailableError):
        list(store.list(bucket, soon()))


@pytest.mark.parametrize("size", [1000, 12 * len(DATA)])
@pytest.mark.parametrize("fault", [status(500), close(performed=False)])
def test_a_failed_write_leaves_the_old_object_and_no_parts(
    store: UnderStore, proxy: FaultProxy, bucket: str, s3_client: Any, fault: Fault, size: int
) -> None:
    entry = put(store, f"{bucket}/file", b"old")
    proxy.fault(fault, method="PUT", skip=1 if size > PART else 0, times=None)
    with pytest.raises(TemporaryError):
        put(store, f"{bucket}/file", (DATA * 12)[:size])
    assert store.stat(f"{bucket}/file", soon()).version == entry.version
    assert not s3_client.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")


CALLS: Dict[str, Callable[[UnderStore, str], Any]] = {
    "append": lambda store, name: store.append(name).commit(),
    "copy": lambda store, name: store.copy(name, f"{name}-2", soon()),
    "create": lambda store, name: store.create(name).commit(),
    "list": lambda store, name: list(store.list(name.rpartition("/")[0], soon())),
    "list buckets": lambda store, _: list(store.list("", soon())),
    "make_directory": lambda store, name: store.make_directory(f"{name}-2", soon()),
    "move": lambda store, name: store.move(name, f"{name}-2", soon()),
    "read": lambda store, name: get(store, Entry(name, "file", 7)),
    "remove": lambda store, name: store.remove(name, soon()),
    "remove_directory": lambda store, name: store.remove_directory(name.rpartition("/")[0], soon(), recursive=True),
    "stat": lambda store, name: store.stat(name, soon()),
    "touch": lambda store, name: store.touch(name, soon(), truncate=False),
}


@pytest.mark.parametrize("option", ["key", "secret"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_unknown_credentials_are_refused_by_every_call_and_not_kept(
    store: UnderStore, bucket: str, oss_server: OssServer, option: str, call: Callable[[UnderStore, str], Any]
) -> None:
    entry = put(store, f"{bucket}/directory/file", b"content")
    refused = make({**oss_server.options, option: "unknown-here"})
    with pytest.raises(PermissionError) as caught:
        call(refused, entry.name)
    assert "unknown-here" not in str(caught.value)
    refused.close()
    right = make(oss_server.options)
    assert right.stat(entry.name, soon()).version == entry.version
    right.close()


def test_what_the_store_says_is_in_the_error(store: UnderStore, bucket: str, oss_server: OssServer) -> None:
    with pytest.raises(FileNotFoundError, match="NoSuchBucket") as caught:
        store.stat("no-such-bucket-here/key", soon())
    assert caught.value.filename == "no-such-bucket-here"
    other = make({**oss_server.options, "secret": "wrong-wrong"})
    with pytest.raises(PermissionError, match="signature you provided.*SignatureDoesNotMatch"):
        list(other.list(bucket, soon()))
    other.close()


def test_touching_gives_a_new_time_and_keeps_what_is_said(store: UnderStore, bucket: str, s3_client: Any) -> None:
    said = {"ContentType": "text/x-test", "Metadata": {"colour": "red"}}
    s3_client.call_s3("put_object", Bucket=bucket, Key="file", Body=b"content", **said)
    store.touch(f"{bucket}/file", soon(), truncate=False)
    head = s3_client.call_s3("head_object", Bucket=bucket, Key="file")
    assert (head["ContentType"], head["Metadata"], head["ContentLength"]) == ("text/x-test", {"colour": "red"}, 7)


def test_a_signed_url_can_be_followed(store: UnderStore, bucket: str) -> None:
    put(store, f"{bucket}/a b#1?", DATA)
    with urllib.request.urlopen(store.sign(f"{bucket}/a b#1?", 60), timeout=10) as answer:
        assert answer.read() == DATA


def test_a_ready_client_remembers_no_listing(store: UnderStore, bucket: str, oss_server: OssServer) -> None:
    from ossfs import OSSFileSystem

    client = OSSFileSystem(**oss_server.options, skip_instance_cache=True)
    ready = make({}, client)
    put(store, f"{bucket}/dir/one", b"1")
    assert client.ls(f"{bucket}/dir", detail=False) == [f"{bucket}/dir/one"]
    put(ready, f"{bucket}/dir/two", b"2")
    both = [f"{bucket}/dir/one", f"{bucket}/dir/two"]
    assert sorted(entry.name for entry in ready.list(f"{bucket}/dir", soon())) == both
    assert client.ls(f"{bucket}/dir", detail=False) == both
    ready.close()


def test_making_one_opens_nothing_and_finds_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSS_ENDPOINT", raising=False)
    with no_io():
        store = make({"endpoint": "http://127.0.0.1:1", "key": "k", "secret": "s"})
        assert store.url("bucket/a b#1") == "oss://bucket/a b#1"
        assert store.identity() == make({"endpoint": "http://127.0.0.1:1", "key": "other"}).identity()
    with pytest.raises(UnknownSettingError, match="endpoint"):
        make({"endpoint_url": "http://127.0.0.1:1", "endpoint": "http://127.0.0.1:1"})
    with pytest.raises(ConfigurationError, match="endpoint"):
        make({"key": "k", "secret": "s"})


def test_the_general_under_store_refuses_what_ossfs_cannot_do() -> None:
    with pytest.raises(ConfigurationError, match="does not serve 'oss': ossfs takes the end of a range"):
        FsspecUnderStore(Target("oss", {"endpoint": "http://127.0.0.1:1"}), FsspecUnderStore.Settings(), make_context())


def test_a_part_that_does_not_say_which_is_no_beginning(proxy: FaultProxy, store: UnderStore, bucket: str) -> None:
    """In chunks it does not tell its length either, and could be any bytes of the object."""
    entry = put(store, f"{bucket}/{uuid4().hex}", DATA)
    tag = (entry.version.tag or "").partition(":")[2]
    answer = (
        f'HTTP/1.1 206 Partial Content\r\nETag: "{tag}"\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nanother\r\n0\r\n\r\n'
    )
    proxy.fault(Fault(raw=answer.encode(), performed=False), method="GET", times=None)
    with pytest.raises(BadAnswerError, match="without a Content-Range"):
        get(store, entry, 0, 7)
