"""Small reads at random places of a file whose pages are kept on this machine."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any, Callable, Iterator, List, Sequence

import fsspec

from benchmarks.core import Case, benchmark, concurrently
from benchmarks.data import MIB, kept_in_memory, kept_on_disk, write_random

SIZE = 64 * MIB
READ = 4096
READS = 4000  # a sample


def small_reads(file: Any, seed: int, reads: int) -> Callable[[], None]:
    """Read at the same random offsets each time."""
    source = random.Random(seed)
    offsets = [source.randrange(SIZE - READ) for _ in range(reads)]

    def work() -> None:
        for offset in offsets:
            file.seek(offset)
            if len(file.read(READ)) != READ:
                raise AssertionError("a short read")

    return work


def cases(folder: Path, threads: int) -> Iterator[Sequence[Case]]:
    """The same reads of the same file by local files, from memory and from disk, each thread with a file of its own."""
    path = str(write_random(folder / "data", SIZE))
    filesystems = [
        ("local, by fsspec", fsspec.filesystem("file"), None),
        ("kept in memory", kept_in_memory(), 2.0),
        ("kept on disk", kept_on_disk(folder), None),
    ]
    with contextlib.ExitStack() as stack:
        found: List[Case] = []
        for name, fs, most_ratio in filesystems:
            fs.cat_file(path)
            files = [stack.enter_context(fs.open(path)) for _ in range(threads)]
            works = [small_reads(file, seed, READS // threads) for seed, file in enumerate(files)]
            found.append(Case(name, concurrently(works, READS), most_ratio))
        yield found


@benchmark("random-1", unit="4 kB read", repetitions=11)
def one_thread(folder: Path) -> Iterator[Sequence[Case]]:
    """Random 4 kB reads in one thread."""
    yield from cases(folder, 1)


@benchmark("random-8", unit="4 kB read", repetitions=11)
def eight_threads(folder: Path) -> Iterator[Sequence[Case]]:
    """Random 4 kB reads in eight threads, each with a file of its own."""
    yield from cases(folder, 8)
