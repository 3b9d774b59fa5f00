"""Real servers for tests: started once a session on a free port of the loopback interface, ended by process id."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, Iterator, NoReturn, Optional, Sequence
from uuid import uuid4

import pytest
from attrs import define

__all__ = [
    "HdfsServer",
    "S3Server",
    "free_port",
    "program",
    "running_hdfs",
    "s3_bucket",
    "s3_client",
    "s3_server",
    "slow_way",
    "started",
]

_PORTS = range(15_000, 32_000)  # below what systems hand out to clients, so that nobody gets one by chance
_KEPT: Deque[socket.socket] = deque()
_MOST_KEPT = 256
_START = 60.0  # seconds: a server is there in one, and on a machine that is busy with other things in some more
_START_OF_JAVA = 90.0
_HADOOP = "hadoop-3.4.1"


@define(frozen=True)
class S3Server:
    """A running S3 server, and what a client needs to speak to it."""

    host: str
    port: int
    key: str
    secret: str

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def options(self) -> Dict[str, Any]:
        """Options for ``s3fs``."""
        return self.options_at(self.endpoint)

    def options_at(self, endpoint: str) -> Dict[str, Any]:
        """Options for ``s3fs`` that reach the server by way of another address."""
        return {
            "key": self.key,
            "secret": self.secret,
            "endpoint_url": endpoint,
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }


@define(frozen=True)
class GcsServer:
    """A running GCS server, and what a client needs to speak to it."""

    host: str
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def options(self) -> Dict[str, Any]:
        """Options for ``gcsfs``."""
        return self.options_at(self.endpoint)

    def options_at(self, endpoint: str) -> Dict[str, Any]:
        """Options for ``gcsfs`` that reach the server by way of another address."""
        return {"project": "test", "token": "anon", "endpoint_url": endpoint}


@define(frozen=True)
class HdfsServer:
    """A running NameNode with one DataNode."""

    host: str
    port: int

    @property
    def options(self) -> Dict[str, Any]:
        """Options for ``hdfs_native.fsspec``."""
        return {"host": self.host, "port": self.port}


def program(name: str) -> str:
    """Where a server's program is; the test is skipped without it, but fails in CI."""
    installed = servers_folder() / "bin" / name
    found = str(installed) if installed.is_file() else shutil.which(name)
    return found if found is not None else missing(f"{name} is not installed: scripts/install-servers.sh builds it")


def missing(message: str) -> NoReturn:
    """Skip the test, and say why; fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def servers_folder() -> Path:
    """Where ``scripts/install-servers.sh`` puts what it fetches and builds."""
    return Path(os.environ.get("ALLUXIOFS_SERVERS") or Path.home() / ".cache" / "alluxiofs-servers")


def free_port() -> int:
    """A port that nobody listens on, and nobody is given a second time: not by this process, nor by another one.

    A server can have it, and as long as none has, connections to it are refused.
    """
    for port in random.sample(_PORTS, 200):
        kept = socket.socket()
        try:
            kept.bind(("127.0.0.1", port))
        except OSError:
            kept.close()
            continue
        if sys.platform == "linux":
            # Bound and not listening it keeps the port from all who look for a free one, here and in
            # `tests.faults` and the stand-in workers. Servers ask for this option, too, and may have it all the same.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _KEPT.append(kept)
            if len(_KEPT) > _MOST_KEPT:
                _KEPT.popleft().close()
        else:
            kept.close()
        return port
    raise RuntimeError("no free port found")


@atexit.register
def _give_back() -> None:
    while _KEPT:
        _KEPT.pop().close()


@contextlib.contextmanager
def started(
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    patience: float = _START,
    environment: Optional[Dict[str, str]] = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on ``port`` once this is entered, and is gone once it is left."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **(environment or {})}
        )
    try:
        _wait_until_it_listens(process, port, log, patience)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended at once:\n{log.read_text(errors='replace')}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        if time.monotonic() > end:
            raise RuntimeError(f"the server does not listen after {patience:g} s:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


@contextlib.contextmanager
def slow_way(port: int, latency: int, folder: Path) -> Iterator[int]:
    """A port of this machine by which a server is reached whose answers take their time (toxiproxy).

    Parameters
    ----------
    port:
        The server's.
    latency:
        Milliseconds that each answer is late; how much comes in a second stays as it is.
    folder:
        For the log.
    """
    command = [program("toxiproxy-server"), "-host", "127.0.0.1"]
    control, near = free_port(), free_port()
    with started([*command, "-port", str(control)], control, folder / "toxiproxy.log"):
        way = {"name": "way", "listen": f"127.0.0.1:{near}", "upstream": f"127.0.0.1:{port}"}
        late = {"type": "latency", "stream": "downstream", "attributes": {"latency": latency, "jitter": 0}}
        for path, document in (("proxies", way), ("proxies/way/toxics", late)):
            url = f"http://127.0.0.1:{control}/{path}"
            with urllib.request.urlopen(urllib.request.Request(url, json.dumps(document).encode())) as answer:
                answer.read()
        yield near


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """versitygw, over a folder."""
    executable = program("versitygw")
    folder = tmp_path_factory.mktemp("versitygw")
    (folder / "data").mkdir()
    server = S3Server("127.0.0.1", free_port(), "tester", "tester-secret")
    command = [executable, "--port", f"{server.host}:{server.port}", "--keep-alive", "posix", str(folder / "data")]
    # The secret goes by the environment: command lines are there for everybody to see.
    secrets = {"ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret}
    with started(command, server.port, folder / "log", environment=secrets):
        yield server


@pytest.fixture(scope="session")
def s3_client(s3_server: S3Server) -> Any:
    """s3fs itself, to see the store with other eyes than the code under test."""
    import s3fs

    return s3fs.S3FileSystem(**s3_server.options, skip_instance_cache=True, use_listings_cache=False)


@pytest.fixture
def s3_bucket(s3_client: Any) -> str:
    """A bucket of the test's own, with nothing in it; it goes with the server."""
    bucket = f"test-{uuid4().hex[:12]}"
    s3_client.mkdir(bucket)
    return bucket


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """MinIO, where ``x`` and ``x/y`` can both be keys, and objects have versions."""
    executable = program("minio")
    folder = tmp_path_factory.mktemp("minio")
    server = S3Server("127.0.0.1", free_port(), "tester", "tester-secret")
    console = f"{server.host}:{free_port()}"
    address = f"{server.host}:{server.port}"
    command = [executable, "server", "--quiet", "--address", address, "--console-address", console, str(folder)]
    secrets = {"MINIO_ROOT_USER": server.key, "MINIO_ROOT_PASSWORD": server.secret, "MINIO_UPDATE": "off"}
    with started(command, server.port, folder.parent / f"{folder.name}.log", environment=secrets):
        yield server


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    """fake-gcs-server, in memory."""
    executable = program("fake-gcs-server")
    folder = tmp_path_factory.mktemp("fake-gcs-server")
    server = GcsServer("127.0.0.1", free_port())
    command = [executable, "-scheme", "http", "-host", server.host, "-port", str(server.port), "-backend", "memory"]
    command += ["-public-host", f"{server.host}:{server.port}", "-external-url", server.endpoint, "-log-level", "error"]
    with started(command, server.port, folder / "log"):
        yield server


@pytest.fixture(scope="session")
def hdfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HdfsServer]:
    """A NameNode and a DataNode of Hadoop in one process: ten seconds to start, 300 MB."""
    server = HdfsServer("127.0.0.1", free_port())
    with running_hdfs(server, tmp_path_factory.mktemp("hdfs")):
        yield server


@contextlib.contextmanager
def running_hdfs(server: HdfsServer, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Hadoop at an address, with what is stored in a folder, once its DataNode has joined."""
    java = program("java")
    jars = servers_folder() / _HADOOP
    if not jars.is_dir():
        missing(f"{_HADOOP} is not installed: scripts/install-servers.sh fetches it")
    details = folder / "details"
    fresh = [] if details.is_file() else ["-format"]
    details.write_bytes(b"")
    command = [java, "-Xmx384m", "-XX:+UseSerialGC", f"-Dtest.build.data={folder}", "-cp", f"{jars}/*"]
    command += ["org.apache.hadoop.test.MiniDFSClusterManager", *fresh, "-writeDetails", str(details)]
    command += ["-nnport", str(server.port), "-httpport", str(free_port()), "-D", "dfs.replication=1"]
    with started(command, server.port, folder / "log", patience=_START_OF_JAVA) as process:
        end = time.monotonic() + _START_OF_JAVA
        while not details.stat().st_size:  # it is written when the DataNode has joined
            log = (folder / "log").read_text(errors="replace")
            assert process.poll() is None, f"HDFS ended:\n{log}"
            assert time.monotonic() < end, f"HDFS is not there after {_START_OF_JAVA:g} s:\n{log}"
            time.sleep(0.05)
        yield process
