"""An object of 5 GiB, written as a stream and read back: slow, run with ``-m slow``."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.testing._files import content
from tests.oss_front import OssServer
from tests.servers import GcsServer, HdfsServer, S3Server
from tests.understores.gcs_front import json_front
from tests.understores.needed import needed

needed("ossfs", "oss")

MIB = 2**20
BLOCK = content(8 * MIB + 13)  # no multiple of any part or page
SIZE = 5 * 2**30 + 1
ODD = 3 * MIB + 7
STARTS = (0, 2**31 - 7, 2**32 - ODD // 2, 2**32 + 12_345, SIZE - ODD)


def piece(start: int, length: int) -> bytes:
    """Bytes of the file, which repeats its block with a number in the front of each."""
    found = bytearray()
    while len(found) < length:
        number, inside = divmod(start + len(found), len(BLOCK))
        block = number.to_bytes(8, "big") + BLOCK[8:]
        found += block[inside : inside + length - len(found)]
    return bytes(found)


def peak() -> int:
    """Bytes that this process has had in memory at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def s3(request: pytest.FixtureRequest) -> Tuple[Dict[str, Any], str]:
    server: S3Server = request.getfixturevalue("s3_server")
    return server.options, f"test-{uuid4().hex[:12]}"


def gs(request: pytest.FixtureRequest) -> Tuple[Dict[str, Any], str]:
    """Of fake-gcs-server 512 MiB take 3 GB of memory and 40 s, whatever its backend, and more takes more than in
    proportion."""
    needed("gcsfs", "gcs")
    server: GcsServer = request.getfixturevalue("gcs_of_large_objects")
    return server.options, f"test-{uuid4().hex[:12]}"


@pytest.fixture
def gcs_of_large_objects(s3_server: S3Server) -> Iterator[GcsServer]:
    with json_front(s3_server) as server:
        yield server


def oss(request: pytest.FixtureRequest) -> Tuple[Dict[str, Any], str]:
    server: OssServer = request.getfixturevalue("oss_server")
    return dict(server.options), f"test-{uuid4().hex[:12]}"


def hdfs(request: pytest.FixtureRequest) -> Tuple[Dict[str, Any], str]:
    needed("hdfs_native", "hdfs", since=(3, 9))
    server: HdfsServer = request.getfixturevalue("hdfs_server")
    return server.options, "/large"


def file(request: pytest.FixtureRequest) -> Tuple[Dict[str, Any], str]:
    folder: Path = request.getfixturevalue("tmp_path")
    return {}, str(folder)


KINDS: Dict[str, Callable[[pytest.FixtureRequest], Tuple[Dict[str, Any], str]]] = {
    "s3": s3,
    "gs": gs,
    "oss": oss,
    "hdfs": hdfs,
    "file": file,
}


@pytest.fixture(params=list(KINDS))
def large(request: pytest.FixtureRequest) -> Iterator[Tuple[Any, str]]:
    """A filesystem, and the path of a file that is not there yet and does not stay."""
    options, folder = KINDS[request.param](request)
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol=request.param,
        target_options=options,
        page_store=None,
        deadline=300,
        skip_instance_cache=True,
    )
    fs.makedirs(folder, exist_ok=True)
    path = f"{folder}/large"
    yield fs, path
    if fs.exists(path):
        fs.rm_file(path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_object_of_five_gibibytes(large: Tuple[Any, str]) -> None:
    fs, path = large
    before = peak()
    with fs.open(path, "wb") as file:
        for start in range(0, SIZE, 64 * MIB):
            file.write(piece(start, min(64 * MIB, SIZE - start)))
    assert fs.info(path, refresh=True)["size"] == SIZE
    for start in STARTS:
        assert fs.cat_file(path, start, start + ODD) == piece(start, ODD), f"at {start}"
    with fs.open(path) as file:
        for start in range(0, SIZE, 64 * MIB):
            length = min(64 * MIB, SIZE - start)
            assert file.read(length) == piece(start, length), f"at {start}"
        assert file.read(1) == b""
    assert peak() - before < 1024 * MIB, "memory is bounded, whatever the size"
