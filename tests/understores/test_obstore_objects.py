"""Objects of S3 by way of obstore: sizes, conditions, versions, names, forks."""

from __future__ import annotations

import os
import threading
import time
import urllib.request
from typing import Any, Iterator
from uuid import uuid4

import pytest

from alluxiofs.errors import (
    InvalidPathError,
    NotSupportedError,
)
from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins._obstore.library import OLDEST_PYTHON
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once, no_io
from tests.servers import S3Server
from tests.understores.needed import needed
from tests.understores.obstore_kit import DATA, PART, get, make, put, soon

needed("obstore", "fast", since=OLDEST_PYTHON)


@pytest.fixture
def store(s3_server: S3Server) -> Iterator[UnderStore]:
    store = make(s3_server.options)
    yield store
    store.close()


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
def test_an_object_of_any_number_of_parts_is_whole(store: UnderStore, s3_bucket: str, size: int) -> None:
    data = (DATA * 11)[:size]
    assert get(store, put(store, f"{s3_bucket}/file", data)) == data


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
    for key in ("dir/", "dir/sub/", "dir/both/", "dir/empty/"):
        client.call_s3("put_object", Bucket=bucket, Key=key, Body=b"")
    for key in ("dir/file", "dir/empty", "dir/both", "dir/sub/x"):
        client.call_s3("put_object", Bucket=bucket, Key=key, Body=b"" if key == "dir/empty" else b"x")
    names = sorted((entry.name, entry.kind) for entry in store.list(f"{bucket}/dir", soon()))
    assert names == [
        (f"{bucket}/dir/both", "directory"),
        (f"{bucket}/dir/both", "file"),
        (f"{bucket}/dir/empty", "directory"),
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_told_that_it_cannot(s3_server: S3Server, s3_bucket: str) -> None:
    store = make(s3_server.options)
    entry = put(store, f"{s3_bucket}/file", DATA)
    child = os.fork()
    if child == 0:  # it must not come back into pytest, whatever happens
        code = 1
        try:
            for each in (store, make(s3_server.options)):
                with pytest.raises(NotSupportedError, match="'spawn'.*leave under_store out"):
                    each.stat(entry.name, Deadline.after(60))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert get(store, entry) == DATA
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
    end = time.monotonic() + 60
    while {thread.ident for thread in threading.enumerate()} - before and time.monotonic() < end:
        time.sleep(0.01)
    assert not {thread.ident for thread in threading.enumerate()} - before
