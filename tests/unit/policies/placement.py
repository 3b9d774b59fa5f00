"""What Alluxio's own client answers, read from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

from alluxiofs.interfaces import Worker, WorkerIdentity, Workers

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
