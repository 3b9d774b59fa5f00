"""An object from its beginning to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from benchmarks.core import Aim, Case, benchmark
from benchmarks.data import MIB, Content
from benchmarks.processes import Stage, Task
from benchmarks.races import race
from benchmarks.servers import storage
from benchmarks.work import stream_again, stream_together, streams

BASELINE = "local files"
NAMES = (BASELINE, "s3fs", "blockcache", "filecache", "alluxiofs, nothing kept", "alluxiofs, disk")
FIRST, AGAIN, OTHER = "first pass", "kept", "kept, another process"
EXACTLY = Aim(1.01, figure="fetched")
BOUNDED = Aim(100e6, figure="memory")


def cases(folder: Path, content: Content, latency: int, most: float) -> Iterator[Sequence[Case]]:
    """First pass and second, and another process after it."""
    with storage(folder, latency) as server:
        server.put("data", content)
        stages = [
            Stage(Task(streams, ((FIRST, AGAIN), "data", content))),
            Stage(Task(stream_again, ((OTHER,), "data", content))),
        ]
        once = [Stage(Task(streams, ((FIRST,), "data", content)))]
        first = [EXACTLY, BOUNDED, Aim(most, "s3fs")]
        kept = [Aim(1.0, BASELINE)]
        aims = {
            "alluxiofs, nothing kept": {FIRST: first},
            "alluxiofs, disk": {FIRST: first, AGAIN: kept, OTHER: kept},
        }
        yield race(server, folder, NAMES, stages, aims, keeps_nothing=once)


def together(folder: Path, quick: bool, threads: int, processes: int) -> Iterator[Sequence[Case]]:
    """All of them read the whole of one object at the same time."""
    content = Content((16 if quick else 128) * MIB)
    with storage(folder) as server:
        server.put("data", content)
        stages = [Stage(Task(stream_together, (FIRST, "data", content, threads)), processes)]
        names = [name for name in NAMES if name != "alluxiofs, nothing kept"]
        yield race(server, folder, names, stages, {"alluxiofs, disk": {FIRST: [EXACTLY]}})


@benchmark("stream", unit="MiB", turns=5, warm_up=False)
def direct(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """1 GiB (quick: 64 MiB) streamed by 1 MiB."""
    yield from cases(folder, Content((64 if quick else 1024) * MIB), 0, 1.0)


@benchmark("stream-20ms", unit="MiB", turns=5, warm_up=False)
def late(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """256 MiB (quick: 32 MiB) streamed by 1 MiB from a server whose answers are 20 ms late."""
    yield from cases(folder, Content((32 if quick else 256) * MIB), 20, 1 / 1.5)


@benchmark("first-16t", unit="MiB of the object", turns=5, warm_up=False)
def sixteen_threads(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The first pass of 16 threads over one object of 128 MiB (quick: 16 MiB)."""
    yield from together(folder, quick, 16, 1)


@benchmark("first-4p", unit="MiB of the object", turns=5, warm_up=False)
def four_processes(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same by four processes that share a folder."""
    yield from together(folder, quick, 1, 4)
