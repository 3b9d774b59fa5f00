"""A file of which nothing is kept, through the gateway and by the bare client."""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import fsspec
import pytest

from benchmarks.cases.ways_to_stores import gcs_server
from benchmarks.core import Aim, Case, UnavailableError, benchmark, timed
from benchmarks.data import MIB, Content, stream
from benchmarks.servers import BUCKET, storage
from tests import servers
from tests.oss_front import OssServer, running

SIZE, QUICK_SIZE = 1024 * MIB, 64 * MIB
_ROOM = "2GB"  # for all of it
_AIM = 1.05  # of the bare client's time


def forget(fs: Any, path: str) -> None:
    """Keep nothing of a file any more."""
    fs.info(path)  # it drops what it knows of
    fs.rm(path, remove_alluxio_only=True)


def cases(folder: Path, quick: bool, protocol: str, options: Dict[str, Any], path: str, **bare_only: Any) -> List[Case]:
    """The same stream by the bare client, and through gateways that keep nothing, or keep what they read."""
    size = QUICK_SIZE if quick else SIZE
    try:
        bare = fsspec.filesystem(protocol, **options, **bare_only)
    except ImportError as error:
        raise UnavailableError(f"pip install 'alluxiofs[{protocol}]': {error}") from error
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        bare.put_file(str(Content(size).write(Path(file.name))), path)
    stores: Dict[str, Optional[Dict[str, Any]]] = {
        "gateway, keeps nothing": None,
        "gateway, keeps in memory": {"name": "memory", "capacity": _ROOM},
        "gateway, keeps on disk": {"name": "disk", "path": str(folder / "pages"), "capacity": _ROOM},
    }
    units, name = size // MIB, f"{protocol}, bare client"
    found = [Case(name, timed(partial(stream, bare, path, size), units))]
    aims = {"": [Aim(_AIM, name)]}
    for kept, store in stores.items():
        fs = fsspec.filesystem("alluxiofs", target_protocol=protocol, target_options=options, page_store=store)
        work = timed(partial(stream, fs, path, size), units, before=partial(forget, fs, path))
        found.append(Case(kept, work, aims))
    return found


@benchmark("cold-file", unit="MiB", turns=5)
def local(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """1 GiB (quick: 64 MiB) of a local file, 1 MiB at a time, nothing kept before."""
    yield cases(folder, quick, "file", {}, str(folder / "data"))


@benchmark("cold-memory", unit="MiB", turns=5)
def memory(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same in fsspec's memory filesystem."""
    path = "/benchmark/data"
    try:
        yield cases(folder, quick, "memory", {}, path)
    finally:
        fsspec.filesystem("memory").rm(path)


@benchmark("cold-s3", unit="MiB", turns=5)
def s3(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same on an S3 server on this machine."""
    with storage(folder) as server:
        yield cases(folder, quick, "s3", server.options, f"{BUCKET}/data")


@benchmark("cold-oss", unit="MiB", turns=5)
def oss(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same on an S3 server behind what answers as OSS does, in a process of its own."""
    with storage(folder) as server, _oss_front(server.server) as front:
        yield cases(folder, quick, "oss", front.options, f"{BUCKET}/data")


@contextlib.contextmanager
def _oss_front(upstream: servers.S3Server) -> Iterator[OssServer]:
    own, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(upstream, other), daemon=True)
    process.start()
    try:
        if not own.poll(30):
            raise UnavailableError("what answers as OSS does has not begun to")
        yield own.recv()
    finally:
        own.send(None)
        process.join(30)


def _serve(upstream: servers.S3Server, pipe: Connection) -> None:
    with running(upstream) as front:
        pipe.send(front)
        pipe.recv()


@benchmark("cold-gcs", unit="MiB", turns=5)
def gcs(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same on fake-gcs-server, on this machine."""
    with gcs_server(folder) as server:
        bare = {"use_listings_cache": False}
        client = fsspec.filesystem("gcs", **server.options, **bare)
        client.mkdir(BUCKET)
        yield cases(folder, quick, "gcs", server.options, f"{BUCKET}/data", **bare)


@benchmark("cold-hdfs", unit="MiB", turns=5)
def hdfs(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same on Hadoop's HDFS, one NameNode and one DataNode, on this machine."""
    server = servers.HdfsServer("127.0.0.1", servers.free_port())
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(servers.running_hdfs(server, folder))
        except pytest.skip.Exception as reason:
            raise UnavailableError(str(reason)) from reason
        yield cases(folder, quick, "hdfs", server.options, "/data")
