"""Appends to objects, while others write: nothing of theirs is lost, nothing of ours is there twice or in part."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterator

import pytest

from alluxiofs.errors import FileChangedError
from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins import under_store_s3
from alluxiofs.plugins._s3 import copying
from alluxiofs.plugins._s3.copying import LARGEST_COPY, carried
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.settings.types import Seconds, Size
from alluxiofs.testing import make_context
from tests.faults import FaultProxy, Request, close, drip, status
from tests.servers import S3Server

LARGE = bytes(range(256)) * 4096 * 6
SIZES = pytest.mark.parametrize("old", [b"old,", LARGE], ids=["small", "large"])
ADDED = b"added"
SAID = {
    "CacheControl": "no-cache",
    "ContentDisposition": "inline",
    "ContentLanguage": "en",
    "ContentType": "text/csv",
    "Expires": datetime(2035, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "Metadata": {"origin": "here"},
}
NOT_IMPLEMENTED = b"<Error><Code>NotImplemented</Code><Message>no such header here</Message></Error>"

UNTOUCHED = drip(1 << 20, 0)  # a rule that spoils nothing


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def make(s3_server: S3Server, proxy: FaultProxy) -> Iterator[Callable[..., UnderStore]]:
    made = []

    def make(attempts: int = 1, write_timeout: float = 60) -> UnderStore:
        options: Dict[str, Any] = s3_server.options_at(f"http://{proxy.host}:{proxy.port}")
        options["config_kwargs"].update(retries={"total_max_attempts": attempts, "mode": "standard"})
        settings = S3UnderStore.Settings(part_size=Size("5MB"), write_timeout=Seconds(write_timeout))
        made.append(S3UnderStore(Target("s3", options), settings, make_context()))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def name(s3_bucket: str) -> str:
    return f"{s3_bucket}/folder/file"


def said(s3_client: Any, name: str) -> Dict[str, Any]:
    bucket, _, key = name.partition("/")
    head = s3_client.call_s3("head_object", Bucket=bucket, Key=key)
    return {field: head[field] for field in SAID}


def append(store: UnderStore, name: str, data: bytes = ADDED) -> None:
    writer = store.append(name)
    writer.write(memoryview(data))
    writer.commit()


def is_commit(request: Request) -> bool:
    """Whether a request makes an object appear."""
    part = "partnumber" in request.query.lower()
    return (request.method == "PUT" and not part) or (request.method == "POST" and "uploadid" in request.query.lower())


def at_each_commit(proxy: FaultProxy, act: Callable[[], None], times: int) -> None:
    """Have somebody else act when all was checked, and the last request is on its way."""
    left = [None] * times

    def when(request: Request) -> bool:
        if is_commit(request) and left:
            left.pop()
            act()
        return False

    proxy.fault(UNTOUCHED, when=when, times=None)


def no_uploads(s3_client: Any, name: str) -> bool:
    bucket = name.partition("/")[0]
    return not s3_client.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")


@SIZES
@pytest.mark.parametrize("theirs", [b"theirs,", LARGE[5:]], ids=["to small", "to large"])
def test_what_another_client_writes_at_the_last_moment_is_kept(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str, old: bytes, theirs: bytes
) -> None:
    s3_client.pipe_file(name, old)
    at_each_commit(proxy, lambda: s3_client.pipe_file(name, theirs), times=1)
    append(make(), name)
    assert s3_client.cat_file(name) == theirs + ADDED
    assert no_uploads(s3_client, name)


def test_a_file_that_appears_at_the_last_moment_is_appended_to(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str
) -> None:
    at_each_commit(proxy, lambda: s3_client.pipe_file(name, b"theirs,"), times=1)
    append(make(), name)
    assert s3_client.cat_file(name) == b"theirs," + ADDED


@SIZES
def test_a_file_that_is_removed_at_the_last_moment_is_made_anew(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str, old: bytes
) -> None:
    s3_client.pipe_file(name, old)
    at_each_commit(proxy, lambda: s3_client.rm_file(name), times=1)
    append(make(), name)
    assert s3_client.cat_file(name) == ADDED
    assert no_uploads(s3_client, name)


def test_a_file_that_is_always_changed_is_given_up(make: Any, proxy: FaultProxy, s3_client: Any, name: str) -> None:
    s3_client.pipe_file(name, b"old")
    count = [0]

    def overwrite() -> None:
        count[0] += 1
        s3_client.pipe_file(name, b"theirs %d" % count[0])

    at_each_commit(proxy, overwrite, times=1000)
    with pytest.raises(FileChangedError, match="nothing was appended") as caught:
        append(make(write_timeout=5), name)
    assert caught.value.filename == name
    assert count[0] >= 3
    assert s3_client.cat_file(name) == b"theirs %d" % count[0]
    assert no_uploads(s3_client, name)


@SIZES
def test_an_append_whose_answer_is_lost_is_not_done_twice(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str, old: bytes
) -> None:
    s3_client.pipe_file(name, old)
    rule = proxy.fault(close(performed=True), when=is_commit)
    with contextlib.suppress(OSError):  # whether the store knows the second request again is its own affair
        append(make(attempts=3), name)
    assert rule.applied == 1
    assert s3_client.cat_file(name) == old + ADDED


def test_an_append_of_which_nobody_knows_whether_it_was_done_says_so(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str
) -> None:
    s3_client.pipe_file(name, b"old,")
    proxy.fault(close(performed=False), when=is_commit)
    at_each_commit(proxy, lambda: s3_client.pipe_file(name, b"theirs"), times=1)
    with pytest.raises(OSError, match="not known"):
        append(make(attempts=3), name)
    assert s3_client.cat_file(name) == b"theirs"


@SIZES
def test_a_failed_append_leaves_the_old_object(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str, old: bytes
) -> None:
    s3_client.pipe_file(name, old)
    proxy.fault(status(500), when=is_commit)
    with pytest.raises(ConnectionError):
        append(make(), name)
    assert s3_client.cat_file(name) == old
    assert no_uploads(s3_client, name)


@SIZES
def test_a_store_that_refuses_conditions_is_asked_without(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str, old: bytes
) -> None:
    s3_client.pipe_file(name, old)
    conditional = {"if-match", "if-none-match"}
    proxy.fault(
        status(501, NOT_IMPLEMENTED),
        when=lambda request: bool(conditional & set(request.headers)) and is_commit(request),
        times=None,
    )
    store = make()
    append(store, name)
    append(store, f"{name}-new")
    assert s3_client.cat_file(name) == old + ADDED
    assert s3_client.cat_file(f"{name}-new") == ADDED
    assert no_uploads(s3_client, name)


def test_a_change_during_the_copy_is_seen_without_conditions_too(
    make: Any, proxy: FaultProxy, s3_client: Any, name: str
) -> None:
    s3_client.pipe_file(name, b"old,")
    proxy.fault(
        status(501, NOT_IMPLEMENTED),
        when=lambda request: "if-match" in request.headers and is_commit(request),
        times=None,
    )
    reads = [0]

    def when(request: Request) -> bool:
        reads[0] += request.method == "GET"
        if reads[0] == 2:  # the one of the attempt without a condition
            reads[0] += 1
            s3_client.pipe_file(name, b"theirs,")
        return False

    proxy.fault(UNTOUCHED, when=when, times=None)
    append(make(), name)
    assert s3_client.cat_file(name) == b"theirs," + ADDED


def test_the_store_itself_copies_what_is_large(make: Any, proxy: FaultProxy, s3_client: Any, name: str) -> None:
    s3_client.pipe_file(name, LARGE)
    append(make(), name, LARGE)
    assert s3_client.cat_file(name) == LARGE + LARGE
    assert not [request for request in proxy.requests if request.method == "GET" and request.path.endswith("/file")]
    assert [request for request in proxy.requests if "x-amz-copy-source" in request.headers]


def test_a_key_that_looks_like_a_version_is_appended_to(make: Any, s3_client: Any, s3_bucket: str) -> None:
    name, store = f"{s3_bucket}/file?versionId=1", make()
    append(store, name, LARGE)
    append(store, name)
    assert store.stat(name, Deadline.after(10)).size == len(LARGE + ADDED)


@SIZES
def test_what_an_object_says_of_itself_stays(make: Any, s3_client: Any, name: str, old: bytes) -> None:
    bucket, _, key = name.partition("/")
    s3_client.call_s3("put_object", Bucket=bucket, Key=key, Body=old, **SAID)
    append(make(), name)
    assert said(s3_client, name) == SAID


@pytest.mark.parametrize("largest", [LARGEST_COPY, 0], ids=["in one request", "in parts"])
@pytest.mark.parametrize("method", ["copy", "move"])
def test_and_when_it_is_copied_or_moved(
    make: Any, s3_client: Any, name: str, method: str, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_store_s3, "LARGEST_COPY", largest)  # an object of 5 GB takes minutes
    monkeypatch.setattr(copying, "_PART", len(LARGE))
    bucket, _, key = name.partition("/")
    s3_client.call_s3("put_object", Bucket=bucket, Key=key, Body=LARGE * 2, **SAID)
    getattr(make(), method)(name, f"{name}-2", Deadline.after(60))
    assert said(s3_client, f"{name}-2") == SAID
    assert s3_client.cat_file(f"{name}-2") == LARGE * 2
    assert no_uploads(s3_client, name)


def test_and_when_it_gets_a_new_time(make: Any, s3_client: Any, name: str) -> None:
    bucket, _, key = name.partition("/")
    s3_client.call_s3("put_object", Bucket=bucket, Key=key, Body=b"old", **SAID)
    make().touch(name, Deadline.after(10), truncate=False)
    assert said(s3_client, name) == SAID


def test_what_a_test_server_does_not_know_is_asked_for_all_the_same() -> None:
    """Encryption and redirection stay within a bucket; another bucket has its own encryption."""
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn", "BucketKeyEnabled": True}
    told = {**SAID, **encrypted, "WebsiteRedirectLocation": "/other", "StorageClass": "STANDARD_IA"}
    assert carried({**told, "ETag": '"x"'}) == told
    assert carried(told, same_bucket=False) == {field: told[field] for field in told if field not in encrypted}
    anew = {"StorageClass", "WebsiteRedirectLocation"}
    assert set(carried(told, copied=True)) == {*anew, *encrypted}
    assert set(carried(told, same_bucket=False, copied=True)) == anew


def test_nothing_appended_is_nothing_written(make: Any, proxy: FaultProxy, s3_client: Any, name: str) -> None:
    s3_client.pipe_file(name, b"old")
    append(make(), name, b"")
    assert not [request for request in proxy.requests if request.method in ("PUT", "POST")]
    append(make(), f"{name}-new", b"")
    assert s3_client.cat_file(f"{name}-new") == b""
