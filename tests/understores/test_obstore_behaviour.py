"""obstore: answers that are spoilt, uploads that fail, forks, credentials that end, what has no name there."""

from __future__ import annotations

import os
import threading
import time
import urllib.request
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, Type
from uuid import uuid4

import pytest

from alluxiofs.errors import (
    BadAnswerError,
    DeadlineExceededError,
    FileChangedError,
    InvalidPathError,
    NotSupportedError,
    TemporaryError,
    UnavailableError,
)
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore, Version
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once, no_io
from tests.faults import Fault, FaultProxy, close, reset, stall, status, truncate, wrong_range
from tests.servers import S3Server
from tests.understores.needed import needed

needed("obstore", "fast", since=OLDEST_PYTHON)

PART = 5 * 2**20
DATA = bytes(range(256)) * 4096  # 1 MiB


def make(options: Any, **settings: Any) -> ObstoreUnderStore:
    made = ObstoreUnderStore.Settings(part_size=Size(PART), **settings)
    return ObstoreUnderStore(Target("s3", options), made, make_context())


def soon() -> Deadline:
    return Deadline.after(20)


def put(store: UnderStore, name: str, data: bytes, *, exclusive: bool = False) -> Entry:
    writer = store.create(name, exclusive=exclusive)
    writer.write(memoryview(data))
    writer.commit()
    return store.stat(name, soon())


def get(store: UnderStore, entry: Entry, start: int = 0, stop: int = -1) -> bytes:
    target = bytearray(((entry.size or 0) if stop < 0 else stop) - start)
    store.read_into(entry.name, entry.version, start, memoryview(target), soon())
    return bytes(target)


def refusal(code: int, word: str, message: str) -> Fault:
    """An answer in the store's own words."""
    body = f"<?xml version='1.0'?><Error><Code>{word}</Code><Message>{message}</Message></Error>"
    return status(code, body.encode(), {"Content-Type": "application/xml"})


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


def given_up(proxy: FaultProxy) -> bool:
    """Whether the store was told to forget an upload in parts."""
    return any(request.method == "DELETE" and "uploadId" in request.query for request in proxy.requests)


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
def test_an_object_of_any_number_of_parts_is_whole(store: UnderStore, s3_bucket: str, size: int) -> None:
    data = (DATA * 11)[:size]
    assert get(store, put(store, f"{s3_bucket}/file", data)) == data


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


def test_a_large_object_must_not_be_there_either(s3_server: S3Server, s3_bucket: str) -> None:
    store = make(s3_server.options, conditional_size=Size(PART))
    data = DATA * 11
    assert put(store, f"{s3_bucket}/file", data, exclusive=True).size == len(data)
    late = store.create(f"{s3_bucket}/late", exclusive=True)
    late.write(memoryview(data))
    put(store, f"{s3_bucket}/late", b"early")
    with pytest.raises(FileExistsError):
        late.commit()
    assert get(store, store.stat(f"{s3_bucket}/late", soon())) == b"early"
    store.close()


def test_a_large_object_is_appended_to_in_parts(s3_server: S3Server, s3_bucket: str) -> None:
    store = make(s3_server.options, conditional_size=Size(PART))
    put(store, f"{s3_bucket}/file", DATA * 6)
    writer = store.append(f"{s3_bucket}/file")
    writer.write(memoryview(b"the end"))
    writer.commit()
    entry = store.stat(f"{s3_bucket}/file", soon())
    assert entry.size == len(DATA) * 6 + 7
    assert get(store, entry, len(DATA) * 6) == b"the end"
    store.close()


def test_what_an_object_says_of_itself_stays(store: UnderStore, s3_client: Any, s3_bucket: str) -> None:
    said = {"ContentType": "text/csv", "CacheControl": "no-cache", "Metadata": {"by": "me"}}
    s3_client.call_s3("put_object", Bucket=s3_bucket, Key="file", Body=b"one", **said)
    writer = store.append(f"{s3_bucket}/file")
    writer.write(memoryview(b",two"))
    writer.commit()
    before = store.stat(f"{s3_bucket}/file", soon())
    store.touch(before.name, soon(), truncate=False)
    found = s3_client.call_s3("head_object", Bucket=s3_bucket, Key="file")
    assert {name: found.get(name) for name in said} == said
    assert get(store, store.stat(before.name, soon())) == b"one,two"


def test_versions_are_those_of_the_under_store_s3(store: UnderStore, s3_server: S3Server, s3_bucket: str) -> None:
    entry = put(store, f"{s3_bucket}/file", DATA)
    other = S3UnderStore(Target("s3", s3_server.options), S3UnderStore.Settings(), make_context())
    same = other.stat(f"{s3_bucket}/file", soon())
    assert same.version.canonical() == entry.version.canonical()
    (listed,) = store.list(s3_bucket, soon())
    assert listed.version.canonical() == entry.version.canonical()
    assert get(store, same, 5, 50) == DATA[5:50]
    other.close()
    one = make(s3_server.options).identity()
    assert one == other.identity()
    assert one != make(s3_server.options_at("http://127.0.0.1:1")).identity()


def test_keys_that_mark_directories_are_no_files(minio_server: S3Server) -> None:
    import s3fs

    client = s3fs.S3FileSystem(**minio_server.options, skip_instance_cache=True)
    store, bucket = make(minio_server.options), f"test-{uuid4().hex[:12]}"
    client.mkdir(bucket)
    for key in ("dir/", "dir/sub/", "dir/both/"):
        client.call_s3("put_object", Bucket=bucket, Key=key, Body=b"")
    for key in ("dir/file", "dir/empty", "dir/both", "dir/sub/x"):
        client.call_s3("put_object", Bucket=bucket, Key=key, Body=b"" if key == "dir/empty" else b"x")
    names = sorted((entry.name, entry.kind) for entry in store.list(f"{bucket}/dir", soon()))
    assert names == [
        (f"{bucket}/dir/both", "directory"),
        (f"{bucket}/dir/both", "file"),
        (f"{bucket}/dir/empty", "file"),
        (f"{bucket}/dir/file", "file"),
        (f"{bucket}/dir/sub", "directory"),
    ]
    below = sorted(entry.name for entry in store.list(f"{bucket}/dir", soon(), recursive=True))
    assert below == [f"{bucket}/dir/{name}" for name in ("both", "empty", "file", "sub/x")]
    with pytest.raises(OSError, match="keys that end with a slash are left"):
        store.remove_directory(f"{bucket}/dir", soon(), recursive=True)
    assert [entry.name for entry in store.list(f"{bucket}/dir", soon(), recursive=True)] == []
    store.close()


@pytest.mark.parametrize("name", ["b/a//b", "b/a/./b", "b/tab\there", "b//a"])
def test_what_has_no_name_there_is_refused(name: str) -> None:
    with pytest.raises(InvalidPathError, match="leave under_store out"):
        make({"anon": True}).strip(f"s3://{name}")


def test_buckets_are_an_affair_of_the_other_store(store: UnderStore, s3_bucket: str) -> None:
    for attempt in (
        lambda: list(store.list("", soon())),
        lambda: store.make_directory("a-new-bucket", soon()),
        lambda: store.remove_directory(s3_bucket, soon(), recursive=True),
    ):
        with pytest.raises(NotSupportedError, match="leave under_store out"):
            attempt()
    assert store.stat(s3_bucket, soon()).kind == "directory"
    with pytest.raises(FileNotFoundError):
        list(store.list("no-such-bucket-here", soon()))


def test_a_signed_url_can_be_followed(store: UnderStore, s3_bucket: str) -> None:
    put(store, f"{s3_bucket}/a b%41?", b"content")
    with urllib.request.urlopen(store.sign(f"{s3_bucket}/a b%41?", 60), timeout=10) as answer:
        assert answer.read() == b"content"


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_and_its_child_work(s3_server: S3Server, s3_bucket: str) -> None:
    store = make(s3_server.options)
    put(store, f"{s3_bucket}/file", DATA)

    def in_child(depth: int) -> int:
        anew = make(s3_server.options)
        entry = anew.stat(f"{s3_bucket}/file", Deadline.after(30))
        right = get(anew, entry) == DATA and put(anew, f"{s3_bucket}/by-{depth}", b"x").size == 1
        if not right:
            return 2
        return forked(depth - 1) if depth else 0

    def forked(depth: int) -> int:
        child = os.fork()
        if child == 0:  # the child must not come back into pytest, whatever happens
            code = 1
            try:
                code = in_child(depth)
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert forked(1) == 0
    assert get(store, store.stat(f"{s3_bucket}/by-0", soon())) == b"x"
    store.close()


def test_making_one_opens_nothing_and_closing_ends_the_threads(s3_server: S3Server, s3_bucket: str) -> None:
    with no_io():
        store = make(s3_server.options)
        store.identity()
        store.url(store.strip(f"s3a://{s3_bucket}/a b#1"))
    before = {thread.ident for thread in threading.enumerate()}
    at_once(*[lambda: store.stat(s3_bucket, soon())] * 4)
    store.close()
    store.close()
    end = time.monotonic() + 10
    while {thread.ident for thread in threading.enumerate()} - before and time.monotonic() < end:
        time.sleep(0.01)
    assert not {thread.ident for thread in threading.enumerate()} - before
