"""Calls that were counted here, put into OpenTelemetry's histograms all at once when they are collected.

The interface takes one value at a time, which costs a tenth of a small read over the wire. So what is added to a
histogram of the SDK is added where the SDK would have added it. That is no public place: it is only touched where it is
exactly what is expected, bucket for bucket. Everywhere else (another implementation, a view with other buckets, several
readers) each call is told to the histogram as it happens.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Iterable, List, Mapping, Optional, Sequence

from alluxiofs.plugins._telemetry.tally import Taken

__all__ = ["Bulk", "bulk_of", "forget"]

_AGGREGATION = "_ExplicitBucketHistogramAggregation"
_COUNTS = ("_value", "_bucket_counts")  # since 1.24, and before


def bulk_of(histogram: Any, bounds: Sequence[float]) -> Optional[Bulk]:
    """What puts calls into a histogram; ``None`` if it cannot be known how."""
    try:
        consumer = histogram._measurement_consumer
        (storage,) = consumer._reader_storages.values()
        matches = storage._get_or_init_view_instrument_match(histogram)
        for match in matches:
            kind = match._aggregation
            if type(kind).__name__ != _AGGREGATION or tuple(kind._boundaries) != tuple(bounds):
                return None
            if match._view._attribute_keys is not None or not _has_numbers(kind) or not hasattr(match, "_lock"):
                return None
    except (AttributeError, TypeError, ValueError):
        return None
    return Bulk(histogram, consumer, storage, matches) if matches else None


def forget(instruments: Iterable[Any]) -> None:
    """Have the SDK begin anew with these instruments, in a forked child: what it added up there is the parent's, and so
    are the threads that may have its locks."""
    for given in instruments:
        # What was made before the application set its provider stands in front of the SDK's own.
        instrument = getattr(given, "_real_instrument", None) or given
        with contextlib.suppress(AttributeError, TypeError):
            for storage in list(instrument._measurement_consumer._reader_storages.values()):
                for match in storage._instrument_view_instrument_matches.get(instrument, ()):
                    match._lock, match._attributes_aggregation = threading.Lock(), {}


def _has_numbers(aggregation: Any) -> bool:
    numbers = (aggregation._sum, aggregation._min, aggregation._max, aggregation._lock)
    return len(numbers) == 4 and any(hasattr(aggregation, name) for name in _COUNTS)


class Bulk:
    """Puts calls into one histogram.

    Parameters
    ----------
    histogram:
        An instrument of the SDK.
    consumer, storage, matches:
        Where the SDK keeps its values: that of a provider, that of its reader, and those of the views that it matches.
    """

    def __init__(self, histogram: Any, consumer: Any, storage: Any, matches: Sequence[Any]) -> None:
        self._histogram = histogram
        self._consumer = consumer
        self._storage = storage
        self._matches = matches

    @property
    def stands(self) -> bool:
        """Whether the provider still has the one reader that it had."""
        return list(self._consumer._reader_storages.values()) == [self._storage]

    def put(self, taken: Taken, attributes: Mapping[str, str], scale: float) -> None:
        """Add calls that lasted so many seconds; ``scale`` is how many units of the histogram are in one.

        The longest is told in the public way, so that there is something to add the others to.
        """
        if not self.stands:
            self._told(taken.buckets, taken.seconds, attributes, scale)
            return
        self._histogram.record(taken.most * scale, dict(attributes))
        last = max(index for index, count in enumerate(taken.buckets) if count)
        rest = [count - (index == last) for index, count in enumerate(taken.buckets)]
        if not any(rest):
            return
        found = [_found(match, attributes) for match in self._matches]
        if None in found:  # it has as many series as it may have, and added that one to those of others
            seconds = [one - taken.most * (index == last) for index, one in enumerate(taken.seconds)]
            self._told(rest, seconds, attributes, scale)
            return
        total = sum(taken.seconds) - taken.most
        for aggregation in found:
            _add_to(aggregation, rest, total * scale, taken.least * scale)

    def _told(
        self, buckets: Sequence[int], seconds: Sequence[float], attributes: Mapping[str, str], scale: float
    ) -> None:
        """One by one, as long as the calls of a bucket lasted on average."""
        for count, together in zip(buckets, seconds):
            for _ in range(count):
                self._histogram.record(together / count * scale, dict(attributes))


def _found(match: Any, attributes: Mapping[str, str]) -> Any:
    """Where the SDK adds up what has these attributes, or ``None``."""
    with match._lock:
        for aggregation in match._attributes_aggregation.values():
            if dict(aggregation._attributes or {}) == attributes:
                return aggregation
    return None


def _add_to(aggregation: Any, counts: List[int], total: float, least: float) -> None:
    with aggregation._lock:
        for name in _COUNTS:
            there = getattr(aggregation, name, None)
            if isinstance(there, list):
                for index, count in enumerate(counts):
                    there[index] += count
                aggregation._sum += total
                aggregation._min = min(aggregation._min, least)
                return
