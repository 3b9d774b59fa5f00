"""What ``alluxiofs top`` shows of two pages of one process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Iterator, List, Optional, Sequence, Tuple

from alluxiofs.cli.monitoring.exposition import Sample
from alluxiofs.cli.monitoring.figures import Between, Latency, total
from alluxiofs.cli.output import printable, size_text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["is_ours", "view"]

_RESULTS = "alluxio_http_server_result_total"
_LATENCY = "alluxio_http_server_call_latency_ms"
_UNDER_STORE = "alluxiofs_under_store_call_duration_seconds"
_READ = "alluxiofs_read_bytes_total"
_EVENTS = ("failovers", "fallbacks", "retries", "page_store_failures")
_GOOD = ("ok", "not_found", "not_held", "exists")


def is_ours(sample: Sample) -> bool:
    """Whether the page has metrics of alluxiofs in it: as soon as they are served all families are told of."""
    return any(name.startswith(("alluxiofs_", "alluxio_http_server_")) for name in (*sample.kinds, *sample.series))


def view(between: Between) -> Iterator[RenderableType]:
    """The whole of it: lines of what there is, and a table of the calls."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    for name, text in _facts(between):
        facts.add_row(Text(name, "bold"), Text(text))
    yield facts
    calls = list(_calls(between))
    if not calls:
        yield Text("\nno calls on the wire since the last look", "dim")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(
        ("calls to", "method", "a second", "failing", "mean", "half within", "99 % within")
    ):
        table.add_column(heading, justify="left" if place < 2 else "right")
    for row in calls:
        table.add_row(*map(Text, map(printable, row)))
    yield table


def _facts(between: Between) -> Iterator[Tuple[str, str]]:
    sources = [
        f"{_bytes(between.rate(_READ, source=source))} from {printable(source).replace('_', ' ')}"
        for source in between.values_of(_READ, "source")
    ]
    yield "read", _joined(_bytes(between.rate(_READ)), sources)
    yield "written", _bytes(between.rate("alluxiofs_written_bytes_total"))
    yield "page store", _page_store(between)
    yield "workers", _workers(between.later)
    yield (
        "each second",
        ", ".join(f"{_number(between.rate(f'alluxiofs_{name}_total'))} {name.replace('_', ' ')}" for name in _EVENTS),
    )
    used, wasted = (between.rate(f"alluxiofs_readahead_{what}_bytes_total") for what in ("used", "wasted"))
    yield "fetched ahead", f"{_bytes(used)} read in the end, {_bytes(wasted)} wasted"
    yield "open files", _level(between.later, "alluxiofs_open_files")


def _page_store(between: Between) -> str:
    now = between.later
    capacity = total(now, "alluxiofs_page_store_capacity_bytes")
    if capacity is None:
        return "none"
    hits, misses = (between.rate(f"alluxiofs_page_store_{what}_total") for what in ("hits", "misses"))
    ratio = f"{hits / (hits + misses):.1%} hits" if hits + misses else "no looks for a page"
    used = total(now, "alluxiofs_page_store_used_bytes") or 0
    evictions = between.rate("alluxiofs_page_store_evictions_total")
    return (
        f"{ratio} ({_number(hits)}/s, {_number(misses)}/s misses), {size_text(int(used))} of {size_text(int(capacity))}"
        f", {_number(evictions)}/s evictions"
    )


def _workers(now: Sample) -> str:
    if total(now, "alluxiofs_workers_alive") is None:
        return "none"
    passed_over = total(now, "alluxiofs_breakers_open") or 0
    return f"{_level(now, 'alluxiofs_workers_alive')} alive" + (f", {passed_over:g} passed over" if passed_over else "")


def _calls(between: Between) -> Iterator[Sequence[str]]:
    for method in between.values_of(_RESULTS, "method"):
        rate = between.rate(_RESULTS, method=method)
        good = sum(between.rate(_RESULTS, method=method, state=state) for state in _GOOD)
        if rate:
            yield ("workers", method, *_row(rate, good, between.latency(_LATENCY, method=method), 1))
    for store in between.values_of(f"{_UNDER_STORE}_count", "under_store"):
        for method in between.values_of(f"{_UNDER_STORE}_count", "method"):
            labels = {"under_store": store, "method": method}
            rate = between.rate(f"{_UNDER_STORE}_count", **labels)
            good = sum(between.rate(f"{_UNDER_STORE}_count", state=state, **labels) for state in _GOOD)
            if rate:
                yield (store, method, *_row(rate, good, between.latency(_UNDER_STORE, **labels), 1000))


def _row(rate: float, good: float, latency: Optional[Latency], scale: int) -> List[str]:
    failing = f"{max(0.0, rate - good) / rate:.1%}"  # sums of fractions: all of them may be more than the whole
    if latency is None:
        return [_number(rate), failing, "-", "-", "-"]
    longest = max((bound for bound, _ in latency.buckets if not math.isinf(bound)), default=math.nan)
    within = [latency.within(share) for share in (0.5, 0.99)]
    return [
        _number(rate),
        failing,
        f"{latency.mean * scale:.1f} ms" if latency.mean * scale >= 0.1 else "< 0.1 ms",
        *(f"> {longest * scale:g} ms" if math.isinf(bound) else f"{bound * scale:g} ms" for bound in within),
    ]


def _joined(whole: str, parts: Sequence[str]) -> str:
    return f"{whole}: {', '.join(parts)}" if parts else whole


def _level(now: Sample, name: str) -> str:
    value = total(now, name)
    return "-" if value is None else f"{value:g}"


def _bytes(rate: float) -> str:
    return f"{size_text(round(rate))}/s"


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
