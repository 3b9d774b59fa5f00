"""Stats and listings that one process has asked S3 for are warm in the others that share its page store."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from tests.faults import FaultProxy
from tests.servers import S3Server

TTL = 120.0
FILES = {f"part-{number}.bin": os.urandom(1000 + number) for number in range(12)}


def serve(connection: Connection, arguments: Dict[str, Any]) -> None:
    """A process with a filesystem, which does what it is told until it is told nothing more."""
    fs = AlluxioFileSystem(**arguments)
    while True:
        try:
            method, given, named = connection.recv()
        except EOFError:
            return
        try:
            answer = stat_until(fs, *given) if method == "stat_until" else getattr(fs, method)(*given, **named)
        except Exception as error:
            answer = error
        connection.send(answer)


def stat_until(fs: AlluxioFileSystem, path: str, done: str) -> int:
    """Ask for a path, what was asked before and what is there now, until there is a local file."""
    asked = 0
    while not os.path.exists(done):
        with contextlib.suppress(FileNotFoundError):
            fs.info(path, refresh=asked % 2 == 0)
            fs.ls(path.rpartition("/")[0], refresh=asked % 3 == 0)
        asked += 1
    return asked


class Process:
    """A filesystem in a process of its own."""

    def __init__(self, arguments: Dict[str, Any]) -> None:
        context: Any = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=serve, args=(there, arguments), daemon=True)
        self._process.start()
        there.close()

    def begin(self, method: str, *given: Any, **named: Any) -> None:
        self._here.send((method, given, named))

    def end(self) -> Any:
        assert self._here.poll(100)
        answer = self._here.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __call__(self, method: str, *given: Any, **named: Any) -> Any:
        self.begin(method, *given, **named)
        return self.end()

    def close(self) -> None:
        self._here.close()
        self._process.join(60)
        assert self._process.exitcode == 0


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    """Counts the requests."""
    with contextlib.closing(FaultProxy(s3_server.host, s3_server.port)) as proxy:
        yield proxy


@pytest.fixture
def folder(s3_bucket: str, s3_client: Any) -> str:
    """A folder with files in it."""
    for name, content in FILES.items():
        s3_client.pipe_file(f"{s3_bucket}/data/{name}", content)
    return f"{s3_bucket}/data"


@pytest.fixture
def arguments(s3_server: S3Server, proxy: FaultProxy, tmp_path: Path) -> Dict[str, Any]:
    return {
        "target_protocol": "s3",
        "target_options": s3_server.options_at(f"http://{proxy.host}:{proxy.port}"),
        "page_store": {"name": "disk", "path": str(tmp_path / "pages"), "capacity": "64MB"},
        "metadata_ttl": TTL,
    }


@pytest.fixture
def start(arguments: Dict[str, Any]) -> Iterator[Callable[..., Process]]:
    """Starts processes, and ends them."""
    processes: List[Process] = []

    def make(**changed: Any) -> Process:
        processes.append(Process({**arguments, **changed}))
        return processes[-1]

    yield make
    for process in processes:
        process.close()


def look(process: Callable[..., Any], folder: str) -> Any:
    """All that a job asks for before and while it reads."""
    return (
        process("ls", folder, detail=True),
        process("find", folder, detail=True),
        process("info", folder),
        process("info", f"{folder}/part-3.bin"),
        {name: process("cat_file", f"{folder}/{name}") for name in FILES},
    )


def test_a_second_process_asks_for_nothing(start: Callable[..., Process], proxy: FaultProxy, folder: str) -> None:
    first, second = start(), start()
    seen = look(first, folder)
    assert len(proxy.requests) >= 2 + len(FILES)
    assert seen[-1] == FILES
    proxy.clear()
    assert look(second, folder) == seen
    assert proxy.requests == ()
    second("ls", folder, refresh=True)
    assert len(proxy.requests) == 1


def test_files_that_were_opened_by_name_are_warm_too(
    start: Callable[..., Process], proxy: FaultProxy, folder: str
) -> None:
    first, second = start(), start()
    for name in FILES:
        first("cat_file", f"{folder}/{name}")
    proxy.clear()
    assert {name: second("cat_file", f"{folder}/{name}") for name in FILES} == FILES
    assert proxy.requests == ()


def test_a_forked_child_asks_for_nothing(arguments: Dict[str, Any], proxy: FaultProxy, folder: str) -> None:
    fs = AlluxioFileSystem(**arguments, skip_instance_cache=True)
    names = fs.ls(folder)
    proxy.clear()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert fs.ls(folder) == names
            assert fs.info(names[0])["size"] == len(FILES["part-0.bin"])
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert proxy.requests == ()


def test_what_another_process_changes_is_seen_when_its_call_returns(
    start: Callable[..., Process], folder: str, s3_client: Any
) -> None:
    """Not a promise for ever so long at work, but what a job of several steps relies on: whoever is started after a
    write, and has not looked yet, sees it."""
    looker, writer, new = start(), start(), start()
    look(looker, folder)
    writer("pipe_file", f"{folder}/part-3.bin", b"another content")
    writer("rm_file", f"{folder}/part-4.bin")
    writer("pipe_file", f"{folder}/below/more.bin", b"more")
    assert new("cat_file", f"{folder}/part-3.bin") == b"another content"
    assert new("info", f"{folder}/part-3.bin")["size"] == 15
    with pytest.raises(FileNotFoundError):
        new("info", f"{folder}/part-4.bin")
    expected = sorted([*(f"{folder}/{name}" for name in FILES if name != "part-4.bin"), f"{folder}/below"])
    assert new("ls", folder) == expected
    assert new("find", folder) == sorted([*expected[1:], f"{folder}/below/more.bin"])
    # One that has looked believes it for its time to live, unless it is told not to.
    assert looker("info", f"{folder}/part-3.bin")["size"] == len(FILES["part-3.bin"])
    assert looker("info", f"{folder}/part-3.bin", refresh=True)["size"] == 15
    writer("rm", folder, recursive=True)
    last = start()
    assert not last("exists", f"{folder}/part-3.bin")


@pytest.mark.timeout(240)
def test_own_writes_are_read_back_while_others_look_all_the_time(
    start: Callable[..., Process], arguments: Dict[str, Any], s3_server: S3Server, folder: str, tmp_path: Path
) -> None:
    direct = {**arguments, "target_options": s3_server.options}
    path, done = f"{folder}/ours.bin", tmp_path / "done"
    fs = AlluxioFileSystem(**direct, skip_instance_cache=True)
    fs.pipe_file(path, b"at first")
    others = [start(**direct) for _ in range(2)]
    for other in others:
        other("exists", folder)  # it has begun
    for other in others:
        other.begin("stat_until", path, str(done))
    try:
        for number in range(200):
            content = b"%d" % number * (1 + number % 3)
            fs.pipe_file(path, content)
            assert fs.cat_file(path) == content
            sizes = {info["name"]: info["size"] for info in fs.ls(folder, detail=True)}
            assert sizes[path] == len(content)
            if number % 10 == 0:
                fs.rm_file(path)
                assert not fs.exists(path)
                assert path not in fs.ls(folder)
    finally:
        done.touch()
        looked = [other.end() for other in others]
    assert min(looked) > 10


def test_a_note_is_believed_for_the_time_to_live_of_whoever_reads_it(
    start: Callable[..., Process], proxy: FaultProxy, folder: str
) -> None:
    first, second = start(), start(metadata_ttl=5)
    second("exists", folder)  # it has begun
    before = time.monotonic()
    first("ls", folder)
    after = time.monotonic()
    proxy.clear()
    believed = 0
    while True:
        begun = time.monotonic()
        second("ls", folder)
        if proxy.requests:
            break
        believed += 1
        assert begun < after + 5
        time.sleep(0.02)
    assert believed
    assert time.monotonic() >= before + 5


def test_whoever_has_other_credentials_is_answered_by_the_store_alone(
    start: Callable[..., Process], arguments: Dict[str, Any], folder: str
) -> None:
    first = start()
    look(first, folder)
    stranger = start(target_options={**arguments["target_options"], "secret": "wrong"})
    for method, path in (("ls", folder), ("info", f"{folder}/part-3.bin"), ("cat_file", f"{folder}/part-3.bin")):
        with pytest.raises(PermissionError):
            stranger(method, path)
