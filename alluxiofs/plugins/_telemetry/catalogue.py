"""The metrics: their names are a contract, on which dashboards and alerts rely."""

from __future__ import annotations

import enum
from typing import Tuple

from attrs import define

__all__ = ["BOUNDS", "METRICS", "Kind", "Metric"]

BOUNDS = (0.01, 0.04, 0.16, 0.64)
"""Upper bounds of the buckets of all histograms, in seconds."""


class Kind(enum.Enum):
    """What a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@define(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name:
        Without the ``_total`` that counters end in, and the ``_bucket``, ``_sum`` and ``_count`` of histograms.
    kind, labels:
        Of the metric.
    help:
        What it means, in a line.
    scale:
        Of a histogram: its units in a second. All but the one that the contract has in milliseconds are in seconds.
    """

    name: str
    kind: Kind
    labels: Tuple[str, ...]
    help: str
    scale: int = 1


WORKER_LATENCY = Metric(
    "alluxio_http_server_call_latency_ms",
    Kind.HISTOGRAM,
    ("method", "success"),
    "How long calls on the wire to a worker took, in milliseconds",
    scale=1000,
)
WORKER_RESULT = Metric(
    "alluxio_http_server_result", Kind.COUNTER, ("method", "state"), "How calls on the wire to a worker ended"
)
UNDER_STORE_DURATION = Metric(
    "alluxiofs_under_store_call_duration_seconds",
    Kind.HISTOGRAM,
    ("method", "state", "under_store"),
    "How long calls to an under store took, in seconds",
)
READ_BYTES = Metric("alluxiofs_read_bytes", Kind.COUNTER, ("source",), "Bytes of file content, by where they came from")
WRITTEN_BYTES = Metric(
    "alluxiofs_written_bytes", Kind.COUNTER, ("under_store",), "Bytes of file content written to an under store"
)
FAILOVERS = Metric(
    "alluxiofs_failovers", Kind.COUNTER, ("reason",), "Calls that went to the next worker, by why the one before failed"
)
FALLBACKS = Metric(
    "alluxiofs_fallbacks", Kind.COUNTER, ("reason",), "Calls that went to the under store in place of workers, by why"
)
RETRIES = Metric("alluxiofs_retries", Kind.COUNTER, ("reason",), "Calls that were made again, by how the last ended")
PAGE_STORE_FAILURES = Metric(
    "alluxiofs_page_store_failures", Kind.COUNTER, ("reason",), "Page stores that do not work, and are read around"
)
BREAKERS_OPENED = Metric(
    "alluxiofs_breakers_opened", Kind.COUNTER, ("reason",), "Workers that failed again and again, and were passed over"
)
BREAKERS_CLOSED = Metric("alluxiofs_breakers_closed", Kind.COUNTER, ("reason",), "Workers that are asked again")
LOAD_JOBS = Metric("alluxiofs_load_jobs", Kind.COUNTER, ("state",), "Load jobs that were submitted, and how they ended")
OTHER_EVENTS = Metric("alluxiofs_other_events", Kind.COUNTER, ("kind", "reason"), "What else happened, by its kind")
PAGE_STORE_HITS = Metric("alluxiofs_page_store_hits", Kind.COUNTER, (), "Reads out of a page that was kept")
PAGE_STORE_MISSES = Metric("alluxiofs_page_store_misses", Kind.COUNTER, (), "Looks for a page that was not kept")
PAGE_STORE_EVICTIONS = Metric("alluxiofs_page_store_evictions", Kind.COUNTER, (), "Pages that made room for others")
PAGE_STORE_PAGES = Metric("alluxiofs_page_store_pages", Kind.GAUGE, (), "Pages that are kept")
PAGE_STORE_USED = Metric(
    "alluxiofs_page_store_used_bytes", Kind.GAUGE, (), "Bytes of the pages that are kept, and of what finds them"
)
PAGE_STORE_CAPACITY = Metric("alluxiofs_page_store_capacity_bytes", Kind.GAUGE, (), "Bytes that may be kept")
READAHEAD_USED = Metric("alluxiofs_readahead_used_bytes", Kind.COUNTER, (), "Bytes fetched ahead that were then read")
READAHEAD_WASTED = Metric(
    "alluxiofs_readahead_wasted_bytes", Kind.COUNTER, (), "Bytes fetched ahead that nobody read any more"
)
WORKERS_ALIVE = Metric("alluxiofs_workers_alive", Kind.GAUGE, (), "Workers in the membership as it was last seen")
BREAKERS_OPEN = Metric(
    "alluxiofs_breakers_open", Kind.GAUGE, (), "Workers that failed again and again, and have not answered since"
)
OPEN_FILES = Metric("alluxiofs_open_files", Kind.GAUGE, (), "Files that are open")

EVENTS = {
    "failover": FAILOVERS,
    "fallback": FALLBACKS,
    "retry": RETRIES,
    "page_store_off": PAGE_STORE_FAILURES,
    "breaker_opened": BREAKERS_OPENED,
    "breaker_closed": BREAKERS_CLOSED,
    "load_job": LOAD_JOBS,
}
"""The metrics of the kinds of events that have one of their own."""

SOURCES = (
    ("gateway", "bytes_from_workers", "cluster"),
    ("gateway", "bytes_from_under_stores", "under_store"),
    ("page_store", "hit_bytes", "page_store"),
)
"""Who is watched, the counter there, and the label ``source`` that it is shown under."""

WATCHED = {
    "page_store": {
        "hits": PAGE_STORE_HITS,
        "misses": PAGE_STORE_MISSES,
        "evictions": PAGE_STORE_EVICTIONS,
        "pages": PAGE_STORE_PAGES,
        "bytes": PAGE_STORE_USED,
        "capacity": PAGE_STORE_CAPACITY,
    },
    "gateway": {
        "readahead_used": READAHEAD_USED,
        "readahead_wasted": READAHEAD_WASTED,
        "workers_alive": WORKERS_ALIVE,
        "breakers_open": BREAKERS_OPEN,
        "open_files": OPEN_FILES,
    },
}
"""Who is watched, and the metrics of the counters there."""

METRICS = (
    WORKER_LATENCY,
    WORKER_RESULT,
    UNDER_STORE_DURATION,
    READ_BYTES,
    WRITTEN_BYTES,
    FAILOVERS,
    FALLBACKS,
    RETRIES,
    PAGE_STORE_FAILURES,
    BREAKERS_OPENED,
    BREAKERS_CLOSED,
    LOAD_JOBS,
    OTHER_EVENTS,
    *WATCHED["page_store"].values(),
    *WATCHED["gateway"].values(),
)
"""All of them, in the order in which they are shown."""
