"""Benchmarks, their cases and samples, and the runner."""

from __future__ import annotations

import importlib
import pkgutil
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from attrs import define

from benchmarks.results import Result, evaluate, load_average

__all__ = [
    "Aim",
    "Benchmark",
    "Case",
    "Figures",
    "Outcome",
    "Problem",
    "UnavailableError",
    "benchmark",
    "concurrently",
    "discover",
    "run",
    "seconds",
    "timed",
]


class UnavailableError(Exception):
    """What a benchmark needs is not on this machine; the message says what."""


@define(frozen=True)
class Problem:
    """Why a sample has no figures.

    Parameters
    ----------
    kind:
        ``WRONG``: bytes that were not the file's; ``failed``: an error; ``cannot``: it is not made for that.
    message:
        What happened.
    """

    kind: str
    message: str


#: What a sample measured: ``seconds`` for a unit of the work; where it is known ``fetched``, bytes that the server sent
#: for each byte that had to be read, ``requests`` to it for each unit, and ``memory``, bytes that the process grew.
Figures = Mapping[str, float]
Outcome = Union[Figures, Problem]


@define(frozen=True)
class Aim:
    """The most that the median of a figure may be.

    Parameters
    ----------
    most:
        The number.
    of:
        The case whose figure of the same turn counts as 1; without one the figure itself is meant.
    figure:
        Which.
    """

    most: float
    of: Optional[str] = None
    figure: str = "seconds"


@define(frozen=True)
class Case:
    """One way of doing the work.

    Parameters
    ----------
    name:
        What the table shows.
    sample:
        Does the work once; what came out, by phase of the work (an empty text if it has no phases).
    aims:
        What the project has set itself, by phase.
    """

    name: str
    sample: Callable[[], Mapping[str, Outcome]]
    aims: Mapping[str, Sequence[Aim]] = {}


Work = Callable[[], object]
Cases = Callable[[Path, bool], ContextManager[Sequence[Case]]]
Generator = Callable[[Path, bool], Iterator[Sequence[Case]]]


@define(frozen=True)
class Benchmark:
    """Several cases of one piece of work.

    Parameters
    ----------
    name:
        How it is chosen on the command line.
    what:
        One sentence.
    unit:
        What the seconds are for: one of these.
    turns, quick_turns:
        How many count; the second for a run that is to be quick.
    warm_up:
        Whether a turn comes first that does not count; not if it is to be quick.
    cases:
        Given a folder of its own, and whether to be quick, a context with the cases, the baseline first.
    """

    name: str
    what: str
    unit: str
    turns: int
    quick_turns: int
    warm_up: bool
    cases: Cases


_registered: Dict[str, Benchmark] = {}


def benchmark(
    name: str, *, unit: str, turns: int, quick_turns: int = 3, warm_up: bool = True
) -> Callable[[Generator], Cases]:
    """Register a generator function that yields its cases once, and clears up after them."""

    def register(function: Generator) -> Cases:
        what = " ".join((function.__doc__ or "").split())
        cases = contextmanager(function)
        _registered[name] = Benchmark(name, what, unit, turns, quick_turns, warm_up, cases)
        return cases

    return register


def discover() -> Dict[str, Benchmark]:
    """All benchmarks by name, in the order of their modules."""
    package = importlib.import_module("benchmarks.cases")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(_registered)


def run(chosen: Benchmark, turns: Optional[int] = None, quick: bool = False) -> Result:
    """Run one benchmark in a temporary folder.

    Parameters
    ----------
    chosen:
        Which.
    turns:
        How many count, instead of the benchmark's own number.
    quick:
        Whether less work will do.
    """
    if turns is None:
        turns = chosen.quick_turns if quick else chosen.turns
    begun, load = time.monotonic(), load_average()
    with tempfile.TemporaryDirectory(prefix="alluxiofs-benchmark-") as folder:
        try:
            with chosen.cases(Path(folder), quick) as cases:
                samples = _measure(cases, turns, chosen.warm_up and not quick)
        except UnavailableError as reason:
            return Result(chosen.name, chosen.what, chosen.unit, skipped=str(reason))
    phases = evaluate(cases, samples)
    return Result(chosen.name, chosen.what, chosen.unit, phases, turns, time.monotonic() - begun, load)


def _measure(cases: Sequence[Case], turns: int, warm_up: bool) -> List[List[Mapping[str, Outcome]]]:
    """The samples of each case, a sample a turn."""
    samples: List[List[Mapping[str, Outcome]]] = [[] for _ in cases]
    for turn in range(turns + warm_up):
        for position in range(len(cases)):
            # Each turn begins with another case, so that none always comes after the same one.
            index = (turn + position) % len(cases)
            outcome = cases[index].sample()
            if turn >= warm_up:
                samples[index].append(outcome)
    return samples


def seconds(sample: Callable[[], float]) -> Callable[[], Mapping[str, Outcome]]:
    """The sample function of a case without phases that measures nothing but time."""
    return lambda: {"": {"seconds": sample()}}


def timed(
    work: Callable[[], object], units: int = 1, before: Optional[Callable[[], object]] = None
) -> Callable[[], Mapping[str, Outcome]]:
    """A sample function: ``before()``, off the clock, then the seconds that ``work()`` takes for each of its units."""

    def sample() -> float:
        if before is not None:
            before()
        begun = time.perf_counter()
        work()
        return (time.perf_counter() - begun) / units

    return seconds(sample)


def concurrently(works: Sequence[Work]) -> None:
    """Run the works, each in a thread; the first error of one is raised when all have ended."""
    errors: List[BaseException] = []

    def thread(work: Work) -> None:
        try:
            work()
        except BaseException as error:  # re-raised below, in the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=thread, args=(work,)) for work in works]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if errors:
        raise errors[0]
