"""``python -m benchmarks.placement``: how evenly policies share out keys, and how many move, as a table.

No time is measured: keys and workers are always the same, and so is the table.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, Dict, List, Sequence, Tuple

from attrs import define

from alluxiofs import Worker, WorkerIdentity, make_policy

__all__ = ["POLICIES", "Placed", "measure"]

POLICIES: Sequence[Tuple[str, Dict[str, Any]]] = (
    ("consistent-hash", {"virtual_nodes": 5}),
    ("consistent-hash", {"virtual_nodes": 100}),
    ("consistent-hash", {"virtual_nodes": 2000}),
    ("jump", {}),
    ("ketama", {}),
    ("maglev", {}),
    ("multi-probe", {}),
    ("rendezvous", {}),
)


@define(frozen=True)
class Placed:
    """What a policy does with some workers.

    Parameters
    ----------
    most, least:
        The largest and the smallest share of a worker, where 1 is its even part.
    moved:
        When one worker in the middle goes: the share of the keys of the others that move, too.
    """

    most: float
    least: float
    moved: float


def measure(name: str, settings: Dict[str, Any], count: int, keys: int = 20_000) -> Placed:
    """Place so many keys on so many workers, then on all but one of them."""
    workers = [
        Worker(WorkerIdentity.from_host(f"worker-{number}.example"), f"worker-{number}") for number in range(count)
    ]
    urls = [f"s3://bucket/table/day={number // 100}/part-{number % 100:05}.parquet" for number in range(keys)]
    gone = workers[count // 2]
    before = _placed(name, settings, workers, urls)
    after = _placed(name, settings, [worker for worker in workers if worker is not gone], urls)
    shares = Counter(before)
    parts = [shares[worker] * count / keys for worker in workers]
    others = [(old, new) for old, new in zip(before, after) if old != gone]
    return Placed(max(parts), min(parts), sum(old != new for old, new in others) / len(others))


def _placed(name: str, settings: Dict[str, Any], workers: Sequence[Worker], urls: Sequence[str]) -> List[Worker]:
    policy = make_policy(name, workers, **settings)
    return [policy.rank(url, 1)[0] for url in urls]


def main() -> None:
    """Print the table."""
    lines = [
        "| policy | workers | largest share | smallest share | keys of others that move |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, settings in POLICIES:
        shown = f"`{name}`" + "".join(f", {value} {setting}" for setting, value in settings.items())
        for count in (3, 10, 50):
            placed = measure(name, settings, count)
            lines.append(f"| {shown} | {count} | {placed.most:.2f} | {placed.least:.2f} | {placed.moved:.1%} |")
    sys.stdout.write("\n".join(lines).replace("_", " ") + "\n")


if __name__ == "__main__":
    main()
