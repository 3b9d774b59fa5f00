"""Measures one policy with so many workers. Run as a module it does so in a process of its own, whose memory is then
that of the policy: JSON comes in and goes out by the standard streams."""

from __future__ import annotations

import gc
import json
import math
import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import Any, Dict, List, Mapping, Optional, Sequence

from attrs import asdict, define, field

__all__ = ["Case", "Measured", "even_chance", "measure"]

_MOVING = 50_000  # keys that are looked at again when a worker has left
_LEAST = 1_000  # keys, however slow they are
_CHECKED = 64  # keys from one look at the clock to the next


@define(frozen=True)
class Case:
    """What is measured.

    Parameters
    ----------
    policy, settings:
        The name of the policy, and its settings.
    workers:
        How many.
    keys:
        How many are ranked at most.
    seconds:
        Of CPU time, for so long at most.
    """

    policy: str
    workers: int
    keys: int
    seconds: float
    settings: Mapping[str, Any] = field(factory=dict)

    @property
    def name(self) -> str:
        """As a user would write it."""
        return " ".join([self.policy, *(f"{name}={value}" for name, value in self.settings.items())])


@define(frozen=True)
class Measured:
    """What came of it.

    Parameters
    ----------
    keys:
        How many were ranked.
    fullest:
        Keys of the worker that has the most, over the mean.
    even:
        What that would be if chance alone placed as many keys: what is above it is the policy's doing.
    spread:
        By how much the workers' shares differ: their standard deviation over the mean, without what chance adds to it.
    moved:
        The share of keys that are another worker's when one leaves: the part that is its own (``1 / workers``), and
        what was measured of others' keys that move though their workers are still there.
    build_seconds, rank_seconds:
        How long making the policy takes, and finding the worker of one key. In CPU time, so that what else the machine
        does is not the policy's doing.
    memory, peak:
        Bytes that the process has grown by when the policy is made, and by how much it had grown while that was done;
        ``None`` where the system does not say.
    """

    keys: int
    fullest: float
    even: float
    spread: float
    moved: float
    build_seconds: float
    rank_seconds: float
    memory: Optional[int]
    peak: Optional[int]


def measure(case: Case) -> Measured:
    """Measure in a process of its own.

    Raises
    ------
    RuntimeError
        With what the process said, if it failed.
    """
    command = [sys.executable, "-m", __name__]
    ran = subprocess.run(command, input=json.dumps(asdict(case)), capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or [f"it ended with {ran.returncode}"]
        raise RuntimeError(f"{case.name} with {case.workers:,} workers: {said[-1]}")
    return Measured(**json.loads(ran.stdout))


def even_chance(keys: int, workers: int) -> float:
    """Keys of the fullest worker over the mean, where chance alone places them."""
    placed = Counter(random.Random(0).choices(range(workers), k=keys))  # noqa: S311 - no secret: it is to be the same each time
    return max(placed.values()) * workers / keys


def _memory() -> Optional[int]:
    """The memory that this process has; ``None`` where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return _most_memory()


def _forget_most_memory() -> None:
    """Have the most that it has had begin anew, where the system can."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as clear:
            clear.write("5")
    except OSError:
        pass


def _most_memory() -> Optional[int]:
    """The most that it has had; ``None`` where the system does not say."""
    try:
        with open("/proc/self/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):  # not Linux
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _measured(case: Case) -> Measured:
    from alluxiofs import Worker, WorkerIdentity, make_policy

    hosts = [f"worker-{number}" for number in range(case.workers)]
    workers = [Worker(WorkerIdentity.from_host(host), host) for host in hosts]
    make_policy(case.policy, workers[:1])  # what is imported is not the policy's

    gc.collect()
    _forget_most_memory()
    before, began = _memory(), time.process_time()
    policy = make_policy(case.policy, workers, **case.settings)
    built, after, most = time.process_time() - began, _memory(), _most_memory()

    owners: List[str] = []
    began = time.process_time()
    while len(owners) < case.keys:
        if time.process_time() > began + case.seconds and len(owners) >= _LEAST:
            break
        following = range(len(owners), min(case.keys, len(owners) + _CHECKED))
        owners.extend([policy.rank(_key(number), 1)[0].host for number in following])
    ranked = time.process_time() - began

    placed = Counter(owners)
    return Measured(
        keys=len(owners),
        fullest=max(placed.values()) * case.workers / len(owners),
        even=even_chance(len(owners), case.workers),
        spread=_spread([placed[host] for host in hosts]),
        moved=_moved(case, workers, owners),
        build_seconds=built,
        rank_seconds=ranked / len(owners),
        memory=_grown(before, after),
        peak=_grown(before, most),
    )


def _spread(counts: Sequence[int]) -> float:
    """Keys that fall on shares add their own variance, which is the mean (Poisson): the rest is that of the shares."""
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / max(1, len(counts) - 1)
    return math.sqrt(max(0.0, variance - mean)) / mean


def _grown(before: Optional[int], after: Optional[int]) -> Optional[int]:
    return None if before is None or after is None else max(0, after - before)


def _moved(case: Case, workers: List[Any], owners: List[str]) -> float:
    """The share of keys that are another worker's when one in the middle has left."""
    from alluxiofs import make_policy

    if case.workers == 1:
        return 1.0
    gone = case.workers // 2
    policy = make_policy(case.policy, [*workers[:gone], *workers[gone + 1 :]], **case.settings)
    looked, moved, end = 0, 0, time.process_time() + case.seconds
    for number, owner in enumerate(owners[:_MOVING]):
        looked += 1
        # Who only goes from one worker to the next is asked for each key, or would seem to stay with what was left out.
        now = policy.rank(_key(number), 1)[0].host
        # Its own are left out: of many workers a few keys are one's, and counting those would say how many by chance.
        moved += owner not in (workers[gone].host, now)
        if looked >= _LEAST and time.process_time() > end:
            break
    return min(1.0, 1 / case.workers + moved / looked)


def _key(number: int) -> str:
    return f"s3://bucket/table/part-{number:08d}.parquet"


def _main() -> None:
    case: Dict[str, Any] = json.load(sys.stdin)
    json.dump(asdict(_measured(Case(**case))), sys.stdout)


if __name__ == "__main__":
    _main()
