"""Parquet files scanned by PyArrow."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Iterator, List, Sequence

from benchmarks.core import Aim, Case, UnavailableError, benchmark
from benchmarks.processes import Stage, Task
from benchmarks.races import race
from benchmarks.servers import BUCKET, Storage, storage
from benchmarks.work import scan

BASELINE = "local files"
NAMES = (BASELINE, "s3fs", "blockcache", "filecache", "alluxiofs, disk", "alluxiofs, memory", "PyArrow's S3")
COLD, WARM, OTHER = "cold", "warm", "warm, another process"
FILES = 4
FEW = ("id", "price", "kind")


def table(rows: int, seed: int) -> Any:
    """A table of sixteen columns: numbers, times, and a few texts."""
    import pyarrow as pa
    from pyarrow import compute

    first = seed * rows
    ids = pa.array(range(first, first + rows), pa.int64())
    columns = {"id": ids}
    for number in range(11):
        columns[f"value{number}"] = compute.random(rows, initializer=seed * 100 + number)
    columns["price"] = compute.round(compute.multiply(compute.random(rows, initializer=seed), 1000.0), 2)
    columns["time"] = pa.array(range(first, first + rows), pa.timestamp("us"))
    columns["kind"] = pa.array([f"kind {number % 97}" for number in range(rows)])
    columns["name"] = compute.cast(ids, pa.string())
    return pa.table(columns)


def put(server: Storage, folder: Path, rows: int) -> List[str]:
    """Files of the dataset, eight row groups each."""
    from pyarrow import parquet

    keys = [f"table/part-{number}.parquet" for number in range(FILES)]
    for number, key in enumerate(keys):
        made = folder / f"part-{number}.parquet"
        parquet.write_table(table(rows, number), made, row_group_size=rows // 8)
        server.client().put_file(str(made), f"{BUCKET}/{key}")
    return keys


def cases(folder: Path, quick: bool, latency: int, few: bool) -> Iterator[Sequence[Case]]:
    """Cold, again, and again in another process."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UnavailableError("PyArrow is not installed: pip install pyarrow")
    with storage(folder, latency) as server:
        keys = put(server, folder, 50_000 if quick else 250_000)
        size = sum(Path(server.data, key).stat().st_size for key in keys)
        columns = FEW if few else tuple(table(1, 0).column_names)

        def task(*phases: str) -> Task:
            return Task(scan, (phases, keys, columns, size, server.data))

        warm, other, cold = [Aim(1.3, BASELINE)], [Aim(2.0, BASELINE)], [Aim(0.5, "s3fs")]
        if few:
            cold.append(Aim(0.5, figure="fetched"))
        aims = {
            "alluxiofs, disk": {COLD: cold, WARM: warm, OTHER: other},
            "alluxiofs, memory": {COLD: cold, WARM: warm},
        }
        stages = [Stage(task(COLD, WARM)), Stage(task(OTHER))]
        names = [name for name in NAMES if not quick or name != "alluxiofs, memory"]
        yield race(server, folder, names, stages, aims, keeps_nothing=stages[:1])


@benchmark("parquet", unit="scan", turns=5, warm_up=False)
def direct(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """All columns of four Parquet files of 29 MB each (quick: 6 MB), read by PyArrow."""
    yield from cases(folder, quick, 0, few=False)


@benchmark("parquet-20ms", unit="scan", turns=5, warm_up=False)
def late(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same from a server whose answers are 20 ms late."""
    yield from cases(folder, quick, 20, few=False)


@benchmark("columns", unit="scan", turns=5, warm_up=False)
def few(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Three of the sixteen columns."""
    yield from cases(folder, quick, 0, few=True)


@benchmark("columns-20ms", unit="scan", turns=5, warm_up=False)
def few_late(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Three of the sixteen columns, answers 20 ms late."""
    yield from cases(folder, quick, 20, few=True)
