"""Single requests to an S3 server, without a gateway or anything kept: what each costs by the clock, and of CPU."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence

from benchmarks.core import Aim, Case, Outcome, UnavailableError, Work, benchmark, concurrently
from benchmarks.data import KIB, MIB, Content
from benchmarks.servers import BUCKET, Storage, storage

LARGE, SMALL, COUNT, THREADS = 8 * MIB, 4 * KIB, 16, 8
Ask = Callable[[int], object]

# What nobody but the client itself can do: with it, the under store leaves all to the client.
BY_CLIENT = {"tcp_keepalive": True}


def by_s3fs(server: Storage) -> Dict[str, Ask]:
    """s3fs, with nothing remembered."""
    import fsspec

    bare = fsspec.filesystem("s3", **server.options, use_listings_cache=False, skip_instance_cache=True)
    return {
        "4 kB": lambda number: bare.cat_file(f"{BUCKET}/large", start=number * SMALL, end=(number + 1) * SMALL),
        "stat": lambda number: bare.info(f"{BUCKET}/small/{number % COUNT}", refresh=True),
        "8 MiB": lambda _: bare.cat_file(f"{BUCKET}/large", start=0, end=LARGE),
        "small, 8 threads": lambda number: bare.cat_file(f"{BUCKET}/small/{number % COUNT}", start=0, end=SMALL),
    }


def by_under_store(server: Storage, config: Mapping[str, Any]) -> Dict[str, Ask]:
    """The under store ``s3``."""
    from alluxiofs.interfaces import Deadline, Target
    from alluxiofs.plugins.under_store_s3 import S3UnderStore
    from alluxiofs.testing import make_context

    options = {**server.options, "config_kwargs": {**server.options.get("config_kwargs", {}), **config}}
    store = S3UnderStore(Target("s3", options), S3UnderStore.Settings(), make_context())
    soon = partial(Deadline.after, 60)
    names = [f"{BUCKET}/large", *(f"{BUCKET}/small/{number}" for number in range(COUNT))]
    large, *small = [store.stat(name, soon()) for name in names]

    def read(entry: Any, start: int, size: int) -> None:
        store.read_into(entry.name, entry.version, start, memoryview(bytearray(size)), soon())

    return {
        "4 kB": lambda number: read(large, number * SMALL, SMALL),
        "stat": lambda number: store.stat(small[number % COUNT].name, soon()),
        "8 MiB": lambda _: read(large, 0, LARGE),
        "small, 8 threads": lambda number: read(small[number % COUNT], 0, SMALL),
    }


def sample(asks: Mapping[str, Ask], requests: int) -> Dict[str, Outcome]:
    """Seconds for each request, by the clock and of this process's CPU."""
    found: Dict[str, Outcome] = {}
    for phase, ask in asks.items():
        threads = THREADS if phase.endswith("threads") else 1
        count = requests // 16 if phase == "8 MiB" else requests

        def work(first: int, ask: Ask = ask, count: int = count, threads: int = threads) -> None:
            for number in range(first, count, threads):
                ask(number)

        works: List[Work] = [partial(work, first) for first in range(threads)]
        begun, used = time.perf_counter(), time.process_time()
        concurrently(works)
        found[phase] = {"seconds": (time.perf_counter() - begun) / count}
        found[f"{phase}, CPU"] = {"seconds": (time.process_time() - used) / count}
    return found


@benchmark("s3-requests", unit="request", turns=7)
def requests(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """400 (quick: 96) requests of each kind, one after another or by eight threads."""
    try:
        import s3fs  # noqa: F401 - for the message below
    except ImportError as error:
        raise UnavailableError("s3fs is not installed: pip install 'alluxiofs[s3]'") from error
    with storage(folder) as server:
        server.put("large", Content(LARGE))
        server.put_all("small", [Content(SMALL, number) for number in range(COUNT)])
        count = 96 if quick else 400
        kinds = ("4 kB", "stat", "8 MiB", "small, 8 threads")
        aims = {kind: [Aim(1.0, "s3fs")] for kind in kinds}
        contestants = {
            "s3fs": by_s3fs(server),
            "under store s3": by_under_store(server, {}),
            "under store s3, by the client": by_under_store(server, BY_CLIENT),
        }
        yield [
            Case(name, partial(sample, asks, count), aims if name == "under store s3" else {})
            for name, asks in contestants.items()
        ]
