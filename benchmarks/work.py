"""What contestants do in their processes. Every byte that they are given is compared, off the clock where it can be."""

from __future__ import annotations

import contextlib
import functools
import random
from typing import Any, Callable, ContextManager, List, Sequence, Tuple

from benchmarks.core import concurrently
from benchmarks.data import MIB, Content
from benchmarks.processes import Stopwatch

__all__ = [
    "CONNECT",
    "connect",
    "epochs",
    "listings",
    "opened",
    "random_reads",
    "scan",
    "small_files",
    "stream_again",
    "stream_together",
    "streams",
]

READ = 4096
_WRONG = "bytes that are not the file's"
CONNECT = "connect"  # the key of an object of one byte that is read before what is measured


def connect(fs: Any, root: str) -> None:
    """Read something else first, so that making a client and connecting is not in what is measured."""
    path = f"{root}/{CONNECT}"
    if hasattr(fs, "open_input_stream"):  # PyArrow's own
        fs.open_input_stream(path).close()
    else:
        with fs.open(path, "rb") as file:
            file.read()


def _stream(fs: Any, path: str, content: Content, comparing: Callable[[], ContextManager[None]]) -> bool:
    """Read from the beginning to the end, 1 MiB at a time."""
    offset, right = 0, True
    with fs.open(path, "rb") as file:
        while True:
            block = file.read(MIB)
            if not block:
                return right and offset == content.size
            with comparing():
                right = right and content.holds(block, offset)
            offset += len(block)


def streams(
    fs: Any, root: str, watch: Stopwatch, number: int, phases: Sequence[str], key: str, content: Content
) -> None:
    """Stream a file, once for each phase."""
    connect(fs, root)
    stream_again(fs, root, watch, number, phases, key, content)


def stream_again(
    fs: Any, root: str, watch: Stopwatch, number: int, phases: Sequence[str], key: str, content: Content
) -> None:
    """The same, without connecting first: for who may not need to."""
    for phase in phases:
        with watch.phase(phase, content.size // MIB, content.size):
            right = _stream(fs, f"{root}/{key}", content, watch.off)
        watch.check(right, _WRONG)


def stream_together(
    fs: Any, root: str, watch: Stopwatch, number: int, phase: str, key: str, content: Content, threads: int
) -> None:
    """Stream one file in several threads at once, each with a file object of its own."""
    connect(fs, root)
    right: List[bool] = []

    def work() -> None:
        right.append(_stream(fs, f"{root}/{key}", content, contextlib.nullcontext))

    with watch.phase(phase, content.size // MIB, content.size):
        concurrently([work] * threads)
    watch.check(all(right), _WRONG)


def random_reads(
    fs: Any, root: str, watch: Stopwatch, number: int, key: str, content: Content, threads: int, reads: int, total: int
) -> None:
    """Small reads at random places of a file that was read before: so many by each thread, with a file of its own.

    Comparing is on the clock here, for threads cannot stop it: 0.2 microseconds a read.
    """
    path = f"{root}/{key}"
    right = [_stream(fs, path, content, contextlib.nullcontext)]

    def reader(file: Any, seed: int) -> Callable[[], None]:
        chance = random.Random(seed)
        offsets = [chance.randrange(content.size - READ) for _ in range(reads)]
        checks = [(offset, content.check(offset, READ)) for offset in offsets]

        def work() -> None:
            good = True
            for offset, is_right in checks:
                file.seek(offset)
                data = file.read(READ)
                if len(data) != READ or not is_right(data):
                    good = False
            right.append(good)

        return work

    with contextlib.ExitStack() as stack:
        seeds = range(number * threads, (number + 1) * threads)
        works = [reader(stack.enter_context(fs.open(path, "rb")), seed) for seed in seeds]
        with watch.phase("", total):
            concurrently(works)
    watch.check(all(right), _WRONG)


def small_files(
    fs: Any, root: str, watch: Stopwatch, number: int, phases: Sequence[str], contents: Sequence[Content], threads: int
) -> None:
    """Open, read and close many small files, in several threads that share them and the filesystem."""
    if "kept" in phases:
        connect(fs, root)
    found: List[Tuple[Content, bytes]] = []

    def work(share: Sequence[Content]) -> None:
        for content in share:
            with fs.open(f"{root}/small/{content.number}", "rb") as file:
                found.append((content, file.read()))

    works = [functools.partial(work, contents[first::threads]) for first in range(threads)]
    for phase in phases:
        found.clear()
        with watch.phase(phase, len(contents), sum(content.size for content in contents)):
            concurrently(works)
        right = all(len(data) == content.size and content.holds(data) for content, data in found)
        watch.check(right and len(found) == len(contents), _WRONG)


def opened(fs: Any, root: str, watch: Stopwatch, number: int, phase: str, contents: Sequence[Content]) -> None:
    """Open, read and close small files one after another; those of the first phase were read by this process before."""
    found: List[bytes] = []
    paths = [f"{root}/small/{content.number}" for content in contents]

    def read_all() -> None:
        found.clear()
        for path in paths:
            with fs.open(path, "rb") as file:
                found.append(file.read())

    if phase == "same process":
        read_all()
    with watch.phase(phase, len(contents)):
        read_all()
    watch.check(all(map(Content.holds, contents, found)) and len(found) == len(contents), _WRONG)


def listings(
    fs: Any, root: str, watch: Stopwatch, number: int, method: str, phases: Sequence[str], names: Sequence[str]
) -> None:
    """List a prefix of many keys: ``find`` or ``ls``."""
    if "cold" in phases:
        connect(fs, root)
    for phase in phases:
        with watch.phase(phase, 1):
            found = getattr(fs, method)(f"{root}/many", detail=False)
        watch.check(sorted(found) == sorted(f"{root}/many/{name}" for name in names), "names that are not the keys'")


def scan(
    fs: Any,
    root: str,
    watch: Stopwatch,
    number: int,
    phases: Sequence[str],
    keys: Sequence[str],
    columns: Sequence[str],
    size: int,
    local: str,
) -> None:
    """Scan a dataset of Parquet files with PyArrow.

    Parameters
    ----------
    keys, columns:
        The files, and what of them is read.
    size:
        Bytes of all files.
    local:
        The folder of the same files, to compare with.
    """
    from pyarrow import dataset

    if "cold" in phases:
        connect(fs, root)
    for phase in phases:
        with watch.phase(phase, 1, size):
            source = dataset.dataset([f"{root}/{key}" for key in keys], filesystem=fs, format="parquet")
            table = source.to_table(columns=list(columns))
        expected = dataset.dataset([f"{local}/{key}" for key in keys], format="parquet").to_table(columns=list(columns))
        watch.check(table.equals(expected), "rows that are not the files'")


def epochs(fs: Any, root: str, watch: Stopwatch, number: int, contents: Sequence[Content], total: int) -> None:
    """Read all files three times, each time in another order, which is this process's own."""
    connect(fs, root)
    chance = random.Random(number)
    for epoch in (1, 2, 3):
        order = list(contents)
        chance.shuffle(order)
        right = True
        with watch.phase(f"epoch {epoch}", total, sum(content.size for content in contents)):
            for content in order:
                with fs.open(f"{root}/samples/{content.number}", "rb") as file:
                    data = file.read()
                right = right and len(data) == content.size and content.holds(data)
        watch.check(right, _WRONG)
