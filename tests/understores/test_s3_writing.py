"""How the under store s3 writes: in how few requests, in how little memory, and that a request repeated is whole."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any, Dict, Iterator, List, Optional
from urllib.parse import parse_qsl

import fsspec
import pytest

from alluxiofs.interfaces import Target
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.faults import FaultProxy, Request, close
from tests.servers import S3Server

MIB = 2**20
PART = 5 * MIB
BLOCK = bytes(range(256)) * 4096
WHOLE = 3 * PART  # two parts on their way, and the one that is collected


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.host, s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def store(s3_server: S3Server, proxy: FaultProxy) -> Iterator[S3UnderStore]:
    with contextlib.closing(made(s3_server.options_at(f"http://{proxy.host}:{proxy.port}"))) as store:
        yield store


def made(options: Dict[str, Any]) -> S3UnderStore:
    settings = S3UnderStore.Settings(part_size=Size(PART), parts_in_flight=2)
    return S3UnderStore(Target("s3", options), settings, make_context())


def written(store: S3UnderStore, name: str, size: int, hint: Optional[int] = None) -> None:
    writer = store.create(name, size_hint=hint)
    for start in range(0, size, MIB):
        writer.write(memoryview(BLOCK)[: size - start])
    writer.commit()


def kind(request: Request) -> str:
    """What a request does to an object."""
    asked = dict(parse_qsl(request.query, keep_blank_values=True))
    if request.method == "POST":
        return "begin" if "uploads" in asked else "complete"
    return "part" if "partNumber" in asked else request.method


def kinds(proxy: FaultProxy) -> List[str]:
    return [kind(request) for request in proxy.requests]


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, WHOLE], ids=["0", "1", "part", "part and 1", "whole"])
def test_what_memory_has_room_for_is_written_by_one_request(
    store: S3UnderStore,
    proxy: FaultProxy,
    s3_bucket: str,
    s3_client: Any,
    size: int,
    known: bool,
) -> None:
    written(store, f"{s3_bucket}/file", size, size if known else None)
    assert kinds(proxy) == ["PUT"]
    assert s3_client.cat_file(f"{s3_bucket}/file") == (BLOCK * 16)[:size]


@pytest.mark.parametrize(
    ("hint", "parts"), [(None, 4), (WHOLE + 1, 4), (PART + 7, 3)], ids=["unknown", "known", "wrong"]
)
def test_what_is_more_is_sent_in_parts(
    store: S3UnderStore, proxy: FaultProxy, s3_bucket: str, s3_client: Any, hint: Optional[int], parts: int
) -> None:
    written(store, f"{s3_bucket}/file", WHOLE + 1, hint)
    assert kinds(proxy) == ["begin", *["part"] * parts, "complete"]
    assert s3_client.cat_file(f"{s3_bucket}/file") == (BLOCK * 16)[: WHOLE + 1]


def test_a_stream_takes_the_memory_of_the_parts_on_their_way(s3_server: S3Server, s3_bucket: str) -> None:
    with contextlib.closing(made(s3_server.options)) as store:
        written(store, f"{s3_bucket}/warm", WHOLE + 1)
        tracemalloc.start()
        try:
            written(store, f"{s3_bucket}/file", 64 * MIB)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < WHOLE + 2 * PART  # a part that grows is copied once in a while, and there is all else


@pytest.mark.parametrize("size", [MIB, WHOLE + 1], ids=["in one request", "in parts"])
def test_a_request_that_is_sent_again_has_all_its_bytes(
    store: S3UnderStore, proxy: FaultProxy, s3_bucket: str, s3_client: Any, size: int
) -> None:
    proxy.fault(close(performed=False), method="PUT", times=1)
    written(store, f"{s3_bucket}/file", size)
    assert kinds(proxy).count("PUT" if size == MIB else "part") == (2 if size == MIB else 5)
    assert s3_client.cat_file(f"{s3_bucket}/file") == (BLOCK * 16)[:size]


@pytest.mark.parametrize("size", [1, 3 * PART], ids=["at once", "in parts"])
def test_who_waited_in_vain_is_told_for_what(size: int) -> None:
    nobody = {"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:9"}
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        target_options=nobody,
        under_store={"name": "s3", "part_size": "5MB"},
        deadline=1e-6,
        skip_instance_cache=True,
    )
    with pytest.raises(TimeoutError, match="s3://bucket/folder/file.*in time: "):
        fs.pipe_file("bucket/folder/file", bytes(size))
