"""Small reads from a worker, beside a loop over a bare socket, a pool of urllib3, and the release 1.1.17."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any, Callable, Iterator, List, Sequence

from benchmarks.core import Aim, Case, Outcome, benchmark, concurrently
from benchmarks.wire import BareSocket, Ours, Targets, Urllib3, expect
from benchmarks.workers import DIALECTS, MIB, OLD, OURS, POOL, RAW, asked, both, clusters, measured, old

SMALL = 4096


def small_reads(folder: Path, quick: bool, threads: int, aim: float) -> Iterator[Sequence[Case]]:
    """The same random places for everybody."""
    (folder / "data").write_bytes(random.Random(1).getrandbits(8 * 16 * MIB).to_bytes(16 * MIB, "little"))
    data = (folder / "data").read_bytes()
    reads = 1000 // threads  # short turns, many of them: what else the machine does comes and goes
    reads -= reads % 10
    draw = random.Random(2)
    # Each within a page, as one read of a page is.
    offsets = [[draw.randrange(16) * MIB + draw.randrange(MIB - SMALL) for _ in range(reads)] for _ in range(threads)]
    units = reads * threads

    def loop(read_into: Callable[[int, memoryview], object], own: List[int]) -> None:
        buffer = bytearray(SMALL)
        with memoryview(buffer) as view:
            for offset in own:
                read_into(offset, view)
            expect(bytes(buffer), data[own[-1] : own[-1] + SMALL])

    with clusters(folder) as running, old(running["rest"]) as former, contextlib.ExitStack() as stack:
        targets = {dialect: Targets(cluster) for dialect, cluster in running.items()}
        for cluster in running.values():
            cluster.load_all()
        bare = {
            dialect: [stack.enter_context(contextlib.closing(BareSocket(one))) for _ in range(threads)]
            for dialect, one in targets.items()
        }
        pools = {
            dialect: stack.enter_context(contextlib.closing(Urllib3(one, threads))) for dialect, one in targets.items()
        }
        ours = {dialect: Ours(one) for dialect, one in targets.items()}
        files = {
            dialect: [stack.enter_context(one.fs.open(one.path("data"))) for _ in range(threads)]
            for dialect, one in ours.items()
        }

        def with_bare(dialect: str) -> Outcome:
            works = [
                lambda one=one, own=own: loop(lambda offset, view: one.read_into("data", offset, view), own)
                for one, own in zip(bare[dialect], offsets)
            ]
            return measured(lambda: concurrently(works), units)

        def with_pool(dialect: str) -> Outcome:
            pool = pools[dialect]
            works = [
                lambda own=own: loop(lambda offset, view: pool.read_into("data", offset, view), own) for own in offsets
            ]
            return measured(lambda: concurrently(works), units)

        def with_ours(dialect: str) -> Outcome:
            def read(file: Any, own: List[int]) -> None:
                for offset in own:
                    found = file.pread(offset, SMALL)
                expect(found, data[own[-1] : own[-1] + SMALL])

            works = [lambda file=file, own=own: read(file, own) for file, own in zip(files[dialect], offsets)]
            return measured(lambda: concurrently(works), units)

        path, tenth = running["rest"].url("data"), [own[: reads // 10] for own in offsets]
        yield [
            Case(RAW, both(with_bare)),
            Case(POOL, both(with_pool)),
            Case(
                OURS,
                both(with_ours),
                {dialect: [Aim(1 / aim, RAW), Aim(90e-6, figure="cpu")] for dialect in DIALECTS},
            ),
            Case(
                OLD,
                lambda: {
                    "rest": asked(former, units / 10, "reads", path=path, named="/mnt/data", offsets=tenth, size=SMALL)
                },
            ),
        ]


@benchmark("wire-4k-1", unit="4 kB read", turns=25)
def small_reads_of_one(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """Random 4 kB reads from a worker that holds the pages, one thread."""
    yield from small_reads(folder, quick, 1, 0.7)


@benchmark("wire-4k-8", unit="4 kB read", turns=25)
def small_reads_of_eight(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """The same by eight threads."""
    yield from small_reads(folder, quick, 8, 0.5)
