"""Small reads at random places of an object that is kept on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from benchmarks.core import Aim, Case, benchmark
from benchmarks.data import MIB, Content
from benchmarks.processes import Stage, Task
from benchmarks.races import race
from benchmarks.servers import storage
from benchmarks.work import random_reads

BASELINE = "local files"
OURS = ("alluxiofs, memory", "alluxiofs, disk", "alluxiofs, tiered")


def cases(folder: Path, quick: bool, threads: int, processes: int) -> Iterator[Sequence[Case]]:
    """The same reads of the same object by all of them; what is kept is kept from turn to turn."""
    content = Content((16 if quick else 64) * MIB)
    total = (8_000 if quick else 32_000) * processes
    reads = total // processes // threads
    with storage(folder) as server:
        server.put("data", content)
        task = Task(random_reads, ("data", content, threads, reads, reads * threads * processes))
        yield race(
            server,
            folder,
            (BASELINE, "blockcache", "filecache", *OURS),
            [Stage(task, processes)],
            {name: {"": [Aim(1.0, BASELINE)]} for name in OURS},
            fresh=False,
        )


@benchmark("random-1", unit="4 kB read", turns=7)
def one_thread(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Random 4 kB reads of a kept object, one thread."""
    yield from cases(folder, quick, 1, 1)


@benchmark("random-8", unit="4 kB read", turns=7)
def eight_threads(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same by eight threads, each with a file object of its own."""
    yield from cases(folder, quick, 8, 1)


@benchmark("random-4p", unit="4 kB read", turns=7)
def four_processes(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same by four processes that share what is kept."""
    yield from cases(folder, quick, 1, 4)
