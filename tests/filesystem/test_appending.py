"""Appends are all or nothing, as other writes are: for those who look on, for those who append too, after a kill."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional

import fsspec
import pytest

from alluxiofs.errors import NotSupportedError
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place

fcntl: Any = pytest.importorskip("fcntl", reason="locks and limits of POSIX")
resource: Any = pytest.importorskip("resource", reason="locks and limits of POSIX")

OLD = b"old content, "
MEBIBYTE = 1 << 20

forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def files() -> Iterator[AlluxioFileSystem]:
    yield fsspec.filesystem("alluxiofs", target_protocol="file", skip_instance_cache=True)
    AlluxioFileSystem.clear_instance_cache()


def append(fs: AlluxioFileSystem, path: Any, data: bytes) -> None:
    with fs.open(str(path), "ab") as file:
        file.write(data)


def forked(task: Callable[[], None]) -> int:
    """Start a child that does the task, and ends with 0 if that went well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            task()
            code = 0
        finally:
            os._exit(code)
    return child


def ended_well(child: int) -> bool:
    return os.waitpid(child, 0)[1] == 0


def names(folder: Path) -> List[str]:
    return sorted(os.listdir(folder))


# --- all or nothing --------------------------------------------------------------------------------------------------


def test_nothing_is_seen_until_all_is(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("file")
    fs.pipe_file(path, OLD)
    more = os.urandom(20 * MEBIBYTE)
    with fs.open(path, "ab", block_size=MEBIBYTE) as file:
        assert file.tell() == len(OLD)
        for start in range(0, len(more), 3 * MEBIBYTE):
            file.write(more[start : start + 3 * MEBIBYTE])
            assert place.client.cat_file(path) == OLD
        assert file.tell() == len(OLD) + len(more)
    assert place.client.cat_file(path) == fs.cat_file(path) == OLD + more
    assert fs.ls(place.root, detail=False) == [path]


def test_an_append_ends_as_any_write_does(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("file")
    fs.pipe_file(path, OLD)
    file = fs.open(path, "ab", autocommit=False)
    file.write(b"later, ")
    file.close()
    assert place.client.cat_file(path) == OLD
    file.commit()
    assert fs.cat_file(path) == OLD + b"later, "
    file = fs.open(path, "ab")
    file.write(b"never")
    file.discard()
    with pytest.raises(ZeroDivisionError), fs.transaction:
        append(fs, path, b"never")
        raise ZeroDivisionError
    with fs.transaction:
        append(fs, path, b"in a transaction, ")
        assert place.client.cat_file(path) == OLD + b"later, "
    with fs.open(path, "at", encoding="utf-8", newline="") as text:
        text.write("ü\n")
    assert fs.cat_file(path) == OLD + b"later, in a transaction, " + "ü\n".encode()


@forks
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to none"])
def test_a_killed_process_leaves_the_old_file_or_the_whole_new_one(
    files: AlluxioFileSystem, tmp_path: Path, there: bool
) -> None:
    path, warm = tmp_path / "log", tmp_path / "warm"
    pick = random.Random(1)
    block = os.urandom(2 * MEBIBYTE)
    head = OLD if there else b""
    seen = set()
    for turn in range(40):
        path.write_bytes(OLD)
        if not there:
            path.unlink()
        ready, begun = os.pipe()

        def keep_appending(begun: int = begun) -> None:
            append(files, warm, b"x")
            os.write(begun, b"!")
            while True:
                append(files, path, block)
                os.write(begun, b"!")

        child = forked(keep_appending)
        for _ in range(1 + turn % 4):  # however slow the disk is, some are killed after more appends than others
            assert os.read(ready, 1) == b"!"
        time.sleep(pick.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(begun)
        assert files.ls(str(tmp_path), detail=False, refresh=True) == [str(path)] * path.exists() + [str(warm)]
        found = path.read_bytes() if path.exists() or there else b""
        count = (len(found) - len(head)) // len(block)
        assert found == head + block * count
        seen.add(count)
    assert len(seen) > 1, f"every one of 40 was killed at the same place, after {seen} appends"


@forks
def test_a_child_forked_meanwhile_adds_nothing(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("file")
    fs.pipe_file(path, OLD)
    block = os.urandom(MEBIBYTE)
    held = [fs.open(path, "ab", block_size=1000)]
    for number in range(40):
        held[0].write(block)
        held[0].write(b"%02d" % number)
        if number == 30:
            assert ended_well(forked(held.clear))
    held[0].close()
    assert fs.cat_file(path) == OLD + b"".join(block + b"%02d" % number for number in range(40))


@forks
def test_a_full_disk_leaves_the_old_file(files: AlluxioFileSystem, tmp_path: Path) -> None:
    path = tmp_path / "file"
    old = os.urandom(MEBIBYTE)
    path.write_bytes(old)
    append(files, tmp_path / "warm", b"x")

    def with_little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEBIBYTE * 3 // 2, MEBIBYTE * 3 // 2))
        with pytest.raises(OSError, match="large") as caught:
            append(files, path, bytes(MEBIBYTE))
        assert caught.value.errno == errno.EFBIG
        assert caught.value.filename == str(path)

    assert ended_well(forked(with_little_room))
    assert path.read_bytes() == old
    assert names(tmp_path) == ["file", "warm"]


# --- with others -----------------------------------------------------------------------------------------------------


def append_records(fs: AlluxioFileSystem, path: str, writer: int) -> None:
    for number in range(25):
        append(fs, path, f"{writer}:{number}:{'x' * (writer * 1000 + number)}\n".encode())


@forks
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_append_to_one_file_lose_nothing(
    method: str, local: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(local, page_store=None)
    path = local.path("log")
    context: Any = multiprocessing.get_context(method)
    processes = [context.Process(target=append_records, args=(fs, path, writer)) for writer in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0] * 4
    check_records(fs.cat_file(path, refresh=True))
    assert names(Path(local.root)) == ["log"]


def test_threads_that_append_to_one_file_lose_nothing(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("log")
    threads = [threading.Thread(target=append_records, args=(fs, path, writer)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_records(fs.cat_file(path, refresh=True))


def check_records(log: bytes) -> None:
    records = [line.split(":") for line in log.decode().splitlines()]
    for writer in range(4):
        mine = [(int(number), filling) for by, number, filling in records if int(by) == writer]
        assert mine == [(number, "x" * (writer * 1000 + number)) for number in range(25)]
    assert len(records) == 100


class _Meddling:
    """Has somebody change a file in the middle of what this thread does: when it calls a function of ``os``."""

    def __init__(self, function: Callable[..., Any], act: Callable[[], Any]) -> None:
        self._function = function
        self._act: Optional[Callable[[], Any]] = act

    def __enter__(self) -> None:
        sys.setprofile(self._look)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        assert self._act is None, "the function was never called"

    def _look(self, _frame: Any, event: str, argument: Any) -> None:
        if event == "c_call" and argument is self._function and self._act is not None:
            act, self._act = self._act, None
            act()


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"theirs, ")
    other.replace(path)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"theirs, ")


def cut(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("when", ["fstat", "fchmod"])
@pytest.mark.parametrize(
    ("change", "result"), [(replaced, b"theirs, "), (grown, OLD + b"theirs, "), (cut, b""), (Path.unlink, b"")]
)
def test_what_somebody_else_changes_during_the_copy_is_kept(
    files: AlluxioFileSystem, tmp_path: Path, change: Any, result: bytes, when: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    file = files.open(str(path), "ab")
    file.write(b"ours")
    with _Meddling(getattr(os, when), lambda: change(path)):
        file.close()
    assert path.read_bytes() == result + b"ours"
    assert names(tmp_path) == ["file"]


def test_a_file_that_appears_meanwhile_is_appended_to(files: AlluxioFileSystem, tmp_path: Path) -> None:
    path = tmp_path / "file"
    file = files.open(str(path), "ab")
    file.write(b"ours")
    with _Meddling(os.link, lambda: path.write_bytes(b"theirs, ")):
        file.close()
    assert path.read_bytes() == b"theirs, ours"
    assert names(tmp_path) == ["file"]


def test_whoever_holds_the_lock_is_waited_for(files: AlluxioFileSystem, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with path.open("ab") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        appending = threading.Thread(target=append, args=(files, path, b"ours"))
        appending.start()
        appending.join(0.1)
        assert appending.is_alive()
        assert path.read_bytes() == OLD
        holder.write(b"theirs, ")
    appending.join(60)
    assert path.read_bytes() == OLD + b"theirs, ours"


def test_but_no_longer_than_the_deadline(tmp_path: Path) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="file", timeout=0.1, deadline=0.2, skip_instance_cache=True)
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with path.open("ab") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"somebody else has held the lock on this file for 0\.2 s"):
            append(fs, path, b"ours")
        assert time.monotonic() - began < 60
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["file"]


# --- what becomes of the file ----------------------------------------------------------------------------------------


def test_mode_and_links(files: AlluxioFileSystem, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o640)
    (tmp_path / "link").symlink_to(path)
    os.link(path, tmp_path / "hard")
    append(files, tmp_path / "link", b"more")
    assert (tmp_path / "link").is_symlink()
    assert path.read_bytes() == OLD + b"more"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (tmp_path / "hard").read_bytes() == OLD  # as when the file is written anew


def test_a_new_file_has_the_mode_of_the_umask(files: AlluxioFileSystem, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        append(files, tmp_path / "folder" / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "folder" / "file").stat().st_mode) == 0o640


def test_while_it_is_made_nobody_else_can_read_it(files: AlluxioFileSystem, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o644)
    modes = []

    def look() -> None:
        (partial,) = (each for each in tmp_path.iterdir() if each != path)
        modes.append(stat.S_IMODE(partial.stat().st_mode))

    with _Meddling(os.fchmod, look):
        append(files, path, b"more")
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_nothing_appended_changes_nothing(files: AlluxioFileSystem, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    before = path.stat()
    append(files, path, b"")
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    append(files, tmp_path / "new", b"")
    assert (tmp_path / "new").read_bytes() == b""


def test_what_is_no_file_is_not_appended_to(files: AlluxioFileSystem, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        files.open(str(tmp_path / "fifo"), "ab")
    with pytest.raises(IsADirectoryError):
        files.open(str(tmp_path), "ab")


# --- files that tell no length ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_a_file_that_tells_no_length_is_not_read_as_empty(files: AlluxioFileSystem, tmp_path: Path) -> None:
    for path in ("/proc/self/status", "/dev/zero"):
        with pytest.raises(NotSupportedError, match="how long"):
            files.cat_file(path)
        assert files.info(path)["size"] is None
    assert files.ls("/proc/self", detail=True)
    (tmp_path / "empty").touch()
    assert files.cat_file(str(tmp_path / "empty")) == b""
