"""What came out of a run: spreads, ratios within a turn, and whether aims were reached."""

from __future__ import annotations

import os
import statistics
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

from attrs import define

if TYPE_CHECKING:
    from benchmarks.core import Aim, Case, Figures, Outcome

__all__ = ["AimResult", "CaseResult", "Phase", "Result", "Spread", "evaluate", "load_average"]

Samples = Sequence[Mapping[str, "Outcome"]]


@define(frozen=True)
class Spread:
    """The middle and the ends of some samples, and the samples."""

    median: float
    min: float
    max: float
    samples: Tuple[float, ...]

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """The spread of at least one sample."""
        return cls(statistics.median(samples), min(samples), max(samples), tuple(samples))


@define(frozen=True)
class AimResult:
    """An aim, and what the median was; ``None`` where the other case has no figure."""

    figure: str
    most: float
    of: Optional[str]
    value: Optional[float]

    @property
    def reached(self) -> Optional[bool]:
        """Whether it was reached, as far as the precision goes that is shown."""
        return None if self.value is None else round(self.value, 2) <= self.most


@define(frozen=True)
class CaseResult:
    """What was measured of a case in a phase.

    Parameters
    ----------
    name:
        Of the case.
    figures:
        Spreads by name; none if there was a problem in any turn.
    ratio:
        Times the seconds of the baseline in the same turn.
    problems:
        How many turns ended how: ``{"WRONG": 4}``.
    message:
        Of the first problem.
    aims:
        And whether they were reached.
    """

    name: str
    figures: Mapping[str, Spread]
    ratio: Optional[Spread]
    problems: Mapping[str, int]
    message: Optional[str]
    aims: Tuple[AimResult, ...]


@define(frozen=True)
class Phase:
    """A phase of the work, by all cases that have it."""

    name: str
    cases: Tuple[CaseResult, ...]


@define(frozen=True)
class Result:
    """What was measured of one benchmark, or why it was not."""

    name: str
    what: str
    unit: str
    phases: Tuple[Phase, ...] = ()
    turns: int = 0
    took: float = 0.0
    load: Optional[float] = None
    skipped: Optional[str] = None


def load_average() -> Optional[float]:
    """How many processes wanted a processor in the minute before, where the system says so."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def evaluate(cases: Sequence[Case], samples: Sequence[Samples]) -> Tuple[Phase, ...]:
    """Results by phase, of the samples of each case."""
    names: Dict[str, None] = {}
    for of_case in samples:
        for outcomes in of_case:
            names.update(dict.fromkeys(outcomes))
    if len(names) > 1:
        names.pop("", None)  # what is said of no phase is said of all
    return tuple(Phase(name, _evaluate(name, cases, samples)) for name in names)


def _evaluate(phase: str, cases: Sequence[Case], samples: Sequence[Samples]) -> Tuple[CaseResult, ...]:
    by_name = {
        case.name: [_figures(_outcome(outcomes, phase)) for outcomes in of_case]
        for case, of_case in zip(cases, samples)
    }
    baseline = cases[0].name
    found = []
    for case, of_case in zip(cases, samples):
        problems = [
            outcome
            for outcome in (_outcome(outcomes, phase) for outcomes in of_case)
            if outcome is not None and not isinstance(outcome, Mapping)
        ]
        # What was wrong, or failed, in one turn has no times, however fast the others were.
        own: Sequence[Figures] = [{} for _ in of_case] if problems else by_name[case.name]
        if not problems and not any(own):
            continue  # it does not have this phase
        counts: Dict[str, int] = {}
        for problem in problems:
            counts[problem.kind] = counts.get(problem.kind, 0) + 1
        found.append(
            CaseResult(
                case.name,
                _spreads(own),
                _relative("seconds", own, by_name[baseline]),
                counts,
                problems[0].message if problems else None,
                tuple(_judge(aim, own, by_name) for aim in case.aims.get(phase, ())),
            )
        )
    return tuple(found)


def _outcome(outcomes: Mapping[str, Outcome], phase: str) -> Optional[Outcome]:
    return outcomes.get(phase, outcomes.get(""))


def _figures(outcome: Optional[Outcome]) -> Figures:
    return outcome if isinstance(outcome, Mapping) else {}


def _spreads(turns: Sequence[Figures]) -> Dict[str, Spread]:
    values: Dict[str, List[float]] = {}
    for figures in turns:
        for name, value in figures.items():
            values.setdefault(name, []).append(value)
    return {name: Spread.of(each) for name, each in values.items()}


def _relative(figure: str, own: Sequence[Figures], other: Sequence[Figures]) -> Optional[Spread]:
    both = [(mine[figure], theirs[figure]) for mine, theirs in zip(own, other) if figure in mine and figure in theirs]
    ratios = [mine / theirs for mine, theirs in both if theirs]
    return Spread.of(ratios) if ratios else None


def _judge(aim: Aim, own: Sequence[Figures], by_name: Mapping[str, Sequence[Figures]]) -> AimResult:
    spread = _spreads(own).get(aim.figure) if aim.of is None else _relative(aim.figure, own, by_name.get(aim.of, ()))
    return AimResult(aim.figure, aim.most, aim.of, None if spread is None else spread.median)
