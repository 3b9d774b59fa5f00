"""An open file gives exactly the bytes of one version, whichever way it is read."""

from __future__ import annotations

import gc
import io
import pickle
import random
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.errors import FileChangedError
from alluxiofs.file import AlluxioFile
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place, page_store_of

PAGE = 64 * 1024
DATA = random.Random(7).randbytes(3 * PAGE + 1234) if hasattr(random.Random, "randbytes") else bytes(range(256)) * 772


@pytest.fixture
def path(fs: AlluxioFileSystem, place: Place) -> str:
    fs.pipe_file(place.path("data"), DATA)
    return place.path("data")


def test_reading_whole_in_pieces_and_by_buffer(fs: AlluxioFileSystem, path: str) -> None:
    with fs.open(path) as file:
        assert isinstance(file, AlluxioFile)
        assert file.read() == DATA
        assert file.read() == b""
        assert file.seek(0) == 0
        assert b"".join(iter(lambda: file.read(1000), b"")) == DATA
        file.seek(5)
        buffer = bytearray(PAGE)
        assert file.readinto(buffer) == PAGE
        assert buffer == DATA[5 : 5 + PAGE]
        assert file.tell() == 5 + PAGE
        file.seek(-3, 2)
        assert file.readinto(buffer) == 3
        assert buffer[:3] == DATA[-3:]


@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 4 * PAGE])
def test_sizes_at_the_edges_of_pages(fs: AlluxioFileSystem, place: Place, size: int) -> None:
    data = (DATA * 2)[:size]
    fs.pipe_file(place.path("edge"), data)
    assert fs.cat_file(place.path("edge")) == data
    with fs.open(place.path("edge")) as file:
        assert file.size == size
        assert file.read(size) == data
        assert file.read(1) == b""
        assert file.seek(10, 2) == size + 10
        assert file.read(1) == b""


def test_a_file_that_was_read_and_closed_leaves_nothing_for_the_collector(fs: AlluxioFileSystem, path: str) -> None:
    def read() -> List[Callable[[], Any]]:
        file = fs.open(path)
        file.read(1000)
        file.read(1000)  # which goes on where the last one ended
        file.close()
        return [weakref.ref(file), weakref.ref(file._file._pinned)]

    read()
    gc.collect()
    gc.disable()
    try:
        assert [found() for found in read()] == [None, None]
    finally:
        gc.enable()


def test_what_libraries_look_for_in_a_file(fs: AlluxioFileSystem, path: str) -> None:
    with fs.open(path, block_size=4096) as file:
        assert io.BufferedIOBase in type(file).__mro__
        assert (file.name, file.path, file.mode, file.size, file.blocksize) == (path, path, "rb", len(DATA), 4096)
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.details == file.info() == fs.info(path)
        assert file.fs is fs
        assert (file.loc, file.closed) == (0, False)
        assert not hasattr(file, "cache")
        assert repr(file) == f"<FileReader {path!r} rb>"
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
    assert file.closed
    for operation in (file.read, file.tell, file.readline, lambda: file.seek(0), lambda: file.pread(0, 1)):
        with pytest.raises(ValueError, match="closed"):
            operation()
    file.close()


def test_seeking_anywhere_but_before_the_beginning(fs: AlluxioFileSystem, path: str) -> None:
    with fs.open(path) as file:
        assert file.seek(100) == 100
        assert file.seek(-10, 1) == 90
        assert file.seek(-10, 2) == len(DATA) - 10
        assert file.read() == DATA[-10:]
        for offset, whence in ((-1, 0), (-len(DATA) - 1, 2), (-len(DATA) - 1, 1)):
            with pytest.raises(ValueError, match="before"):
                file.seek(offset, whence)
        with pytest.raises(ValueError, match="whence"):
            file.seek(0, 3)
        assert file.tell() == len(DATA)


def test_lines_of_bytes_and_text(fs: AlluxioFileSystem, place: Place) -> None:
    text = "".join(f"line {number} ä\r\n" if number % 3 else f"{'long' * 60_000}\n" for number in range(12)) + "no end"
    data = text.encode()
    fs.pipe_file(place.path("lines"), data)
    with fs.open(place.path("lines")) as file:
        assert list(file) == data.splitlines(keepends=True)
        file.seek(3)
        assert file.readline() == io.BytesIO(data[3:]).readline()
        assert file.readline(4) == b"line"
        assert file.readline(0) == b""
        assert file.read(6) == b" 1 \xc3\xa4\r"
    for newline in (None, "", "\n"):
        with fs.open(place.path("lines"), "r", encoding="utf-8", newline=newline) as lines:
            assert list(lines) == list(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=newline))
    with fs.open(place.path("lines"), "rt", encoding="utf-8") as lines:
        assert lines.read() == text.replace("\r\n", "\n")
    assert fs.read_text(place.path("lines"), encoding="utf-8", newline="") == text


Step = st.one_of(
    st.tuples(st.just("seek"), st.integers(0, len(DATA) + 10)),
    st.tuples(st.just("read"), st.integers(-1, 2 * PAGE)),
    st.tuples(st.just("read"), st.integers(0, 200)),
    st.tuples(st.just("readinto"), st.integers(0, 2 * PAGE)),
    st.tuples(st.just("readline"), st.integers(-1, 300)),
    st.tuples(st.just("pread"), st.integers(0, len(DATA) + 10)),
)


@pytest.mark.parametrize("kind", [None, "memory"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"block_size": 5000},
        {"cache_options": {"readahead": None}},
        {"cache_options": {"readahead": 100}},
        {"cache_type": "readahead", "block_size": 3000},
        {"cache_type": "bytes"},
        {"cache_type": "all"},
        {"cache_type": "none"},
        {"cache_type": "blockcache", "block_size": 7000},
    ],
    ids=str,
)
def test_any_sequence_of_reads_is_as_of_a_file_in_memory(
    kind: Optional[str], how: Dict[str, Any], memory: Place, filesystem: Callable[..., AlluxioFileSystem], tmp_path: Any
) -> None:
    fs = filesystem(memory, page_store=page_store_of(kind, tmp_path))
    fs.pipe_file(memory.path("any"), DATA)

    @settings(max_examples=25, deadline=None)
    @given(st.lists(Step, max_size=12))
    def check(steps: List[Any]) -> None:
        model = io.BytesIO(DATA)
        with fs.open(memory.path("any"), **how) as file:
            for what, number in steps:
                if what == "pread":
                    assert file.pread(number, 99) == DATA[number : number + 99]
                elif what == "readinto":
                    ours, expected = bytearray(number), bytearray(number)
                    assert file.readinto(ours) == model.readinto(expected)
                    assert ours == expected
                else:
                    assert getattr(file, what)(number) == getattr(model, what)(number)
                assert file.tell() == model.tell()

    check()


def test_reading_from_front_to_back_fetches_blocks_and_elsewhere_what_is_asked_for(
    memory: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(memory, page_store=None)
    fs.pipe_file(memory.path("counted"), DATA)

    def fetched(**how: Any) -> Callable[[], int]:
        start = fs.describe()["counters"]["bytes_from_under_stores"]
        return lambda: fs.describe()["counters"]["bytes_from_under_stores"] - start

    with fs.open(memory.path("counted"), block_size=50_000) as file:
        count = fetched()
        for offset in (100, 90_000, 7_000, 150_000):
            assert file.seek(offset) == offset
            assert file.read(10) == DATA[offset : offset + 10]
        assert count() == 40
        file.seek(0)
        count = fetched()
        assert b"".join(file.read(10) for _ in range(1000)) == DATA[:10_000]
        assert count() <= 10 + 50_000
    with fs.open(memory.path("counted"), cache_options={"readahead": None}) as file:
        count = fetched()
        assert b"".join(file.read(10) for _ in range(100)) == DATA[:1000]
        assert count() == 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache_options": {"readahed": 1}}, "readahead"),
        ({"cache_options": {"readahead": -1}}, "readahead"),
        ({"cache_type": "readahed"}, "readahead"),
        ({"block_size": 0}, "block_size"),
        ({"bloksize": 5}, "did you mean 'block_size'"),
        ({"mode": "r+b"}, "read or written"),
        ({"mode": "a+"}, "read or written"),
        ({"mode": "rw"}, "rw"),
        ({"mode": "rbt"}, "rbt"),
        ({"mode": ""}, "mode"),
        ({"mode": "rb", "encoding": "utf-8"}, "encoding"),
        ({"mode": "rb", "compression": "no-such"}, "no-such"),
    ],
)
def test_a_bad_argument_is_named(quick: AlluxioFileSystem, memory: Place, arguments: Any, message: str) -> None:
    quick.pipe_file(memory.path("x"), b"x")
    with pytest.raises(ValueError, match=message):
        quick.open(memory.path("x"), **arguments)


def test_what_is_no_file_cannot_be_opened(fs: AlluxioFileSystem, place: Place) -> None:
    fs.pipe_file(place.path("d/x"), b"x")
    with pytest.raises(FileNotFoundError, match="nothing"):
        fs.open(place.path("nothing"))
    with pytest.raises(IsADirectoryError, match="d"):
        fs.open(place.path("d"))


def test_one_file_is_read_by_many_threads_at_once(
    place: Place, page_store: Any, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(place, page_store=page_store)
    fs.pipe_file(place.path("shared"), DATA)
    file = fs.open(place.path("shared"))

    def check(seed: int) -> None:
        random_of = random.Random(seed)
        for _ in range(40):
            offset, size = random_of.randrange(len(DATA)), random_of.randrange(PAGE)
            assert file.pread(offset, size) == DATA[offset : offset + size]

    with file, ThreadPoolExecutor(16) as executor:
        list(executor.map(check, range(16)))
        assert file.tell() == 0


def test_an_open_file_stays_at_its_version(local: Place, filesystem: Callable[..., AlluxioFileSystem]) -> None:
    fs = filesystem(local)
    fs.pipe_file(local.path("v"), b"1" * len(DATA))
    with fs.open(local.path("v")) as file:
        assert file.read(10) == b"1" * 10
        local.client.pipe_file(local.path("v"), b"2" * len(DATA))
        with pytest.raises(FileChangedError, match="v"):
            while file.read(PAGE) == b"1" * PAGE:  # pages that were fetched with the first are as good as ever
                pass
    assert fs.cat_file(local.path("v"), refresh=True) == b"2" * len(DATA)


def test_a_change_that_came_before_the_first_read_is_followed(
    local: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(local)
    path = local.path("f")
    for new in (b"longer than before" * 9000, b"short", b""):
        fs.pipe_file(path, b"believed")
        assert fs.info(path)["size"] == 8
        local.client.pipe_file(path, new)
        with fs.open(path) as file:
            assert file.read() == new
        fs.pipe_file(path, b"believed")
        assert fs.info(path)["size"] == 8
        local.client.pipe_file(path, new)
        assert fs.cat_ranges([path, path], [-5, 0], [None, 9]) == [new[-5:], new[:9]]


def test_another_writers_change_is_seen_at_once_with_refresh(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("changing")
    fs.pipe_file(path, b"old!")
    assert fs.cat_file(path) == b"old!"
    place.client.pipe_file(path, b"newer")
    with fs.open(path, refresh=True) as file:
        assert file.read() == b"newer"
    place.client.pipe_file(path, b"new")
    assert fs.info(path, refresh=True)["size"] == 3
    place.client.pipe_file(place.path("other"), b"x")
    assert place.path("other") in fs.ls(place.root, refresh=True)
    assert place.path("other") in fs.find(place.root, refresh=True)
    place.client.rm_file(path)
    assert not fs.exists(path, refresh=True)
    fs.invalidate_cache()
    assert fs.ls(place.root) == [place.path("other")]


def test_a_pickled_file_goes_on_at_its_place_and_version(fs: AlluxioFileSystem, place: Place, path: str) -> None:
    with fs.open(path, block_size=1000, cache_type="bytes") as file:
        file.seek(1234)
        pickled = pickle.dumps(file)
    with pickle.loads(pickled) as again:
        assert (again.tell(), again.path, again.blocksize) == (1234, path, 1000)
        assert again.read(100) == DATA[1234:1334]
    with fs.open(path, "r", encoding="latin-1", newline="") as text:
        assert text.read(10) == DATA[:10].decode("latin-1")
        pickled_text = pickle.dumps(text)
    with pickle.loads(pickled_text) as again:
        assert again.read(10) == DATA[10:20].decode("latin-1")
    place.client.pipe_file(path, b"another")
    fs.invalidate_cache()
    with pytest.raises(FileChangedError):
        pickle.loads(pickled)


def test_compressed_files_are_read(fs: AlluxioFileSystem, place: Place) -> None:
    import gzip

    fs.pipe_file(place.path("x.gz"), gzip.compress(b"line 1\nline 2\n"))
    with fs.open(place.path("x.gz"), compression="infer") as file:
        assert file.read(3) == b"lin"
        assert file.readline() == b"e 1\n"
        file.seek(0)
        assert list(file) == [b"line 1\n", b"line 2\n"]
    with fs.open(place.path("x.gz"), "r", compression="gzip") as text:
        assert text.readlines() == ["line 1\n", "line 2\n"]
    with fsspec.open(f"alluxiofs://{place.path('x.gz')}", "rt", compression="gzip", **place.arguments) as text:
        assert text.read() == "line 1\nline 2\n"


Bound = st.one_of(st.none(), st.integers(-30, 30))


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=20), bounds=st.lists(st.tuples(Bound, Bound), min_size=1, max_size=5))
def test_ranges_are_pythons_slices(data: bytes, bounds: List[Any]) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory", page_store="memory")
    fs.pipe_file("/ranges", data)
    expected = [data[start:end] for start, end in bounds]
    assert [fs.cat_file("/ranges", start, end) for start, end in bounds] == expected
    assert [fs.read_bytes("/ranges", start=start, end=end) for start, end in bounds] == expected
    starts, ends = map(list, zip(*bounds))
    assert fs.cat_ranges(["/ranges"] * len(bounds), starts, ends) == expected


def test_ranges_of_many_files(fs: AlluxioFileSystem, place: Place) -> None:
    paths = [place.path(f"r{number}") for number in range(5)]
    for path in paths:
        fs.pipe_file(path, path.encode())
    assert fs.cat_ranges(paths * 4, 1, -1) == [path.encode()[1:-1] for path in paths] * 4
    assert fs.cat_ranges([], [], []) == []
    got = fs.cat_ranges([paths[0], place.path("none"), paths[1]], [0, 0, None], [2, 2, 2])
    assert got[0] == paths[0].encode()[:2]
    assert isinstance(got[1], FileNotFoundError)
    assert got[2] == paths[1].encode()[:2]
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges([paths[0], place.path("none")], 0, 2, on_error="raise")
    with pytest.raises(ValueError, match="starts"):
        fs.cat_ranges(paths, [1, 2], 3)
    with pytest.raises(TypeError, match="list"):
        fs.cat_ranges(paths[0], 1, 2)


def test_head_tail_and_blocks(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("ends")
    fs.pipe_file(path, b"0123456789\nabc\n")
    assert fs.head(path, 4) == fs.head(path, num_of_bytes=4) == fs.head(path, size=4) == b"0123"
    assert fs.tail(path, 4) == fs.tail(path, num_of_bytes=4) == fs.tail(path, size=4) == b"abc\n"
    assert fs.head(path) == fs.tail(path) == fs.read_bytes(path) == b"0123456789\nabc\n"
    assert fs.head(path, 0) == fs.tail(path, 0) == b""
    for call in (fs.head, fs.tail):
        with pytest.raises(ValueError, match="negative"):
            call(path, -1)
    assert fs.read_block(path, 3, 4) == b"3456"
    assert fs.read_block(path, 3, 9, delimiter=b"\n") == b"abc\n"
    assert fs.read_block(path, 0, None, delimiter=b"\n") == b"0123456789\nabc\n"


def test_cat_gives_bytes_for_one_file_and_a_dict_for_several(fs: AlluxioFileSystem, place: Place) -> None:
    one, two = place.path("c/one"), place.path("c/d/two")
    fs.pipe({one: b"1", two: b"22"})
    assert fs.cat(one) == b"1"
    assert fs.cat([one]) == {one: b"1"}
    assert fs.cat([two, one]) == {one: b"1", two: b"22"}
    assert fs.cat(place.path("c"), recursive=True) == {one: b"1", two: b"22"}
    assert fs.cat(place.path("c/o*")) == {one: b"1"}
    assert fs.cat([one, place.path("none")], on_error="omit") == {one: b"1"}
    got = fs.cat([one, place.path("none")], on_error="return")
    assert isinstance(got[place.path("none")], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat([one, place.path("none")])
