"""Filesystems to look at from outside: over memory, local files and a real S3 server, with each kind of page store."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional
from uuid import uuid4

import fsspec
import pytest
from attrs import define
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.filesystem import AlluxioFileSystem

PAGE = "64KB"  # small, so that files of a few hundred kilobytes have pages in plenty


@define(frozen=True)
class Place:
    """Somewhere to keep files: how to reach it, a folder of the test's own, and a client that goes there directly."""

    arguments: Dict[str, Any]
    root: str
    client: Any

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"


def make_place(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if kind == "memory":
        root = f"/test-{uuid4().hex[:12]}"
        client = MemoryFileSystem()
        client.mkdir(root)
        yield Place({"target_protocol": "memory"}, root, client)
        client.rm(root, recursive=True)
    elif kind == "file":
        folder = tmp_path / "under-store"
        folder.mkdir()
        yield Place({"target_protocol": "file"}, folder.as_posix(), fsspec.filesystem("file"))
    else:
        server = request.getfixturevalue("s3_server")
        # One client for all tests: making one takes longer than most tests.
        client = fsspec.filesystem("s3", **server.options, use_listings_cache=False)
        bucket = f"test-{uuid4().hex[:12]}"
        client.mkdir(bucket)
        yield Place({"target_protocol": "s3", "target_options": server.options}, f"{bucket}/folder", client)
        client.rm(bucket, recursive=True)


def page_store_of(kind: Optional[str], tmp_path: Path) -> Optional[Dict[str, Any]]:
    if kind is None:
        return None
    if kind == "memory":
        return {"name": "memory", "capacity": "64MB"}
    return {"name": "disk", "path": str(tmp_path / "pages"), "capacity": "64MB"}


@pytest.fixture(params=["memory", "file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each kind of under store."""
    yield from make_place(request.param, request, tmp_path)


@pytest.fixture
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The quickest under store, for what has nothing to do with which one it is."""
    yield from make_place("memory", request, tmp_path)


@pytest.fixture
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Local files, for what needs several processes."""
    yield from make_place("file", request, tmp_path)


@pytest.fixture(params=[None, "memory", "disk"], ids=["no pages", "pages in memory", "pages on disk"])
def page_store(request: pytest.FixtureRequest, tmp_path: Path) -> Optional[Dict[str, Any]]:
    """Each kind of page store."""
    return page_store_of(request.param, tmp_path)


@pytest.fixture
def filesystem() -> Iterator[Callable[..., AlluxioFileSystem]]:
    """Makes filesystems; small pages unless told otherwise."""

    def make(place: Place, **arguments: Any) -> AlluxioFileSystem:
        options = {"alluxio.worker.page.store.page.size": PAGE}
        arguments = {"page_store": {"name": "memory", "capacity": "64MB"}, "options": options, **arguments}
        made = fsspec.filesystem("alluxiofs", **place.arguments, **arguments)
        assert isinstance(made, AlluxioFileSystem)
        return made

    yield make
    AlluxioFileSystem.clear_instance_cache()


@pytest.fixture
def fs(place: Place, filesystem: Callable[..., AlluxioFileSystem]) -> AlluxioFileSystem:
    """Over each kind of under store, with pages in memory."""
    return filesystem(place)


@pytest.fixture
def quick(memory: Place, filesystem: Callable[..., AlluxioFileSystem]) -> AlluxioFileSystem:
    """Over the quickest under store, with pages in memory."""
    return filesystem(memory)


@pytest.fixture(autouse=True)
def _only_our_warnings() -> Iterator[None]:
    """botocore's own deprecated calls are not what is tested here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"datetime\.datetime\.utcnow", category=DeprecationWarning)
        yield
