"""Files from and to this machine's disks: whole or not at all, in bounded memory; and everything at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Dict, List

import pytest
from fsspec.callbacks import Callback

from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place


class Progress(Callback):
    """Remembers what it was told."""


def test_up_and_down(fs: AlluxioFileSystem, place: Place, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(data)
    up, down = Progress(), Progress()
    url = f"{place.arguments['target_protocol']}://{place.path('up')}"
    assert fs.upload(str(source), place.path("up"), callback=up) is True
    assert (up.size, up.value) == (len(data), len(data))
    assert fs.download(str(target), place.path("up"), callback=down) is True
    assert (down.size, down.value) == (len(data), len(data))
    assert target.read_bytes() == data
    if place.arguments["target_protocol"] != "file":
        assert fs.download(url, str(tmp_path / "in fsspec's order")) is True
        assert (tmp_path / "in fsspec's order").read_bytes() == data
    assert fs.download(f"alluxiofs://{place.path('up')}", str(tmp_path / "again")) is True
    assert fs.download(rpath=place.path("up"), lpath=source) is True
    assert fs.upload(lpath=source, rpath=place.path("by keyword")) is True
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "x").write_bytes(b"x")
    with pytest.raises(IsADirectoryError, match="recursive"):
        fs.upload(str(tmp_path / "tree"), place.path("tree"))
    assert fs.upload(str(tmp_path / "tree"), place.path("tree"), recursive=True) is True
    assert fs.cat_file(place.path("tree/x")) == b"x"
    with pytest.raises(IsADirectoryError, match="recursive"):
        fs.download(str(tmp_path / "tree2"), place.path("tree"))
    with pytest.raises(FileNotFoundError):
        fs.download(str(tmp_path / "n"), place.path("none"))
    with pytest.raises(FileNotFoundError):
        fs.upload(str(tmp_path / "n"), place.path("none"))
    assert not fs.exists(place.path("none"))
    assert not (tmp_path / "n").exists()


def test_a_download_that_fails_leaves_what_was_there(fs: AlluxioFileSystem, place: Place, tmp_path: Path) -> None:
    fs.pipe_file(place.path("x"), b"new")
    target = tmp_path / "kept"
    target.write_bytes(b"old")

    class Failing(Callback):
        def relative_update(self, inc: int = 1) -> None:
            raise RuntimeError(f"after {inc} bytes")

    with pytest.raises(RuntimeError, match="3 bytes"):
        fs.download(str(target), place.path("x"), callback=Failing())
    with pytest.raises(RuntimeError, match="3 bytes"):
        fs.upload(str(target), place.path("x"), callback=Failing())
    assert (target.read_bytes(), fs.cat_file(place.path("x"))) == (b"old", b"new")
    assert sorted(tmp_path.glob("*kept*")) == [target]
    assert not list(tmp_path.glob(".*"))
    assert fs.ls(place.root) == [place.path("x")]


def test_a_download_goes_where_writing_would(fs: AlluxioFileSystem, place: Place, tmp_path: Path) -> None:
    fs.pipe_file(place.path("x"), b"new")
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "real").chmod(0o604)
    (tmp_path / "link").symlink_to("real")
    fs.get(place.path("x"), str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o604
    fs.get_file(place.path("x"), os.devnull)
    assert not Path(os.devnull).is_file()
    with (tmp_path / "handle").open("wb") as handle:
        fs.get_file(place.path("x"), handle)
    assert (tmp_path / "handle").read_bytes() == b"new"


def test_a_name_from_a_listing_cannot_lead_out_of_the_target(tmp_path: Path) -> None:
    from alluxiofs.errors import InvalidPathError
    from alluxiofs.operations.plan import Side, pairs_of

    side = Side(lambda _: ["b/x/../../../etc/passwd", "b/y"], lambda _: False, lambda _: False)
    with pytest.raises(InvalidPathError, match="outside"):
        pairs_of(side, "b", str(tmp_path), lambda _: True, only_files=False)


def test_progress_of_many_files(quick: AlluxioFileSystem, memory: Place, tmp_path: Path) -> None:
    quick.pipe({memory.path(f"m/{number}"): b"x" for number in range(4)})
    progress = Progress()
    quick.get(memory.path("m"), str(tmp_path), recursive=True, callback=progress)
    assert (progress.size, progress.value) == (5, 5)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["0", "1", "2", "3"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a program had since it began")
def test_memory_is_bounded_whatever_the_size(local: Place) -> None:
    """A sparse gigabyte is read in pieces, by a process that may not have so much.

    ``ru_maxrss`` would not do: it begins with the memory of the process that started the program.
    """
    with Path(local.path("big")).open("wb") as big:
        big.truncate(2**30)
    script = f"""
import fsspec
fs = fsspec.filesystem("alluxiofs", target_protocol="file", page_store={{"name": "memory", "capacity": "32MB"}})
total = 0
with fs.open({local.path("big")!r}) as file:
    while True:
        piece = file.read(2**22)
        if not piece:
            break
        total += len(piece)
assert total == 2**30, total
fs.download({local.path("copy")!r}, {local.path("big")!r})
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(local.path("copy")).stat().st_size == 2**30
    assert int(done.stdout) < 400, "megabytes"


def test_operations_from_many_threads(fs: AlluxioFileSystem, place: Place) -> None:
    failures: List[BaseException] = []

    def work(number: int) -> None:
        try:
            mine: Dict[str, bytes] = {place.path(f"t/{number}-{index}"): bytes([number]) * 1000 for index in range(5)}
            fs.pipe(mine)
            for path, data in mine.items():
                assert fs.cat_file(path) == data
                assert fs.info(path)["size"] == 1000
            assert set(fs.ls(place.path("t"), refresh=True)) >= set(mine)
            fs.rm(list(mine)[:2])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(fs.find(place.path("t"))) == 48
