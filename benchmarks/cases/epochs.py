"""What a training job does: several processes read all samples, again and again, each time in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional, Sequence

from benchmarks.core import Aim, Case, benchmark
from benchmarks.data import KIB, Content
from benchmarks.processes import Stage, Task
from benchmarks.races import race
from benchmarks.servers import storage
from benchmarks.work import epochs

BASELINE = "local files"
NAMES = (BASELINE, "s3fs", "blockcache", "filecache", "alluxiofs, disk", "alluxiofs, tiered")
PROCESSES = 4


def cases(folder: Path, quick: bool, share: Optional[float]) -> Iterator[Sequence[Case]]:
    """Three epochs with room for a share of the samples."""
    contents = [Content(256 * KIB, number) for number in range(24 if quick else 384)]
    size = sum(content.size for content in contents)
    with storage(folder) as server:
        server.put_all("samples", contents)
        capacity = None if share is None else int(size * share)
        stages = [Stage(Task(epochs, (contents, PROCESSES * len(contents))), PROCESSES)]
        aims = {} if share else {"alluxiofs, disk": {"epoch 1": [Aim(1.01, figure="fetched")]}}
        names = [name for name in NAMES if name != "alluxiofs, tiered" or not (share or quick)]
        yield race(server, folder, names, stages, aims, capacity=capacity)


@benchmark("epochs", unit="sample", turns=5, warm_up=False)
def enough(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Three shuffled epochs of 384 objects of 256 KiB (quick: 24), read whole by each of four processes that share a
    folder."""
    yield from cases(folder, quick, None)


@benchmark("epochs-half", unit="sample", turns=5, warm_up=False)
def half(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same with room for half of the samples."""
    yield from cases(folder, quick, 0.5)
