"""Writes the dashboard, dashboards/alluxiofs.json, for Grafana 10 and later::

pip install grafana-foundation-sdk    # Python 3.11 or later
python contrib/monitoring/grafana/dashboard.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, NamedTuple, Sequence, Tuple

FILE = Path(__file__).parent / "dashboards" / "alluxiofs.json"

_CHOSEN = 'job="$job", instance=~"$instance"'
_WORKER_CALLS = "alluxio_http_server_result_total"
_LATENCY = "alluxio_http_server_call_latency_ms"
_UNDER_STORE = "alluxiofs_under_store_call_duration_seconds"


class Panel(NamedTuple):
    """A panel: its kind is ``stat`` (one number) or ``timeseries``; a query each, with the legend of its lines."""

    title: str
    kind: str
    unit: str
    queries: Sequence[Tuple[str, str]]
    says: str
    stacked: bool = False


def _rate(metric: str, by: str = "", more: str = "") -> str:
    per = f" by ({by})" if by else ""
    return f"sum{per} (rate({metric}{{{_CHOSEN}{more}}}[$__rate_interval]))"


def _level(metric: str, how: str = "sum") -> str:
    return f"{how} ({metric}{{{_CHOSEN}}})"


def _share(part: str, whole: str) -> str:
    return f"{part} / ({whole} > 0)"


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share:g}, {_rate(f'{metric}_bucket', 'le')})"


_HITS, _MISSES = _rate("alluxiofs_page_store_hits_total"), _rate("alluxiofs_page_store_misses_total")
_USED, _WASTED = _rate("alluxiofs_readahead_used_bytes_total"), _rate("alluxiofs_readahead_wasted_bytes_total")
_FAILED = ', state=~"timeout|unavailable|bad_answer|failed"'

ROWS: Dict[str, Sequence[Panel]] = {
    "At a glance": [
        Panel("Processes", "stat", "short", [(f"count (up{{{_CHOSEN}}} == 1)", "")], "That show their metrics."),
        Panel(
            "Workers alive",
            "stat",
            "short",
            [(_level("alluxiofs_workers_alive", "min"), "")],
            "As the process sees it that sees the fewest.",
        ),
        Panel("Read", "stat", "binBps", [(_rate("alluxiofs_read_bytes_total"), "")], "File content, from wherever."),
        Panel(
            "Hit ratio",
            "stat",
            "percentunit",
            [(_share(_HITS, f"({_HITS} + {_MISSES})"), "")],
            "Of looks for a page in the page stores.",
        ),
        Panel(
            "Failing calls to workers",
            "stat",
            "percentunit",
            [(_share(f"({_rate(_WORKER_CALLS, more=_FAILED)} or vector(0))", _rate(_WORKER_CALLS)), "")],
            "Users do not see them: another worker or the under store answers.",
        ),
        Panel(
            "Fallbacks",
            "stat",
            "reqps",
            [(_rate("alluxiofs_fallbacks_total"), "")],
            "Calls that the under store bears in place of the cluster.",
        ),
    ],
    "Bytes": [
        Panel(
            "Read, by source",
            "timeseries",
            "binBps",
            [(_rate("alluxiofs_read_bytes_total", "source"), "{{source}}")],
            "The share of under_store falls as the cluster warms up.",
            True,
        ),
        Panel(
            "Written",
            "timeseries",
            "binBps",
            [(_rate("alluxiofs_written_bytes_total", "under_store"), "{{under_store}}")],
            "What was committed.",
            True,
        ),
    ],
    "Workers": [
        Panel(
            "Calls, by method",
            "timeseries",
            "reqps",
            [(_rate(_WORKER_CALLS, "method"), "{{method}}")],
            "On the wire.",
            True,
        ),
        Panel(
            "Calls that were not ok, by state",
            "timeseries",
            "reqps",
            [(_rate(_WORKER_CALLS, "state", ', state!="ok"'), "{{state}}")],
            "not_found and not_held are answers; the others are failures.",
        ),
        Panel(
            "Latency",
            "timeseries",
            "ms",
            [(_quantile(0.5, _LATENCY), "half of the calls"), (_quantile(0.99, _LATENCY), "99 %")],
            "Estimated from buckets of 10, 40, 160 and 640 ms: longer ones show as 640.",
        ),
        Panel(
            "Alive, and passed over",
            "timeseries",
            "short",
            [
                (_level("alluxiofs_workers_alive", "min"), "alive"),
                (_level("alluxiofs_breakers_open", "max"), "passed over"),
            ],
            "In the membership, and of those the ones that fail again and again.",
        ),
    ],
    "Failures that users do not see": [
        Panel(
            "Failovers, by reason",
            "timeseries",
            "reqps",
            [(_rate("alluxiofs_failovers_total", "reason"), "{{reason}}")],
            "To the next worker.",
        ),
        Panel(
            "Fallbacks, by reason",
            "timeseries",
            "reqps",
            [(_rate("alluxiofs_fallbacks_total", "reason"), "{{reason}}")],
            "To the under store.",
        ),
        Panel(
            "Retries, by reason",
            "timeseries",
            "reqps",
            [(_rate("alluxiofs_retries_total", "reason"), "{{reason}}")],
            "Of the last in line.",
        ),
        Panel(
            "Breakers",
            "timeseries",
            "reqps",
            [
                (_rate("alluxiofs_breakers_opened_total"), "opened"),
                (_rate("alluxiofs_breakers_closed_total"), "closed"),
            ],
            "Workers that are passed over, and asked again.",
        ),
    ],
    "Under store": [
        Panel(
            "Calls, by method",
            "timeseries",
            "reqps",
            [(_rate(f"{_UNDER_STORE}_count", "method"), "{{method}}")],
            "What the storage bears.",
            True,
        ),
        Panel(
            "Calls, by state",
            "timeseries",
            "reqps",
            [(_rate(f"{_UNDER_STORE}_count", "state"), "{{state}}")],
            "Failures here are seen by users.",
        ),
        Panel(
            "Latency",
            "timeseries",
            "s",
            [(_quantile(0.5, _UNDER_STORE), "half of the calls"), (_quantile(0.99, _UNDER_STORE), "99 %")],
            "Estimated from buckets up to 0.64 s: longer ones show as 0.64.",
        ),
    ],
    "Page stores": [
        Panel(
            "Looks for a page",
            "timeseries",
            "reqps",
            [(_HITS, "hits"), (_MISSES, "misses")],
            "A read of several pages looks for each.",
            True,
        ),
        Panel(
            "Used",
            "timeseries",
            "bytes",
            [
                (_level("alluxiofs_page_store_used_bytes"), "used"),
                (_level("alluxiofs_page_store_capacity_bytes"), "capacity"),
            ],
            "A page store that processes share is counted once for each.",
        ),
        Panel("Pages", "timeseries", "short", [(_level("alluxiofs_page_store_pages"), "kept")], "That are kept."),
        Panel(
            "Evictions",
            "timeseries",
            "reqps",
            [(_rate("alluxiofs_page_store_evictions_total"), "pages")],
            "With a falling hit ratio: too little capacity.",
        ),
        Panel(
            "Page stores that failed",
            "timeseries",
            "short",
            [(_level("alluxiofs_page_store_failures_total"), "since the processes began")],
            "Reads go on without them.",
        ),
    ],
    "Readers": [
        Panel(
            "Fetched ahead",
            "timeseries",
            "binBps",
            [(_USED, "read in the end"), (_WASTED, "wasted")],
            "Wasted: readers jump.",
            True,
        ),
        Panel("Open files", "timeseries", "short", [(_level("alluxiofs_open_files"), "open")], "For reading."),
        Panel(
            "Load jobs",
            "timeseries",
            "short",
            [(f"sum by (state) (alluxiofs_load_jobs_total{{{_CHOSEN}}})", "{{state}}")],
            "Submitted by these processes, and how they ended.",
        ),
    ],
}


def dashboard() -> Any:
    """The dashboard, as grafana-foundation-sdk has it."""
    from grafana_foundation_sdk.builders import dashboard as made
    from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, VariableRefresh

    source = DataSourceRef(type_val="prometheus", uid="${datasource}")
    job = (
        made.QueryVariable("job").label("Job").datasource(source).query("label_values(alluxiofs_read_bytes_total, job)")
    )
    instance = made.QueryVariable("instance").label("Process").datasource(source)
    instance = instance.query('label_values(up{job="$job"}, instance)').multi(True).include_all(True).all_value(".+")
    board = (
        made.Dashboard("alluxiofs")
        .uid("alluxiofs")
        .tags(["alluxio", "storage"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(made.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(job.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED))
        .with_variable(instance.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED))
    )
    for title, panels in ROWS.items():
        board = board.with_row(made.Row(title))
        for panel in panels:
            width = 8 if len(panels) == 5 else 24 // len(panels)
            board = board.with_panel(_panel(panel, source, width))
    return board.build()


def _panel(panel: Panel, source: Any, width: int) -> Any:
    from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
    from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement, StackingMode

    if panel.kind == "stat":
        built: Any = stat.Panel().graph_mode(BigValueGraphMode.NONE).height(4)
        built = built.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    else:
        legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
        built = timeseries.Panel().height(8).fill_opacity(10).legend(legend.placement(LegendPlacement.BOTTOM))
        if panel.stacked:
            built = built.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    built = built.title(panel.title).description(panel.says).unit(panel.unit).min(0).span(width).datasource(source)
    for number, (query, legend_text) in enumerate(panel.queries):
        target = prometheus.Dataquery().expr(query).legend_format(legend_text).ref_id("ABC"[number])
        built = built.with_target(target.instant() if panel.kind == "stat" else target.range())
    return built


def text() -> str:
    """The file's content."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard()) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
