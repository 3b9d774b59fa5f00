"""The policies of eviction on traces: which share of the reads is a hit. ``python -m benchmarks.eviction``

No disk is read: what is compared is what each policy throws away. Traces are the same each time.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from typing import Callable, Dict, Iterator, List

from alluxiofs.pagestores.eviction import POLICIES, Candidate, Eviction

__all__ = ["TRACES", "Simulation", "hit_ratio"]

_PAGES = 20_000
_READS = 200_000


class Simulation:
    """A store of ``size`` pages that keeps whatever is read.

    Parameters
    ----------
    policy:
        Which page goes.
    size:
        Pages.
    look_always:
        Whether the order is made anew for each eviction, instead of when it is used up, as the store does.
    """

    def __init__(self, policy: Eviction, size: int, look_always: bool = False) -> None:
        self._policy = policy
        self._size = size
        self._look_always = look_always
        self._kept: Dict[int, Candidate] = {}
        self._queue: List[Candidate] = []
        self._now = itertools.count(1).__next__

    def read(self, page: int) -> bool:
        """Whether a page is there; it is from now on."""
        now = self._now()
        found = self._kept.get(page)
        if found is not None:
            self._kept[page] = Candidate(page, found.born, now, found.uses + 1)
            return True
        if len(self._kept) >= self._size:
            del self._kept[self._next()]
        self._kept[page] = Candidate(page, now, now, 0)
        return False

    def _next(self) -> int:
        if self._look_always:
            self._queue = []
        while True:
            if not self._queue:
                self._queue = self._policy.order(list(self._kept.values()))[::-1]
            seen = self._queue.pop()
            now = self._kept.get(seen.cell)
            if now is None or now.born != seen.born:
                continue
            if self._policy.spares(now):
                self._policy.passed(now)
                self._kept[now.cell] = now._replace(uses=0)
            elif now.used == seen.used:
                self._policy.passed(now)
                return now.cell


def _zipf(chance: random.Random) -> Iterator[int]:
    weights = list(itertools.accumulate(1 / rank**0.9 for rank in range(1, _PAGES + 1)))
    yield from chance.choices(range(_PAGES), cum_weights=weights, k=_READS)


def _zipf_and_scans(chance: random.Random) -> Iterator[int]:
    for number, page in enumerate(_zipf(chance)):
        yield page
        if number % 40_000 == 20_000:
            yield from range(10**6 + number, 10**6 + number + _PAGES)


def _loop(chance: random.Random) -> Iterator[int]:
    for _ in range(_READS // _PAGES):
        yield from range(_PAGES)


def _shuffled_epochs(chance: random.Random) -> Iterator[int]:
    for _ in range(_READS // _PAGES):
        yield from chance.sample(range(_PAGES), _PAGES)


TRACES: Dict[str, Callable[[random.Random], Iterator[int]]] = {
    "zipf 0.9": _zipf,
    "zipf, with scans": _zipf_and_scans,
    "loop": _loop,
    "shuffled epochs": _shuffled_epochs,
}


def hit_ratio(policy: str, trace: str, share: float) -> float:
    """Hits by reads, for a store of a share of the pages."""
    simulation = Simulation(POLICIES[policy](), int(_PAGES * share))
    reads = [simulation.read(page) for page in TRACES[trace](random.Random(1))]
    return sum(reads) / len(reads)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eviction", description=__doc__)
    parser.add_argument("--share", type=float, nargs="*", default=[0.1, 0.5], help="of the pages that fit")
    shares = parser.parse_args().share
    write = sys.stdout.write
    write("| trace | store of | " + " | ".join(POLICIES) + " |\n" + "| --- " * (2 + len(POLICIES)) + "|\n")
    for trace, share in itertools.product(TRACES, shares):
        ratios = (f"{hit_ratio(policy, trace, share):.1%}" for policy in POLICIES)
        write(f"| {trace} | {share:.0%} | " + " | ".join(ratios) + " |\n")


if __name__ == "__main__":
    main()
