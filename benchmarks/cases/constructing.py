"""What one more filesystem costs, once the process has one like it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Sequence

import fsspec

from benchmarks.core import Aim, Case, Outcome, benchmark, seconds, timed

TIMES = 20
QUICK = {"": [Aim(1e-3)]}
PLAIN: Dict[str, Any] = {"target_protocol": "file", "page_store": {"name": "memory", "capacity": "16MB"}}
REMOTE: Dict[str, Any] = {
    "target_protocol": "s3",
    "target_options": {"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:9"},  # nothing connects
    "page_store": {"name": "memory", "capacity": "16MB"},
}


def anew(protocol: str, **arguments: Any) -> Callable[[], Mapping[str, Outcome]]:
    """A sample function: seconds for an instance of its own, past fsspec's cache of instances."""

    def construct() -> None:
        for _ in range(TIMES):
            fsspec.filesystem(protocol, skip_instance_cache=True, **arguments)

    return timed(construct, TIMES)


def in_a_new_thread(**arguments: Any) -> float:
    """Seconds for the first instance in a thread, as Dask and Ray make them (fsspec keeps instances by thread)."""

    def construct() -> float:
        begun = time.perf_counter()
        fsspec.filesystem("alluxiofs", **arguments)
        return time.perf_counter() - begun

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(construct).result()


@benchmark("construct", unit="filesystem", turns=21, quick_turns=5)
def constructing(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """One more filesystem of settings that the process has seen before."""
    yield [
        Case("local, by fsspec", anew("file")),
        Case("alluxiofs over local files", anew("alluxiofs", **PLAIN), QUICK),
        Case("the same in a new thread", seconds(lambda: in_a_new_thread(**PLAIN)), QUICK),
        Case("alluxiofs over S3", anew("alluxiofs", **REMOTE), QUICK),
    ]
