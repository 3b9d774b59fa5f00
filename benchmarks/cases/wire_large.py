"""A large file from a worker, streamed and whole, beside a loop over a bare socket, urllib3, and the release 1.1.17."""

from __future__ import annotations

import contextlib
import functools
import random
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Sequence

from benchmarks.core import Aim, Case, Outcome, benchmark
from benchmarks.wire import Targets, expect
from benchmarks.workers import DIALECTS, MIB, OLD, OURS, POOL, RAW, asked, clusters, grown, old, readers


class _Content:
    """A file of which each MiB says which one it is."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self._pages = [random.Random(number).getrandbits(8 * MIB).to_bytes(MIB, "little") for number in range(8)]
        with path.open("wb") as file:
            for number in range(size // MIB):
                file.write(number.to_bytes(8, "little") + self._pages[number % 8][8:])

    def check(self, number: int, piece: Any) -> None:
        """Look at both ends of a MiB."""
        expect(bytes(piece[:8]), number.to_bytes(8, "little"))
        expect(bytes(piece[-8:]), self._pages[number % 8][-8:])

    def stream(self, reader: Any) -> None:
        """All of it, a MiB at a time."""
        count = 0
        for piece in reader.pieces("data", self.size):
            self.check(count, piece)
            count += 1
        expect(count, self.size // MIB)

    def whole(self, reader: Any) -> None:
        """All of it at once."""
        data = reader.whole("data", self.size)
        expect(len(data), self.size)
        self.check(self.size // MIB - 1, data[-MIB:])


@benchmark("wire-large", unit="GiB", turns=3, quick_turns=2, warm_up=False)
def large_reads(folder: Path, quick: bool) -> Iterator[Sequence[Case]]:
    """1 GiB (quick: 128 MiB) from a worker that holds it: streamed by 1 MiB, and read whole."""
    content = _Content(folder / "data", (128 if quick else 1024) * MIB)
    units = content.size / 2**30
    with clusters(folder) as running, old(running["rest"]) as former, contextlib.ExitStack() as stack:
        for cluster in running.values():
            cluster.load_all()
        known = readers({dialect: Targets(cluster) for dialect, cluster in running.items()}, stack)

        def sample_of(name: str) -> Callable[[], Mapping[str, Outcome]]:
            def sample() -> Mapping[str, Outcome]:
                found: Dict[str, Outcome] = {}
                for dialect, reader in known[name].items():
                    found[f"streamed, {dialect}"] = grown(functools.partial(content.stream, reader), units)
                    found[f"whole, {dialect}"] = grown(functools.partial(content.whole, reader), units)
                return found

            return sample

        path, size = running["rest"].url("data"), content.size
        aims = [Aim(1 / 0.9, RAW), Aim(100e6, figure="memory")]
        yield [
            Case(RAW, sample_of(RAW)),
            Case(POOL, sample_of(POOL)),
            Case(OURS, sample_of(OURS), {f"streamed, {dialect}": aims for dialect in DIALECTS}),
            Case(
                OLD,
                lambda: {
                    "streamed, rest": asked(former, units, "stream", path=path, length=size),
                    "whole, rest": asked(former, units, "whole", path=path, length=size),
                },
            ),
        ]
