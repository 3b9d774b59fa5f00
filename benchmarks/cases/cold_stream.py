"""A file of which nothing is kept, through the gateway and by the bare client."""

from __future__ import annotations

import contextlib
import importlib.util
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import fsspec
import pytest

from benchmarks.core import Case, UnavailableError, benchmark, timed
from benchmarks.data import MIB, Content, stream
from benchmarks.servers import BUCKET, storage
from tests import servers

SIZE = 64 * MIB


def forget(fs: Any, path: str) -> None:
    """Keep nothing of a file any more."""
    fs.info(path)  # it drops what it knows of
    fs.rm(path, remove_alluxio_only=True)


def cases(folder: Path, protocol: str, options: Dict[str, Any], path: str) -> List[Case]:
    """The same stream by the bare client, and through gateways that keep nothing, or keep what they read."""
    bare = fsspec.filesystem(protocol, **options)
    bare.pipe_file(path, Content(SIZE).all())
    stores: Dict[str, Optional[Dict[str, Any]]] = {
        "gateway, keeps nothing": None,
        "gateway, keeps in memory": {"name": "memory", "capacity": "256MB"},
        "gateway, keeps on disk": {"name": "disk", "path": str(folder / "pages"), "capacity": "256MB"},
    }
    units = SIZE // MIB
    found = [Case(f"{protocol}, bare client", timed(partial(stream, bare, path, SIZE), units))]
    for name, store in stores.items():
        fs = fsspec.filesystem("alluxiofs", target_protocol=protocol, target_options=options, page_store=store)
        found.append(Case(name, timed(partial(stream, fs, path, SIZE), units, before=partial(forget, fs, path))))
    return found


@benchmark("cold-file", unit="MiB", turns=7)
def local(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """64 MiB of a local file, 1 MiB at a time, nothing kept before."""
    yield cases(folder, "file", {}, str(folder / "data"))


@benchmark("cold-memory", unit="MiB", turns=7)
def memory(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same in fsspec's memory filesystem."""
    path = "/benchmark/data"
    try:
        yield cases(folder, "memory", {}, path)
    finally:
        fsspec.filesystem("memory").rm(path)


@benchmark("cold-s3", unit="MiB", turns=7)
def s3(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same on an S3 server on this machine."""
    with storage(folder) as server:
        yield cases(folder, "s3", server.options, f"{BUCKET}/data")


@benchmark("cold-hdfs", unit="MiB", turns=7)
def hdfs(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same on Hadoop's HDFS, one NameNode and one DataNode, on this machine."""
    if importlib.util.find_spec("hdfs_native") is None:
        raise UnavailableError("hdfs-native is not installed: pip install 'alluxiofs[hdfs]'")
    server = servers.HdfsServer("127.0.0.1", servers.free_port())
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(servers.running_hdfs(server, folder))
        except pytest.skip.Exception as reason:
            raise UnavailableError(str(reason)) from reason
        yield cases(folder, "hdfs", server.options, "/data")
