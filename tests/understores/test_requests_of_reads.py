"""What a small read costs at the server: cold at most one request more than by the bare client, warm none.

HDFS has two more: it reads on no condition, so the NameNode is asked what the file is before and after its bytes come,
and the client tells neither when it opens a file.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Callable, Dict, Iterator, List
from uuid import uuid4

import fsspec
import pytest
from attrs import define

from tests.faults import FaultProxy
from tests.servers import GcsServer, HdfsServer, S3Server

DATA = bytes(range(256)) * 32  # 8 kB
WITHIN = 60.0


@define(frozen=True)
class Place:
    """Somewhere to read from.

    Parameters
    ----------
    protocol, options:
        By way of what counts.
    client:
        The bare one, by the same way.
    folder:
        A directory of the test's own.
    count:
        Requests at the server so far.
    more:
        Requests that a cold read may take beyond those of the bare client.
    """

    protocol: str
    options: Dict[str, Any]
    client: Any
    folder: str
    count: Callable[[], int]
    more: int = 1


class CountingProxy:
    """Goes between a client of HDFS and the NameNode, and counts calls: frames that begin with their length."""

    def __init__(self, server: HdfsServer) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.calls = 0
        self._sockets: List[socket.socket] = [self._listener]
        self._start(self._accept)

    def close(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @staticmethod
    def _start(work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection((self._server.host, self._server.port), timeout=WITHIN)
                self._sockets += [client, server]
                self._start(self._calls, client, server)
                self._start(self._answers, server, client)

    def _calls(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), client.makefile("rb") as stream:
            server.sendall(stream.read(7))  # the name of the protocol, its version, …
            while True:
                length = stream.read(4)
                frame = stream.read(int.from_bytes(length, "big"))
                if not length:
                    return
                self.calls += 1
                server.sendall(length + frame)

    @staticmethod
    def _answers(server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                block = server.recv(65536)
                if not block:
                    return
                client.sendall(block)


@contextlib.contextmanager
def s3(request: pytest.FixtureRequest, folder: str) -> Iterator[Place]:
    from s3fs import S3FileSystem

    server: S3Server = request.getfixturevalue("s3_server")
    with FaultProxy(server.host, server.port) as proxy:
        options = server.options_at(proxy.url())
        client = S3FileSystem(**options, skip_instance_cache=True, use_listings_cache=False)
        client.mkdir(folder)
        yield Place("s3", options, client, folder, proxy.count)


@contextlib.contextmanager
def gcs(request: pytest.FixtureRequest, folder: str) -> Iterator[Place]:
    core = pytest.importorskip("gcsfs.core", reason="gcsfs is not installed: pip install 'alluxiofs[gcs]'")
    server: GcsServer = request.getfixturevalue("gcs_server")
    with FaultProxy(server.host, server.port) as proxy:
        options = server.options_at(proxy.url())
        client = core.GCSFileSystem(**options, skip_instance_cache=True, use_listings_cache=False)
        client.mkdir(folder)
        yield Place("gs", options, client, folder, proxy.count)


@contextlib.contextmanager
def oss(request: pytest.FixtureRequest, folder: str) -> Iterator[Place]:
    library = pytest.importorskip("ossfs", reason="ossfs is not installed: pip install 'alluxiofs[oss]'")
    server = request.getfixturevalue("oss_server")
    with FaultProxy(server.host, server.port) as proxy:
        options = server.options_at(proxy.url())
        client = library.OSSFileSystem(**options, skip_instance_cache=True)  # without its memory of listings it fails
        client._get_bucket(folder).create_bucket()
        yield Place("oss", options, client, folder, proxy.count)


@contextlib.contextmanager
def hdfs(request: pytest.FixtureRequest, folder: str) -> Iterator[Place]:
    library = pytest.importorskip("hdfs_native.fsspec", reason="no hdfs-native: pip install 'alluxiofs[hdfs]'")
    with contextlib.closing(CountingProxy(request.getfixturevalue("hdfs_server"))) as proxy:
        options = {"host": "127.0.0.1", "port": proxy.port}
        client = library.HdfsFileSystem(**options, skip_instance_cache=True)
        client.makedirs(f"/{folder}")
        yield Place("hdfs", options, client, f"/{folder}", lambda: proxy.calls, more=2)


PLACES = {"s3": s3, "gcs": gcs, "oss": oss, "hdfs": hdfs}


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param](request, f"test-{uuid4().hex[:12]}") as place:
        yield place


def cost(place: Place, work: Callable[[], Any]) -> int:
    """Requests that a read takes, which must be right."""
    before = place.count()
    assert work() == DATA
    return place.count() - before


@pytest.mark.parametrize(
    "read",
    [
        lambda fs, name: fs.cat_file(name),
        lambda fs, name: fs.cat_file(name, start=0, end=len(DATA)),
        lambda fs, name: fs.open(name).read(),
    ],
    ids=["whole", "range", "file"],
)
def test_a_cold_small_read_takes_a_request_more_at_most_and_a_warm_one_none(
    place: Place, read: Callable[[Any, str], bytes]
) -> None:
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol=place.protocol,
        target_options=place.options,
        page_store={"name": "memory", "capacity": "16MB"},
        metadata_ttl=10 * WITHIN,
        skip_instance_cache=True,
    )
    for name in ("first", "bare", "ours"):
        place.client.pipe_file(f"{place.folder}/{name}", DATA)
    for client in (place.client, fs):  # whatever it takes to connect
        assert client.cat_file(f"{place.folder}/first") == DATA
    bare = cost(place, lambda: read(place.client, f"{place.folder}/bare"))
    cold = cost(place, lambda: read(fs, f"{place.folder}/ours"))
    warm = cost(place, lambda: read(fs, f"{place.folder}/ours"))
    assert bare >= 1
    assert cold <= bare + place.more
    assert warm == 0
