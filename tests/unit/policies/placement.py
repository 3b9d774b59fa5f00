"""What Alluxio's own client answers, read from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence

from alluxiofs.interfaces import Worker, WorkerIdentity, WorkerPolicy, Workers
from alluxiofs.policies.ring import WHO

VECTORS = Path(__file__).parents[2] / "data" / "placement"


def load(name: str) -> Dict[str, Any]:
    loaded: Dict[str, Any] = json.loads((VECTORS / name).read_text("utf-8"))
    return loaded


def names(pattern: str) -> List[str]:
    found = sorted(path.name for path in VECTORS.glob(pattern))
    assert found, f"no {pattern} in {VECTORS}"
    return found


def workers_of(vectors: Dict[str, Any]) -> Workers:
    return tuple(
        Worker(
            WorkerIdentity(worker["identity"]["version"], bytes.fromhex(worker["identity"]["identifier"])),
            worker["host"],
            worker["http_port"],
            worker["data_port"],
        )
        for worker in vectors["workers"]
    )


def indices(workers: Workers, ranked: Sequence[Worker]) -> List[int]:
    return [workers.index(worker) for worker in ranked]


def check_choices(policy: WorkerPolicy, workers: Workers, vectors: Dict[str, Any]) -> None:
    """That every key has the workers that Alluxio chooses; where it gives up, those that it finds come first."""
    count = vectors["count"]
    for vector in vectors["vectors"]:
        ranked = indices(workers, policy.rank(vector["key"], count))
        assert len(ranked) == min(count, len(workers))
        expected = vector["found"] if vector["workers"] is None else vector["workers"]
        assert ranked[: len(expected)] == expected, vector["key"]
        assert indices(workers, policy.rank(vector["key"], 1)) == ranked[:1]


def checksum(numbers: Iterable[int]) -> str:
    """The checksum that the files have of tables: alike to FNV-1a, but by numbers."""
    total = 1469598103934665603
    for number in numbers:
        total = ((total ^ number) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return f"{total:016x}"


def check_ring(ring: Sequence[float], vectors: Dict[str, Any]) -> None:
    """That a ring has the points that Alluxio's has."""
    last = len(vectors["workers"]) - 1
    points: Dict[int, int] = {}
    for packed in map(int, ring[:-1]):  # the last one is the first again
        points.setdefault(packed // WHO, last - packed % WHO)  # of equal points the first is the one that counts
    assert len(points) == vectors["ring_size"]
    assert [list(point) for point in points.items()][:50] == vectors["ring_sample"]
    numbers = (number for point, worker in points.items() for number in (point & 0xFFFFFFFF, worker))
    assert checksum(numbers) == vectors["ring_checksum"].rjust(16, "0")
