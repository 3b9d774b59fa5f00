"""How a filesystem is made, chained, shared and configured, and what it shows of itself."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from typing import Any, Callable

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.memory import MemoryFileSystem

import alluxiofs
from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.operations.base import CHAINING
from tests.filesystem.conftest import Place

DATA = b"0123456789"


@pytest.fixture
def path(memory: Place) -> str:
    memory.client.pipe_file(memory.path("file"), DATA)
    return memory.path("file")


def test_both_names_make_the_same_class() -> None:
    for name in ("alluxiofs", "alluxio"):
        assert fsspec.get_filesystem_class(name) is AlluxioFileSystem
        assert isinstance(fsspec.filesystem(name, target_protocol="memory"), AlluxioFileSystem)


def test_by_url_and_target_protocol(path: str) -> None:
    with fsspec.open(f"alluxiofs://{path}", target_protocol="memory") as file:
        assert file.read() == DATA
    with fsspec.open(f"alluxio://memory://{path}", "rt", target_protocol="memory") as file:
        assert file.read() == DATA.decode()
    fs, inside = fsspec.core.url_to_fs(f"alluxiofs://{path}", target_protocol="memory")
    assert fs.cat_file(inside) == DATA


def test_open_files_with_a_pattern(memory: Place, path: str) -> None:
    found = fsspec.open_files(f"alluxiofs://{memory.root}/*", target_protocol="memory")
    assert [file.path for file in found] == [path]
    with found as files:
        assert [file.read() for file in files] == [DATA]
    with fsspec.open_files(f"alluxiofs://{memory.root}/out-*.txt", "wb", num=2, target_protocol="memory") as files:
        for file in files:
            file.write(DATA)
    assert memory.client.cat_file(memory.path("out-1.txt")) == DATA


@pytest.mark.skipif(not CHAINING, reason="this fsspec cannot chain it")
def test_chaining(memory: Place, path: str) -> None:
    url = f"alluxiofs::memory://{path}"
    with fsspec.open(url, alluxiofs={"metadata_ttl": 3}, memory={}) as file:
        assert file.read() == DATA
    fs, inside = fsspec.core.url_to_fs(url)
    assert isinstance(fs, AlluxioFileSystem)
    assert (inside, fs.cat_file(inside)) == (path, DATA)
    other = memory.path("other")
    memory.client.pipe_file(other, b"other")
    fs2, _ = fsspec.core.url_to_fs(f"alluxiofs::memory://{other}")
    assert fs2 is fs, "two paths of one store are one filesystem"
    assert "fo" not in fs.storage_options
    with fsspec.open(f"simplecache::alluxiofs::memory://{path}") as file:
        assert file.read() == DATA
    with fsspec.open(f"alluxiofs::memory://{memory.path('new')}", "wb") as file:
        file.write(b"new")
    assert memory.client.cat_file(memory.path("new")) == b"new"


@pytest.mark.skipif(CHAINING, reason="this fsspec can chain it")
def test_chaining_that_cannot_work_says_what_to_use(path: str) -> None:
    with pytest.raises(ValueError, match="target_protocol"):
        fsspec.open(f"alluxiofs::memory://{path}")


def test_what_others_put_around_it(memory: Place, path: str, tmp_path: Any) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory")
    folder = DirFileSystem(memory.root, fs)
    assert folder.cat_file("file") == DATA
    assert folder.ls("", detail=False) == ["file"]
    folder.pipe_file("sub/x", b"x")
    assert folder.find("") == ["file", "sub/x"]
    mapper = fs.get_mapper(memory.root)
    assert dict(mapper) == {"file": DATA, "sub/x": b"x"}
    mapper["y/z"] = b"z"
    assert mapper.getitems(["y/z", "none"], on_error="omit") == {"y/z": b"z"}
    del mapper["y/z"]
    assert "y/z" not in mapper
    with pytest.raises(KeyError):
        mapper["none"]
    cached = fsspec.filesystem("filecache", fs=fs, cache_storage=str(tmp_path / "cache"), check_files=True)
    assert cached.cat_file(path) == DATA


def test_generic_copies_go_through_it(memory: Place, path: str, tmp_path: Any) -> None:
    from fsspec import generic as fsspec_generic

    fsspec_generic.set_generic_fs("alluxiofs", target_protocol="memory")
    fsspec_generic.set_generic_fs("file")
    generic = fsspec_generic.GenericFileSystem(default_method="generic")
    (tmp_path / "copy").mkdir()
    fsspec_generic.rsync(f"alluxiofs://{memory.root}", f"file://{tmp_path}/copy", fs=generic)
    assert (tmp_path / "copy" / "file").read_bytes() == DATA
    assert generic.cat_file(f"alluxiofs://{path}") == DATA


def test_asynchronous_callers(path: str) -> None:
    import asyncio

    wrapper = pytest.importorskip("fsspec.implementations.asyn_wrapper", reason="this fsspec has no such wrapper")
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory", asynchronous=True)
    wrapped = wrapper.AsyncFileSystemWrapper(fs, asynchronous=True)

    async def read() -> Any:
        return await wrapped._cat_file(path), await wrapped._info(path)

    data, info = asyncio.run(read())
    assert (data, info["size"]) == (DATA, len(DATA))


def test_a_ready_client_is_an_under_store_too(path: str) -> None:
    fs = fsspec.filesystem("alluxiofs", fs=MemoryFileSystem())
    assert fs.cat_file(path) == fs.cat_file(f"memory://{path}") == DATA


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target_protocoll": "memory"}, "target_protocol"),
        ({"target_protocol": "memory", "policy": "no-such-policy"}, "no-such-policy"),
        ({"target_protocol": "memory", "policy": "consistent-hsh"}, "consistent-hash"),
        ({"target_protocol": "memory", "page_store": "memry"}, "memory"),
        ({"target_protocol": "memory", "page_store": {"name": "memory", "capacty": 1}}, "capacity"),
        ({"target_protocol": "memory", "page_store": {"name": "memory", "capacity": "lots"}}, "lots"),
        ({"target_protocol": "memory", "timeout": "soon"}, "timeout"),
        ({"target_protocol": "memory", "replicas": "two"}, "replicas"),
        ({"target_protocol": "no-such-store"}, "no-such-store"),
        ({"target_options": {"a": 1}}, "target_protocol"),
    ],
)
def test_a_bad_argument_is_named_at_construction(arguments: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError, LookupError), match=message):
        fsspec.filesystem("alluxiofs", **arguments)


def test_constructing_again_takes_less_than_a_millisecond() -> None:
    def construct(number: int) -> float:
        start = time.perf_counter()
        AlluxioFileSystem(target_protocol="memory", page_store="memory", skip_instance_cache=True)
        return time.perf_counter() - start

    construct(0)
    # The best of many: what it costs, and not what else the machine does.
    assert any(construct(number) < 0.001 for number in range(1000))


def test_equal_settings_share_what_can_be_shared(path: str) -> None:
    first, second = (
        AlluxioFileSystem(target_protocol="memory", metadata_ttl=ttl, skip_instance_cache=True) for ttl in (7, "7s")
    )
    other = AlluxioFileSystem(target_protocol="memory", metadata_ttl=8)
    assert first is not second
    assert first.gateway is second.gateway
    assert first.gateway is not other.gateway


def test_fsspecs_configuration_applies() -> None:
    variables = {
        "FSSPEC_ALLUXIOFS_TARGET_PROTOCOL": "memory",
        "FSSPEC_ALLUXIOFS_METADATA_TTL": "3s",
        "FSSPEC_ALLUXIOFS_PAGE_STORE": '{"name": "memory", "capacity": "5MB"}',
    }
    script = "import fsspec, json; print(json.dumps(fsspec.filesystem('alluxiofs').describe()))"
    run = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout)["page_store"]["settings"]["capacity"] == 5 * 2**20


# --- secrets ----------------------------------------------------------------------------------------------------

CANARY = "canary-7f3a9"


def secretive(**more: Any) -> AlluxioFileSystem:
    made = fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        target_options={
            "key": f"{CANARY}-key",
            "secret": f"{CANARY}-secret",
            "client_kwargs": {"aws_session_token": f"{CANARY}-token"},
            "endpoint_url": f"http://user:{CANARY}-url@127.0.0.1:9",
        },
        page_store=None,
        **more,
    )
    assert isinstance(made, AlluxioFileSystem)
    return made


def test_secrets_are_nowhere_to_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("s3fs")
    caplog.set_level(logging.DEBUG, logger="alluxiofs")
    fs = secretive(retries=0, timeout=2, deadline=3)
    shown = [repr(fs), str(fs), repr(fs.storage_options), str(fs.storage_options), json.dumps(fs.describe())]
    shown += [repr(fs.storage_options["target_options"]), fs.to_json(include_password=False)]
    shown += [str(fs.to_dict(include_password=False)), repr(fs._settings), repr(fs.gateway)]
    with pytest.raises(OSError) as failure:  # noqa: PT011 - whatever it is, it must not tell
        fs.info("bucket/key")
    shown += [str(failure.value), repr(failure.value), caplog.text]
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - whatever it is, it must not tell
        fsspec.filesystem("alluxiofs", target_protocol="s3", target_options=f"{CANARY}-options")
    for text in shown:
        assert CANARY not in text
    assert "target_options" in str(refusal.value)


def test_filesystems_with_different_secrets_are_different() -> None:
    pytest.importorskip("s3fs")
    one, two = (
        fsspec.filesystem("alluxiofs", target_protocol="s3", target_options={"key": "k", "secret": secret})
        for secret in ("1", "2")
    )
    assert one is not two
    assert one.gateway is not two.gateway
    assert repr(one.storage_options) != repr(two.storage_options), "fsspec tells instances apart by this"
    nested = [fsspec.filesystem("alluxiofs", fs=AlluxioFileSystem(**inner.storage_options)) for inner in (one, two)]
    assert nested[0] is not nested[1]
    again = [AlluxioFileSystem(**inner.storage_options) for inner in (one, two)]
    assert again[0] is not again[1]


def test_describe_is_json_and_names_what_was_assembled(
    memory: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(memory)
    described = json.loads(json.dumps(fs.describe()))
    assert described["page_store"]["name"] == "memory"
    assert described["page_store"]["settings"]["capacity"] == 64 * 2**20
    assert described["page_size"] == 64 * 1024


def test_public_names() -> None:
    assert alluxiofs.AlluxioFileSystem is AlluxioFileSystem
