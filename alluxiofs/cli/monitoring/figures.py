"""Numbers out of pages of metrics: totals, and rates and latencies between two pages."""

from __future__ import annotations

import math
from typing import Dict, Mapping, Optional, Sequence, Tuple

from attrs import define

from alluxiofs.cli.monitoring.exposition import Sample, Series

__all__ = ["Between", "Latency", "total"]


def total(sample: Sample, name: str, **labels: str) -> Optional[float]:
    """The sum of a metric's series that have these labels; ``None`` if the page does not have it at all."""
    found = [one.value for one in _matching(sample, name, labels)]
    return sum(found) if found else None


def _matching(sample: Sample, name: str, labels: Mapping[str, str]) -> Sequence[Series]:
    wanted = labels.items()
    return [one for one in sample.series.get(name, ()) if wanted <= one.labels.items()]


@define(frozen=True)
class Latency:
    """How long calls took, in the unit of the histogram.

    Parameters
    ----------
    count:
        How many there were.
    mean:
        On average.
    buckets:
        Upper bounds, and how many calls took no longer.
    """

    count: float
    mean: float
    buckets: Sequence[Tuple[float, float]]

    def within(self, share: float) -> float:
        """The least bound that this share of the calls did not exceed; infinity if it is beyond the last one."""
        return next((bound for bound, count in self.buckets if count >= share * self.count), math.inf)


@define(frozen=True)
class Between:
    """What happened from one page to a later one of the same process.

    A counter that is less than before began anew: the process is another, and has counted so much itself.
    """

    earlier: Sample
    later: Sample

    @property
    def seconds(self) -> float:
        return max(self.later.at - self.earlier.at, 1e-9)

    def more(self, name: str, **labels: str) -> float:
        """How much a counter has grown."""
        before: Dict[Tuple[Tuple[str, str], ...], float] = {
            tuple(sorted(one.labels.items())): one.value for one in _matching(self.earlier, name, labels)
        }
        grown = 0.0
        for one in _matching(self.later, name, labels):
            then = before.get(tuple(sorted(one.labels.items())), 0.0)
            grown += one.value - then if one.value >= then else one.value
        return grown

    def rate(self, name: str, **labels: str) -> float:
        """How much a counter has grown in a second."""
        return self.more(name, **labels) / self.seconds

    def values_of(self, name: str, label: str) -> Sequence[str]:
        """The values that a label of a metric has."""
        return sorted({one.labels[label] for one in self.later.series.get(name, ()) if label in one.labels})

    def latency(self, name: str, **labels: str) -> Optional[Latency]:
        """Of the calls between the two pages; ``None`` if there were none."""
        count = self.more(f"{name}_count", **labels)
        if not count:
            return None
        bounds = sorted(self.values_of(f"{name}_bucket", "le"), key=float)
        buckets = [(float(bound), self.more(f"{name}_bucket", le=bound, **labels)) for bound in bounds]
        return Latency(count, self.more(f"{name}_sum", **labels) / count, buckets)
