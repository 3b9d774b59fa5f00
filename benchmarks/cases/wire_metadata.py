"""What is there, asked of a worker, beside a loop over a bare socket, urllib3, and the release 1.1.17."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Sequence

from benchmarks.core import Case, Outcome, benchmark
from benchmarks.wire import Targets, expect
from benchmarks.workers import OLD, OURS, POOL, RAW, asked, clusters, measured, old, readers

LENGTH = 4096
INFOS = 200


def _info(reader: Any) -> None:
    for _ in range(INFOS):
        expect(reader.info("data"), LENGTH)


@benchmark("wire-metadata", unit="call", turns=5, quick_turns=2)
def metadata(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """info of a file, and listings of 100 and 100,000 (quick: 2,000) entries, from a worker that knows them."""
    counts = {"100": 100, "many": 2_000 if quick else 100_000}
    times = {"100": 20, "many": 1}
    (folder / "data").write_bytes(b"x" * LENGTH)
    for name, count in counts.items():
        (folder / name).mkdir()
        for number in range(count):
            (folder / name / f"part-{number:06}").touch()

    def entries(reader: Any, name: str) -> None:
        for _ in range(times[name]):
            expect(reader.entries(name), counts[name])

    with clusters(folder) as running, old(running["rest"]) as former, contextlib.ExitStack() as stack:
        known = readers({dialect: Targets(cluster) for dialect, cluster in running.items()}, stack)

        def sample_of(contestant: str) -> Callable[[], Mapping[str, Outcome]]:
            def sample() -> Mapping[str, Outcome]:
                found: Dict[str, Outcome] = {}
                for dialect, reader in known[contestant].items():
                    found[f"info, {dialect}"] = measured(functools.partial(_info, reader), INFOS)
                    for name, count in counts.items():
                        work = functools.partial(entries, reader, name)
                        found[f"{count} entries, {dialect}"] = measured(work, times[name])
                return found

            return sample

        def of_the_release() -> Mapping[str, Outcome]:
            rest = running["rest"]
            found = {"info, rest": asked(former, INFOS, "info", path=rest.url("data"), times=INFOS)}
            for name, count in counts.items():
                found[f"{count} entries, rest"] = asked(former, 1, "list", path=rest.url(name), count=count)
            return found

        yield [
            Case(RAW, sample_of(RAW)),
            Case(POOL, sample_of(POOL)),
            Case(OURS, sample_of(OURS)),
            Case(OLD, of_the_release),
        ]
