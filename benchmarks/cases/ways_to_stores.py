"""The ways to one store: its fsspec client by itself, and the under stores that are made of it or of another library.

All in this process, straight on the under stores: no gateway, no page store. The sum of what was read is compared.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Type

import pytest
from attrs import define

from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins.under_store_gcs import GcsUnderStore
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from benchmarks.core import Aim, Case, UnavailableError, benchmark, concurrently, timed
from benchmarks.data import KIB, MIB, Content
from benchmarks.servers import BUCKET, storage
from tests import servers

SMALL = 8 * KIB
PIECE = 8 * MIB
THREADS = 8


@define(frozen=True)
class Way:
    """How to read: all of a small object, a range of a large one, the names in a directory."""

    name: str
    small: Callable[[str, int], bytes]
    fill: Callable[[str, int, memoryview], None]
    names: Callable[[str], Sequence[str]]


def client_way(name: str, client: Any) -> Way:
    """Straight on an fsspec client."""

    def fill(path: str, start: int, view: memoryview) -> None:
        view[:] = client.cat_file(path, start=start, end=start + len(view))

    return Way(
        name,
        lambda path, _: bytes(client.cat_file(path)),
        fill,
        lambda path: list(client.ls(path, detail=False, refresh=True)),
    )


def store_way(store: UnderStore) -> Way:
    """On an under store, as the gateway uses it."""

    def small(path: str, size: int) -> bytes:
        if store.capabilities.stat_and_read:
            return store.stat_and_read(path, size, soon())[2]
        entry, target = store.stat(path, soon()), bytearray(size)
        store.read_into(path, entry.version, 0, memoryview(target), soon())
        return bytes(target)

    def fill(path: str, start: int, view: memoryview) -> None:
        version = known.get(path)
        if version is None:
            version = known[path] = store.stat(path, soon()).version
        store.read_into(path, version, start, view, soon())

    known: Dict[str, Any] = {}
    return Way(
        f"under store {store.name}",
        small,
        fill,
        lambda path: [entry.name for entry in store.list(path, soon())],
    )


def soon() -> Deadline:
    """As the gateway would give it."""
    return Deadline.after(60, 30)


@define(frozen=True)
class Place:
    """A store, and the ways to it."""

    client: Any
    ways: Sequence[Way]


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[Place]:
    """versitygw."""
    with storage(folder) as server, contextlib.ExitStack() as stack:
        stores = [_store(stack, kind, "s3", server.options) for kind in (S3UnderStore, ObstoreUnderStore)]
        client = server.client()
        yield Place(client, [client_way("s3fs", client), *map(store_way, stores)])


@contextlib.contextmanager
def gcs(folder: Path) -> Iterator[Place]:
    """fake-gcs-server, over a folder."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(gcs_server(folder))
        try:
            from gcsfs.core import GCSFileSystem
        except ImportError as error:
            raise UnavailableError("gcsfs is not installed: pip install 'alluxiofs[gcs]'") from error
        stores = [_store(stack, kind, "gs", server.options) for kind in (GcsUnderStore, ObstoreUnderStore)]
        client = GCSFileSystem(**server.options, skip_instance_cache=True, use_listings_cache=False)
        client.mkdir(BUCKET)
        yield Place(client, [client_way("gcsfs", client), *map(store_way, stores)])


def _store(stack: contextlib.ExitStack, kind: Type[UnderStore], protocol: str, options: Dict[str, Any]) -> UnderStore:
    try:
        store = kind(Target(protocol, options), kind.Settings(), make_context())
    except ImportError as error:
        raise UnavailableError(str(error)) from error
    stack.callback(store.close)
    return store


@contextlib.contextmanager
def gcs_server(folder: Path) -> Iterator[servers.GcsServer]:
    """A running fake-gcs-server, over a folder."""
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # or gcsfs asks another service first
    try:
        executable = servers.program("fake-gcs-server")
    except pytest.skip.Exception as reason:
        raise UnavailableError(str(reason)) from reason
    server = servers.GcsServer("127.0.0.1", servers.free_port())
    command = [executable, "-scheme", "http", "-host", server.host, "-port", str(server.port), "-backend", "filesystem"]
    command += ["-filesystem-root", str(folder / "gcs"), "-public-host", f"{server.host}:{server.port}"]
    command += ["-external-url", server.endpoint, "-log-level", "error"]
    with servers.started(command, server.port, folder / "gcs.log"):
        yield server


def small_cases(place: Place, quick: bool) -> List[Case]:
    """Each of many small objects once, by eight threads."""
    contents = [Content(SMALL, number) for number in range(200 if quick else 2000)]
    place.client.pipe({f"{BUCKET}/small/{each.number}": each.all() for each in contents})

    def work(way: Way) -> Callable[[], None]:
        def part(some: Sequence[Content]) -> Callable[[], None]:
            def read() -> None:
                for each in some:
                    if not each.holds(way.small(f"{BUCKET}/small/{each.number}", each.size)):
                        raise AssertionError(f"{way.name}: wrong bytes")

            return read

        return lambda: concurrently([part(contents[start::THREADS]) for start in range(THREADS)])

    return _cases(place, work, len(contents))


def list_cases(place: Place, quick: bool) -> List[Case]:
    """One directory of many keys."""
    count = 1_000 if quick else 10_000
    place.client.pipe({f"{BUCKET}/many/{number:05}": b"x" for number in range(count)})

    def work(way: Way) -> Callable[[], None]:
        def names() -> None:
            if len(way.names(f"{BUCKET}/many")) != count:
                raise AssertionError(f"{way.name}: names are missing")

        return names

    return _cases(place, work, 1)


def stream_cases(place: Place, quick: bool) -> List[Case]:
    """One large object from its start to its end, in pieces of 8 MiB."""
    content = Content((32 if quick else 256) * MIB)
    place.client.pipe_file(f"{BUCKET}/large", content.all())
    buffer = bytearray(PIECE)

    def work(way: Way) -> Callable[[], None]:
        def read() -> None:
            for start in range(0, content.size, PIECE):
                way.fill(f"{BUCKET}/large", start, memoryview(buffer))
                if not content.holds(bytes(buffer[:KIB]), start):
                    raise AssertionError(f"{way.name}: wrong bytes")

        return read

    return _cases(place, work, content.size // MIB)


def _cases(place: Place, work: Callable[[Way], Callable[[], None]], units: int) -> List[Case]:
    first = place.ways[0].name
    aims = {way.name: {"": [Aim(1.05, first)]} for way in place.ways[1:]}
    return [Case(way.name, timed(work(way), units), aims.get(way.name, {})) for way in place.ways]


@benchmark("s3-small", unit="object", turns=5)
def s3_small(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """2,000 (quick: 200) objects of 8 kB in S3, each asked what it is and read, by eight threads."""
    with s3(folder) as place:
        yield small_cases(place, quick)


@benchmark("s3-list", unit="listing", turns=5)
def s3_list(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """A directory of 10,000 (quick: 1,000) keys in S3."""
    with s3(folder) as place:
        yield list_cases(place, quick)


@benchmark("s3-stream", unit="MiB", turns=5)
def s3_stream(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """An object of 256 MiB (quick: 32) in S3, 8 MiB at a time."""
    with s3(folder) as place:
        yield stream_cases(place, quick)


@benchmark("gcs-small", unit="object", turns=5)
def gcs_small(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """2,000 (quick: 200) objects of 8 kB in Google Cloud Storage, each asked what it is and read, by eight threads."""
    with gcs(folder) as place:
        yield small_cases(place, quick)


@benchmark("gcs-list", unit="listing", turns=5)
def gcs_list(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """A directory of 10,000 (quick: 1,000) keys in Google Cloud Storage."""
    with gcs(folder) as place:
        yield list_cases(place, quick)


@benchmark("gcs-stream", unit="MiB", turns=5)
def gcs_stream(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """An object of 256 MiB (quick: 32) in Google Cloud Storage, 8 MiB at a time."""
    with gcs(folder) as place:
        yield stream_cases(place, quick)
