"""A ready client, ``fs=``: used as it is, and made anew in a forked child."""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import tarfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any, Dict, Tuple, Type
from uuid import uuid4

import pytest
from fsspec import AbstractFileSystem
from fsspec.asyn import get_loop, sync
from fsspec.dircache import DirCache
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.http import HTTPFileSystem
from fsspec.implementations.tar import TarFileSystem

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.plugins._fsspec import ready
from alluxiofs.plugins._fsspec.client import Client
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_gcs import GcsUnderStore
from alluxiofs.plugins.under_store_oss import OssUnderStore
from alluxiofs.plugins.under_store_s3 import S3UnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import get, put, soon
from tests.understores.forked import ended, forks
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

CLIENTS: Dict[str, Tuple[str, str, Type[UnderStore]]] = {
    "s3": ("s3_server", "s3fs.S3FileSystem", S3UnderStore),
    "gs": ("gcs_server", "gcsfs.core.GCSFileSystem", GcsUnderStore),
    "oss": ("oss_server", "ossfs.OSSFileSystem", OssUnderStore),
    "any": ("s3_server", "s3fs.S3FileSystem", FsspecUnderStore),
}


def over(client: AbstractFileSystem, kind: Type[UnderStore] = FsspecUnderStore) -> UnderStore:
    return kind(Target("ready", {}, client), kind.Settings(), make_context())


def read(store: UnderStore, name: str) -> bytes:
    return get(store, store.stat(name, soon()))


@forks
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_in_a_forked_child(request: pytest.FixtureRequest, client: str) -> None:
    """Of a client with a loop that was given too: its thread is the parent's."""
    server, named, kind = CLIENTS[client]
    module, _, name = named.rpartition(".")
    given = {} if client == "oss" else {"loop": get_loop()}
    options = request.getfixturevalue(server).options
    made = getattr(importlib.import_module(module), name)(**options, **given, skip_instance_cache=True)
    bucket = f"test-{uuid4().hex[:12]}"
    made._get_bucket(bucket).create_bucket() if client == "oss" else made.mkdir(bucket)
    assert put(over(made, kind), f"{bucket}/file", b"content").size == 7
    assert ended(lambda: read(over(made, kind), f"{bucket}/file") == b"content")


@forks
def test_a_directory_of_a_client_in_a_forked_child(s3_client: Any, s3_bucket: str) -> None:
    s3_client.pipe_file(f"{s3_bucket}/folder/file", b"content")
    for folder in (
        DirFileSystem(f"{s3_bucket}/folder", s3_client),
        DirFileSystem(path="folder", fs=DirFileSystem(s3_bucket, s3_client)),
    ):
        assert read(over(folder), "file") == b"content"
        assert ended(functools.partial(_reads, folder))


def _reads(client: AbstractFileSystem) -> bool:
    return read(over(client), "file") == b"content"


@forks
@pytest.mark.parametrize("imported", ["before the fork", "in the child"])
def test_an_archive_is_opened_anew_in_a_forked_child(tmp_path: Path, imported: str) -> None:
    """Parent and child would move each other's place in the one open file."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("file", "other"):
            member = tarfile.TarInfo(name)
            member.size = 100_000
            archive.addfile(member, BytesIO(bytes(member.size)))
    client = TarFileSystem(str(tmp_path / "a.tar"))
    descriptor = client.fo.fileno()
    place = os.lseek(descriptor, 0, os.SEEK_CUR)

    def reads() -> bool:
        if imported == "in the child":
            importlib.reload(ready)
        return read(over(client), "file") == bytes(100_000)

    assert ended(reads)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == place


@pytest.mark.parametrize("kind", [S3UnderStore, GcsUnderStore, FsspecUnderStore])
def test_one_without_a_loop_is_refused(kind: Type[UnderStore]) -> None:
    from gcsfs.core import GCSFileSystem
    from s3fs import S3FileSystem

    made = GCSFileSystem(token="anon", asynchronous=True) if kind is GcsUnderStore else S3FileSystem(asynchronous=True)
    with pytest.raises(ConfigurationError, match="asynchronous=True"):
        over(made, kind).stat("bucket/key", soon())


def test_listings_that_http_remembers_are_not_used(tmp_path: Path) -> None:
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        store = over(HTTPFileSystem(use_listings_cache=True, skip_instance_cache=True))
        try:
            for count in (1, 2):
                (tmp_path / f"file-{count}").write_bytes(b"x")
                found = list(store.list(f"http://127.0.0.1:{server.server_port}", soon()))
                assert len(found) == count
        finally:
            store.close()
            server.shutdown()
            thread.join()


def test_who_lists_with_a_client_that_remembers_is_not_in_the_way_of_who_has_it_forget(tmp_path: Path) -> None:
    """One thread is told that a listing is there, and takes it; another has all forgotten in between."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    (tmp_path / "file").write_bytes(b"x")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made = HTTPFileSystem(use_listings_cache=True, skip_instance_cache=True)
        client, url = Client(Target("http", client=made)), f"http://127.0.0.1:{server.server_port}"
        asked = []

        class Forgotten(DirCache):
            def __contains__(self, item: str) -> bool:
                there = bool(super().__contains__(item))
                if there:
                    asked.append(item)
                    forgetting = Thread(target=client.forget, args=(url,))
                    forgetting.start()
                    forgetting.join()
                return there

        made.dircache = Forgotten()
        try:
            listed = made.ls(url)
            assert made.ls(url) == listed
            assert asked == [url]
            sync(made.loop, asyncio.sleep, 0)
            assert not len(made.dircache), "it is forgotten all the same"
        finally:
            client.close()
            server.shutdown()
            thread.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
