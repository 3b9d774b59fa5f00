"""What was recorded, as the metrics of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from typing import Dict, Iterator, List, Sequence, Tuple

from attrs import define

from alluxiofs.plugins._telemetry import catalogue
from alluxiofs.plugins._telemetry.catalogue import BOUNDS, Metric
from alluxiofs.plugins._telemetry.tally import Calls, Tally

__all__ = ["Distribution", "histograms", "numbers"]

Labels = Tuple[str, ...]


@define(frozen=True)
class Distribution:
    """What a histogram shows of one set of labels.

    Parameters
    ----------
    counts:
        As many as there are bounds, and one more: each includes those before it.
    total:
        The sum, in the unit of the metric.
    """

    counts: Tuple[int, ...]
    total: float


def numbers(tally: Tally) -> Iterator[Tuple[Metric, Dict[Labels, int]]]:
    """The counters and gauges, each with its values by their labels; those without a value, too."""
    calls, events = tally.calls(), tally.events()
    results: Dict[Labels, int] = defaultdict(int)
    written: Dict[Labels, int] = defaultdict(int)
    for call in calls:
        if call.target == "worker":
            results[call.method, call.state] += sum(call.buckets)
        elif call.method == "write" and call.state == "ok":
            written[(call.component,)] += call.bytes
    yield catalogue.WORKER_RESULT, results
    yield catalogue.WRITTEN_BYTES, written
    for kind, metric in catalogue.EVENTS.items():
        yield metric, {(reason,): count for (name, reason), count in events.items() if name == kind}
    yield catalogue.OTHER_EVENTS, {key: count for key, count in events.items() if key[0] not in catalogue.EVENTS}
    counters = {watched: tally.counters(watched) for watched in catalogue.WATCHED}
    yield (
        catalogue.READ_BYTES,
        {(source,): counters[who][name] for who, name, source in catalogue.SOURCES if name in counters[who]},
    )
    for watched, metrics in catalogue.WATCHED.items():
        for name, metric in metrics.items():
            yield metric, {(): counters[watched][name]} if name in counters[watched] else {}


def histograms(tally: Tally) -> Iterator[Tuple[Metric, Dict[Labels, Distribution]]]:
    """The histograms, each with its distributions by their labels."""
    workers: Dict[Labels, List[Calls]] = defaultdict(list)
    stores: Dict[Labels, List[Calls]] = defaultdict(list)
    for call in tally.calls():
        if call.target == "worker":
            workers[call.method, "true" if call.state == "ok" else "false"].append(call)
        else:
            stores[call.method, call.state, call.component].append(call)
    for metric, grouped in ((catalogue.WORKER_LATENCY, workers), (catalogue.UNDER_STORE_DURATION, stores)):
        yield metric, {labels: _distribution(calls, metric.scale) for labels, calls in grouped.items()}


def bounds_of(metric: Metric) -> Sequence[str]:
    """The upper bounds of a histogram's buckets, as they are shown."""
    return [str(round(bound * metric.scale, 6) * 1.0) for bound in BOUNDS]


def _distribution(calls: Sequence[Calls], scale: int) -> Distribution:
    counts, count = [], 0
    for lasted in zip(*(call.buckets for call in calls)):
        count += sum(lasted)
        counts.append(count)
    return Distribution(tuple(counts), sum(call.seconds for call in calls) * scale)
