"""A transport to stand-in workers, and a file that they hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

import fsspec
import pytest

from alluxiofs.interfaces import Deadline, Location, Worker
from alluxiofs.plugins.transport_alluxio import AlluxioTransport
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.stand_in_workers import StandInCluster

__all__ = [
    "DATA",
    "PAGE",
    "MakeCluster",
    "MakeTransport",
    "Reader",
    "at",
    "filesystem",
    "make_cluster",
    "make_transport",
    "soon",
]

PAGE = 4096
DATA = os.urandom(5 * PAGE + 100)

MakeCluster = Callable[..., StandInCluster]
MakeTransport = Callable[..., AlluxioTransport]


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[MakeCluster]:
    """A cluster with one file, ``b.bin``, held by all workers."""
    made = []

    def make(dialect: str = "pages", load: bool = True, **arguments: Any) -> StandInCluster:
        (tmp_path / "b.bin").write_bytes(DATA)
        cluster = StandInCluster(tmp_path, **{"workers": 1, "dialect": dialect, "page_size": PAGE, **arguments})
        made.append(cluster.start())
        for worker in cluster.workers if load else ():
            worker.load("b.bin")
        return cluster

    yield make
    for cluster in made:
        cluster.stop()


@pytest.fixture
def make_transport() -> Iterator[MakeTransport]:
    made = []

    def make(members: Sequence[Worker] = (), **arguments: Any) -> AlluxioTransport:
        settings = AlluxioTransport.Settings(**{"page_size": Size(PAGE), **arguments})
        made.append(AlluxioTransport(settings, make_context(), no_store))  # type: ignore[arg-type]
        made[-1].meet(lambda: tuple(members))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def no_store(location: Location) -> object:
    raise AssertionError(f"nobody needs the under store of {location.url}")


def at(cluster: StandInCluster, name: str) -> Location:
    url = f"{cluster.url()}/{name}"
    return Location("", url, url)


def soon() -> Deadline:
    return Deadline.after(10)


class Reader:
    """Reads a file from one worker, at the version that it had in the beginning."""

    def __init__(self, transport: AlluxioTransport, cluster: StandInCluster, number: int = 0) -> None:
        self.transport, self.worker = transport, cluster.members[number]
        self.location = at(cluster, "b.bin")
        self.version = transport.stat(self.worker, self.location, soon()).version

    def read(self, offset: int = 0, size: int = len(DATA)) -> bytes:
        buffer = bytearray(size)
        self.transport.read_into(self.worker, self.location, self.version, offset, memoryview(buffer), soon())
        return bytes(buffer)


def filesystem(cluster: StandInCluster, **arguments: Optional[object]) -> Any:
    return fsspec.filesystem(
        "alluxiofs", target_protocol="file", skip_instance_cache=True, **{**cluster.arguments, **arguments}
    )
