"""What is particular to files of this machine: times that can be set back, links, forks while others read."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import fsspec
import pytest

from alluxiofs.errors import FileChangedError


def _fs(page_store: Optional[Dict[str, Any]]) -> Any:
    return fsspec.filesystem("alluxiofs", target_protocol="file", page_store=page_store, skip_instance_cache=True)


@pytest.mark.parametrize("in_place", [False, True], ids=["replaced", "in place"])
def test_the_same_length_and_time_do_not_make_it_the_same_file(
    tmp_path: Path, page_store: Optional[Dict[str, Any]], in_place: bool
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"A" * 3000)
    os.utime(path, (10**9, 10**9))
    fs = _fs(page_store)
    with fs.open(str(path), cache_options={"readahead": None}) as file:
        assert file.read(1000) == b"A" * 1000
        other = path if in_place else tmp_path / "other"
        other.write_bytes(b"B" * 3000)
        os.utime(other, (10**9, 10**9))
        other.replace(path)
        try:
            assert file.pread(0, 3000) == b"A" * 3000  # what is kept of the old one is still of the old one
        except FileChangedError:
            pass
    assert fs.cat_file(str(path), refresh=True) == b"B" * 3000


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_are_not_followed_down(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"x")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(b"x")
    (tree / "link").symlink_to(tmp_path / "outside")
    (tree / "loop").symlink_to(tree)
    (tree / "again").symlink_to(tree)
    fs = _fs(None)
    assert fs.find(str(tree)) == [str(tree / "file")]
    assert [name for name, _, _ in fs.walk(str(tree))] == [str(tree)]
    assert fs.ls(str(tree / "link")) == [str(tree / "link" / "precious")]
    fs.rm(str(tree), recursive=True, maxdepth=3)
    assert (tmp_path / "outside" / "precious").exists()
    fs.rm(str(tree), recursive=True)
    assert (tmp_path / "outside" / "precious").exists()
    assert not tree.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # forking so is the test
def test_a_child_forked_while_threads_read_reads_on(tmp_path: Path, page_store: Optional[Dict[str, Any]]) -> None:
    path = tmp_path / "f"
    data = os.urandom(5 * 2**20)
    path.write_bytes(data)
    fs = _fs(page_store)
    stop = threading.Event()
    with fs.open(str(path)) as file:

        def read() -> None:
            while not stop.is_set():
                file.pread(2**20, 4096)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        try:
            for _ in range(10):
                child = os.fork()
                if child == 0:
                    right = file.pread(3 * 2**20, 9000) == data[3 * 2**20 : 3 * 2**20 + 9000]
                    os._exit(0 if right else 1)
                assert os.waitpid(child, 0)[1] == 0
        finally:
            stop.set()
            for reader in readers:
                reader.join()


@pytest.mark.parametrize("how", ["longer", "shorter", "other bytes", "replaced", "gone", "a directory"])
@pytest.mark.parametrize("into", [False, True], ids=["bytes", "buffer"])
def test_what_is_not_the_version_that_was_opened_is_never_given_out(tmp_path: Path, how: str, into: bool) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"A" * 3_000_000)
    changes: Dict[str, List[Callable[[], object]]] = {
        "longer": [lambda: path.write_bytes(b"A" * 3_000_001)],
        "shorter": [lambda: path.write_bytes(b"A" * 1_500_000)],
        "other bytes": [lambda: path.write_bytes(b"B" * 3_000_000)],
        "replaced": [path.unlink, lambda: path.write_bytes(b"B" * 3_000_000)],
        "gone": [path.unlink],
        "a directory": [path.unlink, path.mkdir],
    }
    buffer = bytearray(1_000_000)
    with _fs(None).open(str(path)) as file:
        assert file.read(1_000_000) == b"A" * 1_000_000
        before = path.stat().st_ctime_ns
        clock = tmp_path / "clock"
        clock.touch()
        while clock.stat().st_ctime_ns <= before:  # the clock that stamps files ticks now and then
            os.utime(clock)
        for change in changes[how]:
            change()
        expected = {"gone": FileNotFoundError, "a directory": IsADirectoryError}.get(how, FileChangedError)
        with pytest.raises(expected):
            file.readinto(buffer) if into else file.read(1_000_000)


def test_large_pieces_are_in_the_file_that_is_to_be_before_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with _fs(None).open(str(path), "wb") as file:
        for number in range(1, 4):
            file.write(bytes(1_000_000))
            (partial,) = tmp_path.iterdir()
            assert partial.stat().st_size == number * 1_000_000
            assert not path.exists()
    assert path.stat().st_size == 3_000_000
