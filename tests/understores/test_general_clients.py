"""Clients that cannot do all that is asked of an under store, and the one that serves them without losing a byte."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any, Dict, Iterator, Optional

import fsspec
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.implementations.tar import TarFileSystem

from alluxiofs.errors import ConfigurationError, FileChangedError, InvalidPathError, MissingExtraError, UnavailableError
from alluxiofs.interfaces import Deadline, Target, UnderStore
from alluxiofs.plugins._fsspec.versions import epoch
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.testing import make_context


def over(client: Any = None, protocol: str = "", options: Optional[Dict[str, Any]] = None) -> UnderStore:
    target = Target(protocol or "file", options or {}, client)
    return FsspecUnderStore(target, FsspecUnderStore.Settings(), make_context())


def write(store: UnderStore, name: str, data: bytes) -> None:
    writer = store.create(name)
    writer.write(memoryview(data))
    writer.commit()


def read(store: UnderStore, name: str) -> bytes:
    entry = store.stat(name, Deadline.after(60))
    view = memoryview(bytearray(entry.size or 0))
    store.read_into(name, entry.version, 0, view, Deadline.after(60))
    return bytes(view)


class NoReplacing(LocalFileSystem):
    """Its rename refuses a name that is taken, as SMB's does."""

    protocol = "noreplacing"
    cachable = False
    breaks_at = 0
    moves = 0

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        if os.path.exists(path2):
            raise FileExistsError(17, "it exists", path2)
        self.moves += 1
        if self.moves == self.breaks_at:
            raise ConnectionResetError("connection lost")
        os.rename(path1, path2)


class NoMoving(LocalFileSystem):
    """It moves by copying, and can lose its connection in the middle of that."""

    protocol = "nomoving"
    cachable = False
    mv = AbstractFileSystem.mv
    breaks_at = 0
    copies = 0

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        self.copies += 1
        if self.copies == self.breaks_at:
            Path(path2).write_bytes(Path(path1).read_bytes()[:2])
            raise ConnectionResetError("connection lost")
        shutil.copyfile(path1, path2)


@pytest.mark.parametrize("kind", [NoReplacing, NoMoving])
def test_a_file_is_replaced_without_a_rename_that_replaces(kind: Any, tmp_path: Path) -> None:
    name = str(tmp_path / "file")
    store = over(kind())
    write(store, name, b"old")
    write(store, name, b"newer")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"newer"}


@pytest.mark.parametrize("kind", [NoReplacing, NoMoving])
@pytest.mark.parametrize("step", [1, 2])
def test_a_connection_lost_while_a_file_is_replaced_leaves_the_old_one(kind: Any, step: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old content")
    client = kind()
    client.breaks_at = step
    with pytest.raises(ConnectionResetError):
        write(over(client), str(tmp_path / "file"), b"new content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old content"}


def test_a_file_does_not_take_the_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_bytes(b"1")
    with pytest.raises(IsADirectoryError):
        over(NoReplacing()).move(str(tmp_path / "file"), str(tmp_path / "directory"), Deadline.after(60))
    assert (tmp_path / "file").read_bytes() == b"1"


def packed(path: Path, content: bytes) -> str:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("file")
        member.size, member.mtime = len(content), 1_000_000_000
        archive.addfile(member, BytesIO(content))
    return str(path)


def test_what_is_made_of_other_things_is_another_store(tmp_path: Path) -> None:
    inner = [DirFileSystem(path=str(tmp_path / name), fs=LocalFileSystem()) for name in "ab"]
    stores = [
        *(over(DirFileSystem(str(tmp_path / name), LocalFileSystem())) for name in "ab"),
        *(over(DirFileSystem(path="x", fs=one)) for one in inner),
        *(over(TarFileSystem(packed(tmp_path / f"{name}.tar", b"1"))) for name in "ab"),
        *(over(protocol="tar", options={"fo": str(tmp_path / "a.tar")}) for _ in range(2)),
        over(DirFileSystem("/x", MemoryFileSystem())),
    ]
    assert len({store.identity() for store in stores}) == len(stores)


def test_equal_arguments_are_one_store_however_they_are_given(tmp_path: Path) -> None:
    by_place = DirFileSystem(str(tmp_path), LocalFileSystem())
    by_name = DirFileSystem(fs=LocalFileSystem(), path=str(tmp_path))
    assert over(by_place).identity() == over(by_name).identity()


def test_nothing_is_kept_of_an_archive_that_may_be_rewritten(tmp_path: Path) -> None:
    store = over(protocol="tar", options={"fo": packed(tmp_path / "a.tar", b"123")})
    assert not store.stat("file", Deadline.after(60)).version.tells
    assert read(store, "file") == b"123"


@pytest.mark.parametrize("ready", [True, False])
def test_a_directory_of_a_synchronous_client(ready: bool, tmp_path: Path) -> None:
    options = {"path": str(tmp_path), "target_protocol": "file"}
    store = over(DirFileSystem(str(tmp_path), LocalFileSystem())) if ready else over(protocol="dir", options=options)
    write(store, "file", b"content")
    assert read(store, "file") == b"content"
    assert [entry.name for entry in store.list("", Deadline.after(60))] == ["file"]


@pytest.mark.parametrize("protocol", ["simplecache", "filecache", "blockcache"])
def test_a_cache_in_front_of_a_client_is_refused(protocol: str, tmp_path: Path) -> None:
    cache = fsspec.filesystem(protocol, fs=MemoryFileSystem(), cache_storage=str(tmp_path))
    for client in (cache, DirFileSystem("/", cache)):
        with pytest.raises(ConfigurationError, match="page_store"):
            over(client)
    with pytest.raises(ConfigurationError, match="page_store"):
        over(protocol=protocol, options={"target_protocol": "memory"})


class HandsOver(MemoryFileSystem):
    """Its listings pass through its memory of listings, as adlfs's of containers do."""

    protocol = "handsover"
    cachable = False

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        if path not in self.dircache:
            self.dircache[path] = super().ls(path, detail=True, **options)
        return self.dircache[path]


def test_a_client_that_lists_by_its_memory_lists_what_is_there_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    fsspec.register_implementation("handsover", HandsOver, clobber=True)
    store = over(protocol="handsover")
    for names in (["/a"], ["/a", "/b"]):
        MemoryFileSystem().pipe_file(names[-1], b"x")
        assert sorted(entry.name for entry in store.list("", Deadline.after(60))) == names


@pytest.mark.parametrize("name", ["/dir/what?x=1", "/dir/what?", "/dir/what#"], ids=["query", "question", "number"])
def test_what_a_client_takes_off_a_url_is_not_left_out_of_a_name(name: str) -> None:
    store = over(protocol="ftp", options={"host": "127.0.0.1"})
    assert store.strip(name) == name
    with pytest.raises(InvalidPathError, match="what"):
        store.strip(f"ftp://127.0.0.1{name}")


def test_a_name_is_right_where_the_client_completes_it_with_an_odd_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "what? #1"
    folder.mkdir()
    (folder / "file").write_bytes(b"x")
    monkeypatch.chdir(folder)
    store = over(protocol="file")
    assert read(store, store.strip("file")) == b"x"


@pytest.mark.parametrize("place", ["127.0.0.1/what?", "other/file"])
def test_a_path_that_is_refused_is_shown_without_its_password(place: str) -> None:
    store = over(protocol="ftp", options={"host": "127.0.0.1"})
    with pytest.raises(InvalidPathError) as caught:
        store.strip(f"ftp://somebody:sesame@{place}")
    assert "sesame" not in str(caught.value)


class WholeSeconds(LocalFileSystem):
    """It tells times as FTP and SFTP do."""

    protocol = "wholeseconds"
    cachable = False

    def info(self, path: str, **options: Any) -> Dict[str, Any]:
        found = super().info(path, **options)
        return {"name": found["name"], "size": found["size"], "type": found["type"], "mtime": int(found["mtime"])}


def test_a_file_overwritten_within_a_second_is_not_mixed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    store = over(WholeSeconds())
    file.write_bytes(b"A" * 100)
    version = store.stat(str(file), Deadline.after(60)).version
    view = memoryview(bytearray(50))
    store.read_into(str(file), version, 0, view, Deadline.after(60))
    file.write_bytes(b"B" * 100)
    with pytest.raises(FileChangedError):
        store.read_into(str(file), version, 50, view, Deadline.after(60))


def test_an_older_file_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"A" * 100)
    os.utime(file, (1_000_000_000, 1_000_000_000))
    took = []
    for _ in range(5):  # the quickest: what it costs, and not what else the machine does
        began = time.monotonic()
        assert read(over(WholeSeconds()), str(file)) == b"A" * 100
        took.append(time.monotonic() - began)
    assert min(took) < 0.9


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def http() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, FileNotFoundError), (410, FileNotFoundError), (403, PermissionError), (503, UnavailableError)],
)
def test_a_server_that_fails_has_not_lost_the_file(http: str, status: int, kind: Any) -> None:
    store = over(protocol="http")
    with pytest.raises(kind):
        store.stat(f"{http}/{status}", Deadline.after(60))


def test_a_server_that_is_not_there_has_not_lost_the_file() -> None:
    store = over(protocol="http")
    with pytest.raises(UnavailableError):
        store.stat("http://127.0.0.1:9/file", Deadline.after(60))


class UpperCase(LocalFileSystem):
    """What a user overrides is there to be used."""

    cachable = False

    def cat_file(self, path: str, start: Optional[int] = None, end: Optional[int] = None, **options: Any) -> bytes:
        data: bytes = super().cat_file(path, start, end)
        return data.upper()


@pytest.mark.parametrize(("client", "store"), [(LocalFileSystem, "local"), (UpperCase, "fsspec")])
def test_a_subclass_of_a_client_is_used_as_it_is(client: Any, store: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    fs = fsspec.filesystem("alluxiofs", fs=client(), skip_instance_cache=True)
    assert fs.describe()["under_store"]["name"] == store
    assert fs.cat_file(str(tmp_path / "file")) == (b"abc" if store == "local" else b"ABC")


def test_hdfs_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("hdfs_native", "hdfs_native.fsspec"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alluxiofs\[hdfs\]'"):
        over(protocol="hdfs", options={"host": "127.0.0.1"}).stat("/file", Deadline.after(60))


class ByMapping(MemoryFileSystem):
    """It finds out what is there by looking into a mapping."""

    protocol = "bymapping"
    cachable = False
    asked = 0

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        type(self).asked += 1
        listings: Dict[str, Any] = {}
        try:
            return listings[path]
        except KeyError as error:
            raise FileNotFoundError(2, "nothing of this name", path) from error


def test_what_is_absent_is_asked_for_once() -> None:
    fsspec.register_implementation("bymapping", ByMapping, clobber=True)
    with pytest.raises(FileNotFoundError, match="nothing of this name"):
        list(over(protocol="bymapping").list("/none", Deadline.after(60)))
    assert ByMapping.asked == 1


class Failing(LocalFileSystem):
    """The second block of a file is lost, and the third one is not."""

    protocol = "failing"
    cachable = False

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super()._open(path, mode, **options)
        if mode == "wb":
            write, sizes = file.write, []

            def written(data: bytes) -> int:
                sizes.append(len(data))
                if len(sizes) == 2:
                    raise ConnectionResetError("connection lost")
                return int(write(data))

            file.write = written
        return file


def test_a_file_that_a_write_has_failed_of_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    made, block = over(Failing()).create(str(tmp_path / "file")), memoryview(bytes(4 * 2**20))
    made.write(block)
    with pytest.raises(ConnectionResetError):
        made.write(block)
    with pytest.raises(ValueError, match="given up"):
        made.write(block)
    with pytest.raises(ValueError, match="committed once"):
        made.commit()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


def test_a_directory_is_not_moved_into_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    store = over(MemoryFileSystem())
    write(store, "/a/file", b"content")
    with pytest.raises(OSError, match="into itself"):
        store.move("/a", "/a/b", Deadline.after(60))
    assert read(store, "/a/file") == b"content"


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system has one time zone")
def test_times_without_a_zone_are_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        told = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 -0000", "Sun Nov  6 08:49:37 1994"]
        found = {epoch(text) for text in told}
    time.tzset()
    assert found == {784_111_777.0}
