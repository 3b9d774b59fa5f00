"""Benchmarks, their cases and samples, and the runner."""

from __future__ import annotations

import importlib
import pkgutil
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, ContextManager, Dict, Iterator, List, Optional, Sequence, Tuple

from attrs import define

__all__ = [
    "Benchmark",
    "Case",
    "CaseResult",
    "Result",
    "Spread",
    "UnavailableError",
    "benchmark",
    "concurrently",
    "discover",
    "run",
    "timed",
]


class UnavailableError(Exception):
    """What a benchmark needs is not on this machine; the message says what."""


@define(frozen=True)
class Case:
    """One way of doing the work.

    Parameters
    ----------
    name:
        What the table shows.
    sample:
        Does the work once and returns the seconds that one unit of it took.
    most_ratio, most_seconds:
        The most that the median may be, where the project has promised something: times the baseline, and seconds.
    """

    name: str
    sample: Callable[[], float]
    most_ratio: Optional[float] = None
    most_seconds: Optional[float] = None


Work = Callable[[], object]
Cases = Callable[[Path], ContextManager[Sequence[Case]]]
Generator = Callable[[Path], Iterator[Sequence[Case]]]


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
    repetitions:
        How many turns, after one that does not count.
    cases:
        Given a folder of its own, a context with the cases, the baseline first.
    """

    name: str
    what: str
    unit: str
    repetitions: int
    cases: Cases


@define(frozen=True)
class Spread:
    """The middle and the ends of some samples."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """The spread of at least one sample."""
        return cls(statistics.median(samples), min(samples), max(samples))


@define(frozen=True)
class CaseResult:
    """What was measured of one case: seconds a unit, and times the baseline's seconds of the same turn."""

    name: str
    seconds: Spread
    ratio: Spread
    samples: Tuple[float, ...]
    most_ratio: Optional[float]
    most_seconds: Optional[float]

    @property
    def kept(self) -> Optional[bool]:
        """Whether the medians keep what was promised; ``None`` where nothing was."""
        if self.most_ratio is None and self.most_seconds is None:
            return None
        fast = self.most_seconds is None or self.seconds.median <= self.most_seconds
        return fast and (self.most_ratio is None or self.ratio.median <= self.most_ratio)


@define(frozen=True)
class Result:
    """What was measured of one benchmark, or why it was not."""

    name: str
    what: str
    unit: str
    cases: Tuple[CaseResult, ...] = ()
    skipped: Optional[str] = None


_registered: Dict[str, Benchmark] = {}


def benchmark(name: str, *, unit: str, repetitions: int) -> Callable[[Generator], Cases]:
    """Register a generator function that yields its cases once, and clears up after them."""

    def register(function: Generator) -> Cases:
        what = (function.__doc__ or "").strip().splitlines()[0]
        cases = contextmanager(function)
        _registered[name] = Benchmark(name, what, unit, repetitions, cases)
        return cases

    return register


def discover() -> Dict[str, Benchmark]:
    """All benchmarks by name, in the order of their modules."""
    package = importlib.import_module("benchmarks.cases")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(_registered)


def run(chosen: Benchmark, repetitions: Optional[int] = None) -> Result:
    """Run one benchmark in a temporary folder.

    Parameters
    ----------
    chosen:
        Which.
    repetitions:
        Turns that count, instead of the benchmark's own number.
    """
    turns = chosen.repetitions if repetitions is None else repetitions
    with tempfile.TemporaryDirectory(prefix="alluxiofs-benchmark-") as folder:
        try:
            with chosen.cases(Path(folder)) as cases:
                results = _measure(cases, turns)
        except UnavailableError as reason:
            return Result(chosen.name, chosen.what, chosen.unit, skipped=str(reason))
    return Result(chosen.name, chosen.what, chosen.unit, results)


def _measure(cases: Sequence[Case], turns: int) -> Tuple[CaseResult, ...]:
    samples: List[List[float]] = [[] for _ in cases]
    for turn in range(turns + 1):
        for position in range(len(cases)):
            # Each turn begins with another case, so that none always comes after the same one.
            index = (turn + position) % len(cases)
            seconds = cases[index].sample()
            if turn:
                samples[index].append(seconds)
    return tuple(
        CaseResult(
            case.name,
            Spread.of(own),
            Spread.of([mine / baseline for mine, baseline in zip(own, samples[0])]),
            tuple(own),
            case.most_ratio,
            case.most_seconds,
        )
        for case, own in zip(cases, samples)
    )


def timed(
    work: Callable[[], object], units: int = 1, before: Optional[Callable[[], object]] = None
) -> Callable[[], float]:
    """A sample function: ``before()``, off the clock, then the seconds that ``work()`` takes for each of its units."""

    def sample() -> float:
        if before is not None:
            before()
        begun = time.perf_counter()
        work()
        return (time.perf_counter() - begun) / units

    return sample


def concurrently(works: Sequence[Work], units: int) -> Callable[[], float]:
    """A sample function: seconds a unit until the works, each in a thread, are done with ``units`` of them in all."""

    def sample() -> float:
        start = threading.Barrier(len(works) + 1)
        errors: List[BaseException] = []

        def thread(work: Work) -> None:
            start.wait()
            try:
                work()
            except BaseException as error:  # re-raised below, in the thread that measures
                errors.append(error)

        threads = [threading.Thread(target=thread, args=(work,)) for work in works]
        for each in threads:
            each.start()
        start.wait()
        begun = time.perf_counter()
        for each in threads:
            each.join()
        took = time.perf_counter() - begun
        if errors:
            raise errors[0]
        return took / units

    return sample
