"""Many small objects."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from benchmarks.core import Aim, Case, benchmark
from benchmarks.data import KIB, Content
from benchmarks.processes import Stage, Task
from benchmarks.races import race
from benchmarks.servers import storage
from benchmarks.work import opened, small_files

BASELINE = "local files"
NAMES = (BASELINE, "s3fs", "blockcache", "filecache", "alluxiofs, disk", "alluxiofs, memory")
SIZE = 8 * KIB


@benchmark("small-8", unit="object", turns=5, warm_up=False)
def eight_threads(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """2,000 (quick: 200) objects of 8 kB opened, read and closed by eight threads that share a filesystem."""
    contents = [Content(SIZE, number) for number in range(200 if quick else 2000)]
    with storage(folder) as server:
        server.put_all("small", contents)
        stages = [
            Stage(Task(small_files, (("cold", "kept"), contents, 8))),
            Stage(Task(small_files, (("kept, another process",), contents, 8))),
        ]
        once = [Stage(Task(small_files, (("cold",), contents, 8)))]
        kept = [Aim(1 / 0.7, BASELINE)]
        cold = [Aim(1.0, "s3fs")]
        aims = {
            "alluxiofs, disk": {"cold": cold, "kept": kept, "kept, another process": kept},
            "alluxiofs, memory": {"cold": cold, "kept": kept},
        }
        yield race(server, folder, NAMES, stages, aims, keeps_nothing=once)


@benchmark("open", unit="open, read and close", turns=5, warm_up=False)
def opening(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Small objects that were read before, opened, read and closed one after another."""
    contents = [Content(SIZE, number) for number in range(50 if quick else 300)]
    with storage(folder) as server:
        server.put_all("small", contents)
        stages = [Stage(Task(opened, (phase, contents))) for phase in ("same process", "another process")]
        silent = [Aim(0.0, figure="requests")]
        aims = {"alluxiofs, disk": {"same process": silent, "another process": silent}}
        yield race(server, folder, NAMES, stages, aims, keeps_nothing=stages[:1])
