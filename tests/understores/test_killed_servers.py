"""Servers that are killed in mid-read and in mid-write, and started again: no wrong byte, and whole files."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional
from uuid import uuid4

import fsspec
import pytest
from attrs import define

from alluxiofs.interfaces import UnderStore
from alluxiofs.testing._files import content, get, put, soon
from alluxiofs.testing.guards import at_once
from tests import oss_front
from tests.servers import GcsServer, S3Server, free_port, program, started
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

MIB = 2**20
DATA = content(MIB) * 24
SMALL = DATA[:1000]
NEW = bytes(reversed(DATA))
PIECE = MIB


@define
class Killable:
    """A server, how it is killed, and how it is started again, with what it has stored."""

    protocol: str
    options: Dict[str, Any]
    start: Callable[[], ContextManager[subprocess.Popen[bytes]]]
    process: subprocess.Popen[bytes]
    _running: contextlib.ExitStack

    def kill(self) -> None:
        """As a machine that loses its power."""
        self.process.kill()
        self.process.wait(60)

    def revive(self) -> None:
        """At the same address."""
        self.process = self._running.enter_context(self.start())


@contextlib.contextmanager
def killable_s3(folder: Path) -> Iterator[Killable]:
    (folder / "data").mkdir()
    server = S3Server("127.0.0.1", free_port(), "tester", "tester-secret")
    command = [program("versitygw"), "--port", f"{server.host}:{server.port}", "posix", str(folder / "data")]
    secrets = {"ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret}

    def start() -> ContextManager[subprocess.Popen[bytes]]:
        return started(command, server.port, folder / "log", environment=secrets)

    with contextlib.ExitStack() as running:
        yield Killable("s3", server.options, start, running.enter_context(start()), running)


@contextlib.contextmanager
def killable_gs(folder: Path) -> Iterator[Killable]:
    server = GcsServer("127.0.0.1", free_port())
    command = [program("fake-gcs-server"), "-scheme", "http", "-host", server.host, "-port", str(server.port)]
    command += ["-public-host", f"{server.host}:{server.port}", "-external-url", server.endpoint, "-log-level", "error"]
    command += ["-backend", "filesystem", "-filesystem-root", str(folder / "data")]

    def start() -> ContextManager[subprocess.Popen[bytes]]:
        return started(command, server.port, folder / "log")

    with contextlib.ExitStack() as running:
        yield Killable("gs", server.options, start, running.enter_context(start()), running)


@contextlib.contextmanager
def killable_oss(folder: Path) -> Iterator[Killable]:
    with killable_s3(folder) as behind:
        host, _, port = behind.options["endpoint_url"].rpartition("/")[2].partition(":")
        upstream = S3Server(host, int(port), behind.options["key"], behind.options["secret"])
        with oss_front.running(upstream) as front:
            behind.protocol, behind.options = "oss", dict(front.options)
            yield behind


KINDS = {"s3": killable_s3, "gs": killable_gs, "oss": killable_oss}


@pytest.fixture(params=list(KINDS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Killable]:
    with KINDS[request.param](tmp_path) as found:
        yield found


@pytest.fixture
def straight(server: Killable) -> Iterator[UnderStore]:
    """The store seen by another client."""
    store = make_store(server.protocol, server.options)
    yield store
    store.close()


@pytest.fixture
def path(straight: UnderStore) -> str:
    bucket = f"test-{uuid4().hex[:12]}"
    straight.make_directory(bucket, soon())
    put(straight, f"{bucket}/dir/file", DATA)
    return f"{bucket}/dir/file"


@pytest.fixture
def fs(server: Killable) -> Any:
    return fsspec.filesystem(
        "alluxiofs",
        target_protocol=server.protocol,
        target_options=server.options,
        page_store=None,
        metadata_ttl=0,
        deadline=20,
        timeout=10,
        skip_instance_cache=True,
    )


def test_killed_in_mid_read(server: Killable, fs: Any, path: str) -> None:
    with fs.open(path, block_size=PIECE, cache_options={"readahead": None}) as file:
        assert file.read(PIECE) == DATA[:PIECE]
        server.kill()
        file.seek(8 * PIECE)
        with pytest.raises((ConnectionError, TimeoutError)):
            file.read(PIECE)
        server.revive()
        file.seek(8 * PIECE)
        assert file.read() == DATA[8 * PIECE :]
    assert fs.cat_file(path) == DATA


def test_killed_in_mid_write(server: Killable, fs: Any, path: str, straight: UnderStore) -> None:
    with pytest.raises((ConnectionError, TimeoutError)):
        with fs.open(path, "wb") as file:
            file.write(NEW[: 16 * PIECE])
            server.kill()
            file.write(NEW[16 * PIECE :])
    server.revive()
    assert get(straight, straight.stat(path, soon())) == DATA, "the old file, whole"
    assert [entry.name for entry in straight.list(path.rpartition("/")[0], soon())] == [path]
    fs.pipe_file(path, NEW)
    assert get(straight, straight.stat(path, soon())) == NEW, "the same filesystem goes on"


def test_away_and_back_again(server: Killable, fs: Any, path: str, straight: UnderStore) -> None:
    """While it is away nothing is done, and everything says so; when it is back the same filesystem does it all."""
    folder = path.rpartition("/")[0]
    put(straight, path, SMALL)

    def append() -> None:
        with fs.open(path, "ab") as file:
            file.write(b"added")

    operations: List[Callable[[], object]] = [
        lambda: fs.info(path, refresh=True),
        lambda: fs.ls(folder, detail=False, refresh=True),
        lambda: fs.cat_file(path, 100, 200),
        append,
        lambda: fs.cp_file(path, f"{path}-copied"),
        lambda: fs.mv(path, f"{path}-moved"),
        lambda: fs.rm_file(path),
        lambda: fs.rm(folder, recursive=True),
    ]

    def fails(operation: Callable[[], object]) -> Callable[[], object]:
        def called() -> Optional[BaseException]:
            try:
                operation()
            except OSError as error:
                return error
            return None

        return called

    fs.info(path)
    server.kill()
    for error in at_once(*map(fails, operations)):
        assert isinstance(error, (ConnectionError, TimeoutError)), repr(error)
    server.revive()
    assert get(straight, straight.stat(path, soon())) == SMALL
    append()
    fs.cp_file(path, f"{path}-copied")
    fs.mv(path, f"{path}-moved")
    assert fs.cat(folder, recursive=True) == {f"{path}-copied": SMALL + b"added", f"{path}-moved": SMALL + b"added"}
    fs.rm(folder, recursive=True)
    assert not fs.exists(folder)
