"""Listing a prefix of many keys."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from benchmarks.core import Aim, Case, benchmark
from benchmarks.data import Content
from benchmarks.processes import Stage, Task
from benchmarks.races import race
from benchmarks.servers import storage
from benchmarks.work import listings

NAMES = ("local files", "s3fs", "alluxiofs, disk")


def cases(folder: Path, quick: bool, method: str) -> Iterator[Sequence[Case]]:
    """The first time, again, and again in another process."""
    names = [f"part-{number:05}" for number in range(1_000 if quick else 10_000)]
    with storage(folder) as server:
        server.put_all("many", [Content(8, 1)])
        for name in names:
            server.copy_object("many/1", f"many/{name}")
        Path(server.data, "many", "1").unlink()
        stages = [
            Stage(Task(listings, (method, ("cold", "again"), names))),
            Stage(Task(listings, (method, ("another process",), names))),
        ]
        silent = [Aim(0.0, figure="requests")]
        aims = {"alluxiofs, disk": {"again": silent, "another process": silent}}
        yield race(server, folder, NAMES, stages, aims, keeps_nothing=stages[:1])


@benchmark("find", unit="find", turns=5, warm_up=False)
def finding(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """find() of 10,000 keys (quick: 1,000)."""
    yield from cases(folder, quick, "find")


@benchmark("ls", unit="ls", turns=5, warm_up=False)
def listing(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """ls() of the same."""
    yield from cases(folder, quick, "ls")
