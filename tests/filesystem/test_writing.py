"""A file appears whole, or the old one stays: whatever way it is written, and whatever goes wrong."""

from __future__ import annotations

import array
import contextlib
import gc
import io
import pickle
from pathlib import Path
from typing import Any, Callable, Iterator

import fsspec
import pytest

from alluxiofs.fileobjects.writer import FileWriter
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place

OLD = b"the old content"


class Interruption(Exception):
    """What goes wrong."""


@pytest.fixture
def path(fs: AlluxioFileSystem, place: Place) -> str:
    fs.pipe_file(place.path("file"), OLD)
    return place.path("file")


def contents(place: Place, path: str) -> Any:
    """What is there, seen without the gateway."""
    place.client.invalidate_cache()
    return place.client.cat_file(path) if place.client.exists(path) else None


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 200_000, 9 * 2**20])
def test_what_was_written_is_in_the_under_store_and_read_back_at_once(
    fs: AlluxioFileSystem, place: Place, path: str, size: int
) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert fs.cat_file(path) == OLD
    with fs.open(path, "wb") as file:
        for start in range(0, size, 100_000):
            assert file.write(data[start : start + 100_000]) == len(data[start : start + 100_000])
            assert file.tell() == min(size, start + 100_000)
    assert contents(place, path) == data
    assert fs.cat_file(path) == data
    assert fs.info(path)["size"] == size


def test_overwriting_with_the_same_size_is_read_back(fs: AlluxioFileSystem, path: str) -> None:
    for number in range(5):
        data = bytes([number]) * len(OLD)
        fs.pipe_file(path, data)
        assert fs.cat_file(path) == data
        with fs.open(path) as file:
            assert file.read() == data


def test_anything_with_bytes_can_be_written(quick: AlluxioFileSystem, memory: Place) -> None:
    path = memory.path("buffers")
    numbers = array.array("i", [1, 2, 3])
    scattered = memoryview(b"a-b-c-")[::2]
    with quick.open(path, "wb") as file:
        assert file.write(bytearray(b"x")) == 1
        assert file.write(memoryview(b"yz")) == 2
        assert file.write(numbers) == 12
        assert file.write(scattered) == 3
        assert file.write(b"") == file.write(array.array("i")) == 0
        with pytest.raises(TypeError, match="bytes-like"):
            file.write("text")
        file.flush()
    assert quick.cat_file(path) == b"xyz" + numbers.tobytes() + b"abc"
    quick.pipe_file(path, numbers)
    assert quick.cat_file(path) == numbers.tobytes()
    assert quick.write_bytes(path, b"plain") is True
    assert quick.cat_file(path) == b"plain"


def test_appending(fs: AlluxioFileSystem, place: Place, path: str) -> None:
    with fs.open(path, "ab") as file:
        assert file.tell() == len(OLD)
        file.write(b", and more")
    assert contents(place, path) == OLD + b", and more"
    with fs.open(path, "a", newline="") as text:
        text.write("\n")
    assert fs.cat_file(path) == OLD + b", and more\n"
    with fs.open(place.path("new"), "ab") as file:
        file.write(b"1")
    assert fs.cat_file(place.path("new")) == b"1"


def test_exclusive_writing(fs: AlluxioFileSystem, place: Place, path: str) -> None:
    for mode in ("xb", "x"):
        with pytest.raises(FileExistsError, match="file"):
            fs.open(path, mode)
    with pytest.raises(FileExistsError):
        fs.pipe_file(path, b"x", mode="create")
    assert contents(place, path) == OLD
    with fs.open(place.path("fresh"), "xb") as file:
        file.write(b"fresh")
    assert contents(place, place.path("fresh")) == b"fresh"


def test_text(fs: AlluxioFileSystem, path: str) -> None:
    with fs.open(path, "w", encoding="utf-16-le", newline="\r\n") as text:
        text.write("ä\n")
    assert fs.cat_file(path) == "ä\r\n".encode("utf-16-le")
    assert fs.write_text(path, "ö", encoding="utf-8") == 1
    assert fs.read_text(path, encoding="utf-8") == "ö"


HOW = {
    "bytes": {"mode": "wb"},
    "text": {"mode": "w"},
    "gzip": {"mode": "wb", "compression": "gzip"},
    "text through gzip": {"mode": "wt", "compression": "gzip"},
    "append": {"mode": "ab"},
    "deferred": {"mode": "wb", "autocommit": False},
}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_a_with_block_left_by_an_exception_leaves_the_old_file(
    fs: AlluxioFileSystem, place: Place, path: str, how: Any
) -> None:
    data: Any = b"half" if "b" in how["mode"] else "half"
    with pytest.raises(Interruption), fs.open(path, **how) as file:
        file.write(data * 1000)
        raise Interruption
    assert file.closed
    assert contents(place, path) == OLD
    assert fs.cat_file(path) == OLD
    with pytest.raises(Interruption), fs.open(place.path("other"), **how) as file:
        file.write(data)
        raise Interruption
    assert contents(place, place.path("other")) is None
    assert fs.ls(place.root) == [path]


@pytest.mark.parametrize("how", [{"mode": "wb"}, {"mode": "wt"}, {"mode": "wt", "compression": "gzip"}], ids=str)
def test_so_does_one_that_closes_the_file(fs: AlluxioFileSystem, place: Place, path: str, how: Any) -> None:
    data: Any = b"new" if "b" in how["mode"] else "new"
    with pytest.raises(Interruption), contextlib.closing(fs.open(path, **how)) as file:
        file.write(data)
        raise Interruption
    assert contents(place, path) == OLD
    with contextlib.closing(fs.open(path, **how)) as file:
        file.write(data)
    assert contents(place, path) != OLD


class Job:
    """Holds a file as long as it runs, and writes into it and into others what went wrong."""

    def __init__(self, fs: AlluxioFileSystem, place: Place) -> None:
        self.fs, self.place = fs, place
        self.log = fs.open(place.path("log"), "wb")

    def __enter__(self) -> Job:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> bool:
        self.log.write(b"left")
        self.log.close()
        self.fs.pipe_file(self.place.path("piped"), b"left")
        self.fs.put_file(__file__, self.place.path("put"))
        with self.fs.open(self.place.path("text"), "w") as text:
            text.write("left")
        with fsspec.open(f"alluxiofs://{self.place.path('opened')}", "wb", **self.place.arguments) as opened:
            opened.write(b"left")
        return True


def test_what_is_written_while_a_block_of_others_is_left_is_written(fs: AlluxioFileSystem, place: Place) -> None:
    with Job(fs, place):
        raise Interruption
    with contextlib.suppress(Interruption), contextlib.ExitStack() as stack:
        stack.callback(fs.pipe_file, place.path("called back"), b"left")
        raise Interruption
    for name in ("log", "piped", "text", "opened", "called back"):
        assert contents(place, place.path(name)) == b"left", name
    assert contents(place, place.path("put")) == Path(__file__).read_bytes()


@pytest.mark.parametrize("how", [{"mode": "wb"}, {"mode": "wt"}, {"mode": "wt", "compression": "gzip"}], ids=str)
def test_so_does_one_of_fsspecs_own_open(fs: AlluxioFileSystem, place: Place, path: str, how: Any) -> None:
    data: Any = b"new" if "b" in how["mode"] else "new"
    opened = fsspec.open(f"alluxiofs://{path}", **how, **place.arguments)
    with pytest.raises(Interruption), opened as file:
        file.write(data)
        raise Interruption
    assert contents(place, path) == OLD
    try:
        raise Interruption
    except Interruption:  # an exception that is being handled already has nothing to do with the file
        with opened as file:
            file.write(data)
    assert contents(place, path) != OLD
    reading = {**how, "mode": how["mode"].replace("w", "r")}
    with fsspec.open(f"alluxiofs://{path}", **reading, **place.arguments) as file:
        assert file.read() == data


def test_a_file_of_a_dropped_text_that_was_detached_lives_on(quick: AlluxioFileSystem, memory: Place) -> None:
    text = quick.open(memory.path("detached"), "w")
    text.write("text, ")
    file = text.detach()
    del text
    gc.collect()
    with file:
        file.write(b"bytes")
    assert quick.cat_file(memory.path("detached")) == b"text, bytes"


@pytest.mark.parametrize("codec", ["gzip", "bz2", "xz", "zip"])
def test_a_codec_comes_to_its_end_whatever_becomes_of_the_file(
    quick: AlluxioFileSystem, memory: Place, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that comes up when something is dropped is caught by nobody: the tests' runner fails for it."""
    path = memory.path("compressed")
    with quick.open(path, "wb", compression=codec) as file:
        file.write(OLD)
    with quick.open(path, compression=codec) as file:
        assert file.read() == OLD
    before = contents(memory, path)

    def refused(self: FileWriter, data: Any) -> int:
        raise PermissionError(13, "no more room for you", self.path)

    with monkeypatch.context() as patch:
        file = quick.open(path, "wb", compression=codec)
        file.write(b"new")
        patch.setattr(FileWriter, "write", refused)
        with pytest.raises(PermissionError, match="no more room"):
            file.close()
    file = quick.open(path, "wb", compression=codec)
    file.write(b"new")
    file.discard()
    del file
    gc.collect()
    assert contents(memory, path) == before


def test_compressed_files_are_written_whole(fs: AlluxioFileSystem, path: str) -> None:
    import gzip

    with fs.open(path, "wb", compression="gzip") as file:
        assert file.write(b"data") == 4
    assert gzip.decompress(fs.cat_file(path)) == b"data"
    with fs.open(path, "ab", compression="gzip") as file:
        file.write(b" and more")
    assert gzip.decompress(fs.cat_file(path)) == b"data and more"


def test_a_file_that_is_written_cannot_be_read_or_pickled(quick: AlluxioFileSystem, memory: Place) -> None:
    with quick.open(memory.path("w"), "wb") as file:
        for operation in (
            file.read,
            file.readline,
            lambda: file.seek(0),
            lambda: file.readinto(bytearray(1)),
            file.info,
        ):
            with pytest.raises(io.UnsupportedOperation, match="writing"):
                operation()
        assert not file.readable()
        assert not file.seekable()
        assert file.writable()
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(file)
    with pytest.raises(ValueError, match="closed"):
        file.write(b"x")
    assert not file.writable()


def test_a_file_that_is_committed_by_hand(fs: AlluxioFileSystem, place: Place, path: str) -> None:
    file = fs.open(path, "wb", autocommit=False)
    file.write(b"by hand")
    file.close()
    assert contents(place, path) == OLD
    file.commit()
    assert contents(place, path) == b"by hand"
    file.commit()
    file.discard()
    assert contents(place, path) == b"by hand"
    with fs.open(path, "wb", autocommit=False) as file:
        file.write(b"never")
    file.discard()
    with pytest.raises(ValueError, match="discarded"):
        file.commit()
    assert fs.cat_file(path) == b"by hand"


def test_a_transaction_appears_at_its_end(fs: AlluxioFileSystem, place: Place, path: str) -> None:
    other = place.path("other")
    with fs.transaction:
        fs.pipe_file(path, b"1")
        with fs.open(other, "w") as text:
            text.write("2")
        with fs.open(place.path("third"), "wb", compression="gzip") as file:
            file.write(b"3")
        fs.touch(place.path("fourth"))
        assert contents(place, path) == OLD
        assert contents(place, other) is None
    assert (contents(place, path), contents(place, other)) == (b"1", b"2")
    assert fs.exists(place.path("third"))
    assert fs.exists(place.path("fourth"))
    fs.pipe_file(path, b"outside")
    assert contents(place, path) == b"outside"


def test_a_transaction_that_fails_changes_nothing(fs: AlluxioFileSystem, place: Place, path: str) -> None:
    with pytest.raises(Interruption), fs.transaction:
        fs.pipe_file(path, b"1")
        fs.pipe_file(place.path("other"), b"2")
        raise Interruption
    assert contents(place, path) == OLD
    assert contents(place, place.path("other")) is None
    fs.pipe_file(path, b"outside")
    assert contents(place, path) == b"outside"


def test_a_file_that_failed_in_a_transaction_that_went_on_is_left_out(quick: AlluxioFileSystem, memory: Place) -> None:
    with quick.transaction:
        with pytest.raises(Interruption), quick.open(memory.path("bad"), "wb") as file:
            file.write(b"half")
            raise Interruption
        quick.pipe_file(memory.path("good"), b"whole")
    assert quick.find(memory.root) == [memory.path("good")]


def test_a_transaction_whose_commit_fails_is_over(local: Place, filesystem: Callable[..., AlluxioFileSystem]) -> None:
    fs = filesystem(local)
    with pytest.raises(OSError, match="taken"):
        with fs.transaction:
            fs.pipe_file(local.path("first"), b"1")
            fs.pipe_file(local.path("taken"), b"2")
            fs.pipe_file(local.path("last"), b"3")
            local.client.makedirs(local.path("taken/inside"))
    assert fs.cat_file(local.path("first")) == b"1"
    assert not fs.exists(local.path("last"))
    fs.pipe_file(local.path("after"), b"4")
    assert contents(local, local.path("after")) == b"4"


@pytest.fixture
def full_store(local: Place, filesystem: Callable[..., AlluxioFileSystem]) -> Iterator[AlluxioFileSystem]:
    """Files that may not grow beyond 100,000 bytes, as on a disk that is full."""
    import resource
    import signal

    fs = filesystem(local)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        yield fs
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_failed_is_never_completed(full_store: AlluxioFileSystem, local: Place) -> None:
    path = local.path("full")
    full_store.pipe_file(path, OLD)
    with pytest.raises(OSError, match="[Ll]arge|full"), full_store.open(path, "wb", block_size=10_000) as file:
        for _ in range(20):
            file.write(b"x" * 20_000)
    assert contents(local, path) == OLD
    file = full_store.open(path, "wb", block_size=10_000)
    with pytest.raises(OSError, match="[Ll]arge|full"):
        for _ in range(20):
            file.write(b"x" * 20_000)
    with pytest.raises(OSError, match="earlier write failed|discarded|nothing was written"):
        file.close()
    assert contents(local, path) == OLD
    assert full_store.ls(local.root) == [path]
