"""What MinIO has and versitygw has not: keys ``x`` and ``x/y`` side by side, and objects with versions."""

from __future__ import annotations

from typing import Any, Iterator
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.errors import FileChangedError, Kind, kind_of
from alluxiofs.interfaces import UnderStore
from alluxiofs.testing._files import content, get, put, soon
from tests.servers import S3Server
from tests.understores.failing import make_store

DATA = content(200_000)
OTHER = bytes(reversed(DATA))


@pytest.fixture(scope="module")
def store(minio_server: S3Server) -> Iterator[UnderStore]:
    made = make_store("s3", minio_server.options)
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(minio_server: S3Server) -> Any:
    """s3fs itself, to see the store with other eyes."""
    import s3fs

    return s3fs.S3FileSystem(**minio_server.options, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def bucket(store: UnderStore) -> str:
    name = f"test-{uuid4().hex[:12]}"
    store.make_directory(name, soon())
    return name


@pytest.fixture
def versioned(bucket: str, client: Any) -> str:
    """A bucket that keeps all versions of its objects."""
    client.call_s3("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture(params=[True, False], ids=["pages kept", "nothing kept"])
def fs(request: pytest.FixtureRequest, minio_server: S3Server) -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        target_options=minio_server.options,
        page_store={"name": "memory", "capacity": "16MB"} if request.param else None,
        options={"alluxio.worker.page.store.page.size": "64KB"},
        metadata_ttl=0,
        skip_instance_cache=True,
    )


def test_a_key_and_keys_below_it(store: UnderStore, client: Any, bucket: str) -> None:
    """Both are files by their names. Its listings have the upper one alone, whoever asks: so have ours."""
    put(store, f"{bucket}/x/y", b"below")
    put(store, f"{bucket}/x", b"the key itself")
    assert get(store, store.stat(f"{bucket}/x", soon())) == b"the key itself"
    assert get(store, store.stat(f"{bucket}/x/y", soon())) == b"below"
    listed = [one["Key"] for one in client.call_s3("list_objects_v2", Bucket=bucket)["Contents"]]
    assert [entry.name for entry in store.list(bucket, soon(), recursive=True)] == [f"{bucket}/{key}" for key in listed]
    store.remove(f"{bucket}/x", soon())
    assert get(store, store.stat(f"{bucket}/x/y", soon())) == b"below"
    assert store.stat(f"{bucket}/x", soon()).kind == "directory"
    assert [entry.name for entry in store.list(f"{bucket}/x", soon())] == [f"{bucket}/x/y"]


def test_a_key_and_keys_below_it_through_the_gateway(fs: Any, bucket: str) -> None:
    fs.pipe_file(f"{bucket}/x/y", b"below")
    fs.pipe_file(f"{bucket}/x", b"the key itself")
    assert (fs.cat_file(f"{bucket}/x"), fs.cat_file(f"{bucket}/x/y")) == (b"the key itself", b"below")
    fs.mv(f"{bucket}/x", f"{bucket}/z")
    assert fs.find(bucket) == [f"{bucket}/x/y", f"{bucket}/z"]


def test_an_older_version_is_not_read_as_the_one_that_is_there(store: UnderStore, versioned: str) -> None:
    """That the store still has it does not make it the file's content."""
    old = put(store, f"{versioned}/file", DATA)
    new = put(store, f"{versioned}/file", OTHER)
    assert get(store, new) == OTHER
    with pytest.raises(FileChangedError):
        get(store, old)
    assert [entry.version for entry in store.list(versioned, soon())] == [new.version]


def test_versions_are_never_mixed(fs: Any, versioned: str) -> None:
    fs.pipe_file(f"{versioned}/file", DATA)
    with fs.open(f"{versioned}/file", block_size=65_536, cache_options={"readahead": None}) as file:
        assert file.read(65_536) == DATA[:65_536]
        fs.pipe_file(f"{versioned}/file", OTHER)
        with pytest.raises(FileChangedError):
            file.seek(131_072)
            file.read(65_536)
    assert fs.cat_file(f"{versioned}/file") == OTHER


def test_a_delete_marker_is_absence(fs: Any, store: UnderStore, client: Any, versioned: str) -> None:
    old = put(store, f"{versioned}/dir/file", DATA)
    fs.rm_file(f"{versioned}/dir/file")
    versions = client.call_s3("list_object_versions", Bucket=versioned)
    assert [one["Key"] for one in versions["DeleteMarkers"]] == ["dir/file"]
    for look in (
        lambda: fs.info(f"{versioned}/dir/file"),
        lambda: fs.cat_file(f"{versioned}/dir/file"),
        lambda: fs.ls(f"{versioned}/dir"),
        lambda: get(store, old),
    ):
        with pytest.raises(FileNotFoundError):
            look()
    assert not fs.exists(f"{versioned}/dir")
    marker = versions["DeleteMarkers"][0]["VersionId"]
    client.call_s3("delete_object", Bucket=versioned, Key="dir/file", VersionId=marker)
    assert fs.cat_file(f"{versioned}/dir/file") == DATA, "the older version is the file again"


@pytest.mark.parametrize("key", ["a//b", "a/../b"], ids=["empty", "above"])
def test_a_key_that_it_does_not_take_is_an_answer(store: UnderStore, bucket: str, key: str) -> None:
    with pytest.raises(OSError, match="XMinioInvalid") as looked:
        store.stat(f"{bucket}/{key}", soon())
    with pytest.raises(OSError, match="XMinioInvalid") as written:
        put(store, f"{bucket}/{key}", b"x")
    assert {kind_of(looked.value), kind_of(written.value)} == {Kind.ANSWER}
