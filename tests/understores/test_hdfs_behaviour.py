"""HDFS: what its permissions, names, times and failures become."""

from __future__ import annotations

import functools
import gc
import importlib
import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterable, Iterator
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.errors import ConfigurationError, FileChangedError, InvalidPathError, TemporaryError
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins._fsspec import datanodes
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_hdfs import HdfsUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import no_io
from tests.servers import HdfsServer, free_port
from tests.understores.canary import Seen
from tests.understores.forked import ended, forks
from tests.understores.needed import needed

needed("hdfs_native", "hdfs", since=(3, 9))


def make(options: Any, client: Any = None) -> HdfsUnderStore:
    return HdfsUnderStore(Target("hdfs", options, client), HdfsUnderStore.Settings(), make_context())


def soon() -> Deadline:
    return Deadline.after(60)


def put(store: UnderStore, name: str, data: bytes) -> Entry:
    writer = store.create(name)
    writer.write(memoryview(data))
    writer.commit()
    return store.stat(name, soon())


def get(store: UnderStore, entry: Entry) -> bytes:
    target = bytearray(entry.size or 0)
    store.read_into(entry.name, entry.version, 0, memoryview(target), soon())
    return bytes(target)


@pytest.fixture
def client(hdfs_server: HdfsServer) -> Any:
    """hdfs-native itself, to see the store with other eyes."""
    from hdfs_native.fsspec import HdfsFileSystem

    return HdfsFileSystem(**hdfs_server.options, skip_instance_cache=True)


@pytest.fixture
def store(hdfs_server: HdfsServer) -> Iterator[UnderStore]:
    store = make(hdfs_server.options)
    yield store
    store.close()


@pytest.fixture
def folder(client: Any) -> str:
    name = f"/test-{uuid4().hex[:12]}"
    client.mkdir(name)
    return name


def test_what_a_user_may_not_do_is_a_permission_error(
    store: UnderStore, folder: str, hdfs_server: HdfsServer, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = put(store, f"{folder}/private/file", b"content")
    client.client.set_permission(f"{folder}/private", 0o700)
    monkeypatch.setenv("HADOOP_USER_NAME", "mallory")
    other = make(hdfs_server.options)
    for call in (
        lambda: other.stat(entry.name, soon()),
        lambda: list(other.list(f"{folder}/private", soon())),
        lambda: get(other, entry),
        lambda: other.remove(entry.name, soon()),
        lambda: other.move(entry.name, f"{folder}/other", soon()),
        lambda: put(other, f"{folder}/new", b"x"),
        lambda: other.make_directory(f"{folder}/new", soon()),
    ):
        with pytest.raises(PermissionError, match="user=mallory.*AccessControlException"):
            call()
    other.close()
    assert get(store, entry) == b"content"


def test_a_server_that_is_not_there_is_a_failure_within_the_deadline() -> None:
    store = make({"host": "127.0.0.1", "port": free_port()})
    started = time.monotonic()
    with pytest.raises(TemporaryError):
        store.stat("/file", Deadline.after(1))
    assert time.monotonic() - started < 30


def test_a_file_that_was_appended_to_is_another_version(store: UnderStore, folder: str, client: Any) -> None:
    entry = put(store, f"{folder}/file", b"one,")
    with client.client.append(entry.name) as file:
        file.write(b"two,")
    with pytest.raises(FileChangedError):
        get(store, entry)
    assert get(store, store.stat(entry.name, soon())) == b"one,two,"


def test_a_file_that_is_replaced_stays_whole_for_who_reads_it(store: UnderStore, folder: str) -> None:
    data = bytes(range(256)) * 40_000
    entry = put(store, f"{folder}/file", data)
    writer = store.create(entry.name)
    writer.write(memoryview(bytes(len(data))))
    assert get(store, entry) == data
    writer.commit()
    with pytest.raises(FileChangedError):
        get(store, entry)


def test_a_copy_keeps_time_and_mode_if_asked_to(store: UnderStore, folder: str, client: Any) -> None:
    entry = put(store, f"{folder}/file", b"content")
    client.client.set_permission(entry.name, 0o640)
    client.client.set_times(entry.name, 1_600_000_000_123, 1_600_000_000_123)
    store.copy(entry.name, f"{folder}/kept", soon())
    store.copy(entry.name, f"{folder}/new", soon(), preserve=False)
    kept, new = store.stat(f"{folder}/kept", soon()), store.stat(f"{folder}/new", soon())
    assert (kept.mode, kept.modified) == (0o640, 1_600_000_000.123)
    assert abs((new.modified or 0) - time.time()) < 60


def test_an_existing_file_can_be_touched(store: UnderStore, folder: str, client: Any) -> None:
    entry = put(store, f"{folder}/file", b"content")
    client.client.set_times(entry.name, 1_600_000_000_123, 1_600_000_000_123)
    store.touch(entry.name, soon(), truncate=False)
    touched = store.stat(entry.name, soon())
    assert touched.size == 7
    assert abs((touched.modified or 0) - time.time()) < 60


def test_a_file_is_no_directory(store: UnderStore, folder: str) -> None:
    put(store, f"{folder}/file", b"x")
    with pytest.raises(NotADirectoryError):
        put(store, f"{folder}/file/below", b"y")
    with pytest.raises(OSError, match="into itself"):
        store.move(folder, f"{folder}/below", soon())


def test_a_url_names_a_file_of_its_own_host_only(hdfs_server: HdfsServer) -> None:
    store = make(hdfs_server.options)
    authority = f"{hdfs_server.host}:{hdfs_server.port}"
    for path in (f"hdfs://{authority}/a/b", "hdfs:///a/b", "HDFS:///a/b", "/a//b/"):
        assert store.strip(path) == "/a/b"
    assert store.url("/a b") == f"hdfs://{authority}/a b"
    for path, said in (("hdfs://elsewhere:8020/a/b", "elsewhere"), ("/a:b", "colon"), ("/a\udc80", "Unicode")):
        with pytest.raises(InvalidPathError, match=said):
            store.strip(path)


def test_making_one_opens_nothing_and_finds_mistakes(hdfs_server: HdfsServer) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    with no_io():
        store = make({"host": "namenode", "port": 8020})
        assert store.identity() != make({"host": "other", "port": 8020}).identity()
    with pytest.raises(ConfigurationError, match="under_store='fsspec'"):
        make({}, MemoryFileSystem())
    with pytest.raises(ConfigurationError, match="settings of Hadoop are text"):
        make({**hdfs_server.options, "dfs.replication": 1}).stat("/", soon())


@forks
def test_a_ready_client_is_made_anew_in_a_forked_child(folder: str, client: Any) -> None:
    parent = make({}, client)
    put(parent, f"{folder}/file", b"content")
    assert ended(lambda: make({}, client).stat(f"{folder}/file", Deadline.after(60)).size == 7)


@forks
def test_a_forked_child_can_drop_what_is_its_parents(folder: str, hdfs_server: HdfsServer) -> None:
    stores = [make(hdfs_server.options)]
    put(stores[0], f"{folder}/file", b"content")

    def drop() -> bool:
        stores.clear()
        gc.collect()
        store = make(hdfs_server.options)
        return store.stat(f"{folder}/file", Deadline.after(60)).size == 7

    assert ended(drop)


@forks
@pytest.mark.parametrize("kind", ["hdfs", "hdfs, imported in the child", "any"])
def test_parent_and_child_read_at_the_same_time(folder: str, client: Any, kind: str) -> None:
    """The library keeps connections for whoever reads next, and a child has copies of them. The parent reads without
    a pause: what the child does to its copies comes in the middle of something."""
    piece = 64 * 1024
    put(make({}, client), f"{folder}/file", b"".join(bytes([number]) * piece for number in range(40)))

    def reads(numbers: Iterable[int]) -> Iterator[bool]:
        target = Target("hdfs", {}, client)
        own: UnderStore = make({}, client)
        if kind == "any":
            own = FsspecUnderStore(target, FsspecUnderStore.Settings(), make_context())
        entry, view = own.stat(f"{folder}/file", soon()), memoryview(bytearray(piece))
        for number in numbers:
            own.read_into(entry.name, entry.version, number * piece, view, soon())
            yield view == bytes([number]) * piece

    def reads_in_child() -> bool:
        if kind == "hdfs, imported in the child":
            importlib.reload(datanodes)
        return all(reads(range(30, 40)))

    assert all(reads(range(4)))
    found, stop = [], threading.Event()
    here = reads(itertools.cycle([5, 6, 7]))
    found.append(next(here))

    def read_on() -> None:
        while not stop.is_set() or len(found) <= 5:  # however quick the child is, and however late this thread begins
            found.append(next(here))

    parent = threading.Thread(target=read_on)
    parent.start()
    try:
        assert ended(reads_in_child)
    finally:
        stop.set()
        parent.join()
    assert all(found)
    assert len(found) > 5


HALF_IMPORTED = """
import os, sys
from types import ModuleType
import alluxiofs.plugins._hdfs.client
sys.modules["hdfs_native"] = ModuleType("hdfs_native")
child = os.fork()
if child == 0:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


@forks
def test_a_fork_while_the_library_is_imported() -> None:
    """By another thread: it is there by then, and has nothing in it yet. In a process of its own, which has none of the
    library's objects: no fork would find those."""
    done = subprocess.run([sys.executable, "-c", HALF_IMPORTED], stderr=subprocess.PIPE, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_that_a_write_has_failed_of_is_given_up(
    store: UnderStore, folder: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hdfs_native

    # Small blocks, for the NameNode is asked for each.
    monkeypatch.setattr(hdfs_native, "WriteOptions", functools.partial(hdfs_native.WriteOptions, block_size=2**20))
    old = put(store, f"{folder}/file", b"old")
    made, block = store.create(old.name), memoryview(bytes(4 * 2**20))
    made.write(block)
    (partial,) = (path for path in client.ls(folder, detail=False) if path != old.name)
    client.rm(partial)
    with pytest.raises(OSError, match="does not exist"):
        for _ in range(5):
            made.write(block)
    with pytest.raises(ValueError, match="given up"):
        made.write(block)
    with pytest.raises(ValueError, match="committed once"):
        made.commit()
    assert get(store, old) == b"old"
    assert client.ls(folder, detail=False) == [old.name]


def test_secrets_are_seen_nowhere(
    hdfs_server: HdfsServer,
    folder: str,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """HDFS asks for none of ours: what is given in Hadoop's settings, or is in a file of tokens, stays where it is."""
    canary, seen = "canary-7f3a91", Seen(caplog)
    (tmp_path / "tokens").write_text(f"{canary}-token")
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", str(tmp_path / "tokens"))
    for user in (None, "mallory"):
        if user is not None:
            monkeypatch.setenv("HADOOP_USER_NAME", user)
        options = {**hdfs_server.options, "hadoop.security.credstore.password": f"{canary}-of-{user}"}
        made = {"target_protocol": "hdfs", "target_options": options, "skip_instance_cache": True, "retries": 0}
        seen.use(fsspec.filesystem("alluxiofs", page_store=None, **made), folder)
    assert seen.errors == 3, "what is not there, twice, and what mallory may not write"
    seen.check(canary)
