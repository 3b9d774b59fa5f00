"""Writes the dashboard, dashboards/alluxiofs.json, for Grafana 10 and later::

pip install grafana-foundation-sdk    # Python 3.11 or later
python contrib/monitoring/grafana/dashboard.py
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

FILE = Path(__file__).parent / "dashboards" / "alluxiofs.json"

_CHOSEN = 'job="$job", instance=~"$instance"'
_WORKER_CALLS = "alluxio_http_server_result_total"
_LATENCY = "alluxio_http_server_call_latency_ms"
_UNDER_STORE = "alluxiofs_under_store_call_duration_seconds"
_STORE_CALLS = f"{_UNDER_STORE}_count"


class Panel(NamedTuple):
    """A panel: its kind is ``stat`` (one number) or ``timeseries``; a query each, with the legend of its lines.

    ``nothing``: what is shown where there is no data. ``colors``: those of a number, from which value on (None: the
    least); without them it has none, for Grafana's own are red from 80 on.
    """

    title: str
    kind: str
    unit: str
    queries: Sequence[Tuple[str, str]]
    says: str
    stacked: bool = False
    nothing: str = ""
    colors: Sequence[Tuple[Optional[float], str]] = ()


def _rate(metric: str, by: str = "", more: str = "") -> str:
    per = f" by ({by})" if by else ""
    return f"sum{per} (rate({metric}{{{_CHOSEN}{more}}}[$__rate_interval]))"


def _level(metric: str, how: str = "sum") -> str:
    return f"{how} ({metric}{{{_CHOSEN}}})"


def _share(part: str, whole: str) -> str:
    return f"{part} / ({whole} > 0)"


def _quantile(share: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({share:g}, {_rate(f'{metric}_bucket', by)})"


def _number(title: str, unit: str, says: str, query: str, **more: Any) -> Panel:
    return Panel(title, "stat", unit, [(query, "")], says, **more)


def _lines(title: str, unit: str, says: str, *queries: Tuple[str, str], **more: Any) -> Panel:
    return Panel(title, "timeseries", unit, queries, says, **more)


def _by_process(title: str, unit: str, rule: str, says: str, also: str = "") -> Panel:
    """What a recording rule says of each process."""
    return _lines(title, unit, says, (f"instance:alluxiofs_{rule}{{{_CHOSEN}}}", f"{{{{instance}}}}{also}"))


def _events(title: str, kind: str, says: str) -> Panel:
    return _lines(title, "reqps", says, (_rate(f"alluxiofs_{kind}_total", "reason"), "{{reason}}"), nothing=_NONE)


def _of_workers(metric: str, by: str, more: str = "") -> str:
    return f'sum by ({by}) (rate({metric}{{job="alluxio-workers"{more}}}[$__rate_interval]))'


_HITS, _MISSES = _rate("alluxiofs_page_store_hits_total"), _rate("alluxiofs_page_store_misses_total")
_USED, _WASTED = _rate("alluxiofs_readahead_used_bytes_total"), _rate("alluxiofs_readahead_wasted_bytes_total")
_FAILED = ', state=~"timeout|unavailable|bad_answer|failed"'
_WIDTHS = {5: 8, 6: 8, 8: 6}  # of so many panels in a row, which then has several lines
_FEW = ((None, "green"), (0.01, "orange"), (0.05, "red"))  # the alerts begin at 5 %
_NONE = "none so far"

ROWS: Dict[str, Sequence[Panel]] = {
    "At a glance": [
        _number("Processes", "short", "That show their metrics.", f"count (up{{{_CHOSEN}}} == 1) or vector(0)"),
        _number(
            "Alerts",
            "short",
            "That fire now; Prometheus has their names at /alerts.",
            f'count (ALERTS{{{_CHOSEN}, alertname=~"Alluxiofs.+", alertstate="firing"}}) or vector(0)',
            colors=((None, "green"), (1, "red")),
        ),
        _number(
            "Workers alive",
            "short",
            "As the process sees it that sees the fewest.",
            _level("alluxiofs_workers_alive", "min"),
            nothing="no cluster",
            colors=((None, "red"), (1, "green")),
        ),
        _number("Read", "binBps", "File content, from wherever.", _rate("alluxiofs_read_bytes_total")),
        _number(
            "Hit ratio",
            "percentunit",
            "Of looks for a page in the page stores.",
            _share(_HITS, f"({_HITS} + {_MISSES})"),
            nothing="no looks",
        ),
        _number(
            "Failing calls to workers",
            "percentunit",
            "Users do not see them: another worker or the under store answers.",
            _share(f"({_rate(_WORKER_CALLS, more=_FAILED)} or vector(0))", _rate(_WORKER_CALLS)),
            nothing="no calls",
            colors=_FEW,
        ),
        _number(
            "Fallbacks",
            "reqps",
            "Calls that the under store bears in place of the cluster.",
            f"{_rate('alluxiofs_fallbacks_total')} or vector(0)",
        ),
        _number(
            "Failing calls to the under store",
            "percentunit",
            "Users see these: there is nobody behind it.",
            _share(f"({_rate(_STORE_CALLS, more=_FAILED)} or vector(0))", _rate(_STORE_CALLS)),
            nothing="no calls",
            colors=_FEW,
        ),
    ],
    "By process (the recording rules)": [
        _by_process("Read", "binBps", "read_bytes:rate5m", "Who reads how much, and from where.", ", {{source}}"),
        _by_process("Failing calls to workers", "percentunit", "worker_failures:ratio5m", "Of one: its way to them."),
        _by_process("Calls to workers over 640 ms", "percentunit", "worker_slow_calls:ratio5m", "Of all: the workers."),
        _by_process("Fallbacks", "reqps", "fallbacks:rate5m", "Without those for pages that no worker holds yet."),
        _by_process("Failing calls to the under store", "percentunit", "under_store_failures:ratio5m", "Users see it."),
        _by_process("Hit ratio", "percentunit", "page_store_hits:ratio5m", "Of looks for a page in the page store."),
    ],
    "Bytes": [
        _lines(
            "Read, by source",
            "binBps",
            "The share of under_store falls as the cluster warms up.",
            (_rate("alluxiofs_read_bytes_total", "source"), "{{source}}"),
            stacked=True,
        ),
        _lines(
            "Written",
            "binBps",
            "What was committed.",
            (_rate("alluxiofs_written_bytes_total", "under_store"), "{{under_store}}"),
            stacked=True,
        ),
    ],
    "Workers": [
        _lines(
            "Calls, by method", "reqps", "On the wire.", (_rate(_WORKER_CALLS, "method"), "{{method}}"), stacked=True
        ),
        _lines(
            "Calls that were not ok, by state",
            "reqps",
            "not_found and not_held are answers; the others are failures.",
            (_rate(_WORKER_CALLS, "state", ', state!="ok"'), "{{state}}"),
            nothing=_NONE,
        ),
        _lines(
            "Latency",
            "ms",
            "Estimated from buckets of 10, 40, 160 and 640 ms: longer ones show as 640.",
            (_quantile(0.5, _LATENCY), "half of the calls"),
            (_quantile(0.99, _LATENCY), "99 %"),
        ),
        _lines(
            "Latency of 99 %, by method",
            "ms",
            "Of one method: what is asked for. Of all: the workers, or the network.",
            (_quantile(0.99, _LATENCY, "le, method"), "{{method}}"),
        ),
        _lines(
            "Alive, and passed over",
            "short",
            "In the membership, and of those the ones that fail again and again.",
            (_level("alluxiofs_workers_alive", "min"), "alive"),
            (_level("alluxiofs_breakers_open", "max"), "passed over"),
        ),
    ],
    "The workers' own side (the job alluxio-workers)": [
        _lines(
            "Calls, by worker",
            "reqps",
            "Clients do not say which worker it was. One that has far more to do than others: alluxiofs placement.",
            (_of_workers(_WORKER_CALLS, "instance"), "{{instance}}"),
        ),
        _lines(
            "Failing calls, by worker",
            "reqps",
            "None here, and failing calls above: the network between.",
            (_of_workers(_WORKER_CALLS, "instance", _FAILED), "{{instance}}"),
            nothing=_NONE,
        ),
        _lines(
            "Latency of 99 %, by worker",
            "ms",
            "Quick here, and slow above: the network between.",
            (f"histogram_quantile(0.99, {_of_workers(f'{_LATENCY}_bucket', 'le, instance')})", "{{instance}}"),
        ),
    ],
    "Failures that users do not see": [
        _events("Failovers, by reason", "failovers", "To the next worker."),
        _events("Fallbacks, by reason", "fallbacks", "To the under store."),
        _events("Retries, by reason", "retries", "Of the last in line."),
        _lines(
            "Breakers",
            "opm",
            "Workers that are passed over, and asked again, a minute.",
            (f"60 * {_rate('alluxiofs_breakers_opened_total')}", "opened"),
            (f"60 * {_rate('alluxiofs_breakers_closed_total')}", "closed"),
            nothing=_NONE,
        ),
    ],
    "Under store": [
        _lines(
            "Calls, by method",
            "reqps",
            "What the storage bears.",
            (_rate(_STORE_CALLS, "under_store, method"), "{{under_store}} {{method}}"),
            stacked=True,
        ),
        _lines(
            "Calls, by state",
            "reqps",
            "Failures here are seen by users.",
            (_rate(_STORE_CALLS, "under_store, state"), "{{under_store}} {{state}}"),
        ),
        _lines(
            "Latency",
            "s",
            "Estimated from buckets up to 0.64 s: longer ones show as 0.64.",
            (_quantile(0.5, _UNDER_STORE), "half of the calls"),
            (_quantile(0.99, _UNDER_STORE), "99 %"),
        ),
    ],
    "Page stores": [
        _lines(
            "Looks for a page",
            "ops",
            "A read of several pages looks for each.",
            (_HITS, "hits"),
            (_MISSES, "misses"),
            stacked=True,
        ),
        _lines(
            "Used",
            "bytes",
            "Processes that share a page store on disk each show all of it: they are not to be added up.",
            (_level("alluxiofs_page_store_used_bytes", "max by (instance)"), "{{instance}}"),
            (_level("alluxiofs_page_store_capacity_bytes", "max"), "the largest capacity"),
        ),
        _lines(
            "Pages",
            "short",
            "That are kept; of shared ones as above.",
            (_level("alluxiofs_page_store_pages", "max by (instance)"), "{{instance}}"),
        ),
        _lines(
            "Evictions",
            "ops",
            "With a falling hit ratio: too little capacity.",
            (_rate("alluxiofs_page_store_evictions_total"), "pages"),
        ),
        _lines(
            "Page stores that failed",
            "short",
            "Reads go on without them.",
            (_level("alluxiofs_page_store_failures_total"), "since the processes began"),
            nothing=_NONE,
        ),
    ],
    "Readers": [
        _lines(
            "Fetched ahead",
            "binBps",
            "Wasted: readers jump.",
            (_USED, "read in the end"),
            (_WASTED, "wasted"),
            stacked=True,
        ),
        _lines("Open files", "short", "To read or to write.", (_level("alluxiofs_open_files"), "open")),
        _lines(
            "Load jobs",
            "short",
            "Submitted by these processes, and how they ended.",
            (_level("alluxiofs_load_jobs_total", "sum by (state)"), "{{state}}"),
            nothing=_NONE,
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
    numbers = itertools.count(1)  # links to a panel go by its number
    for title, panels in ROWS.items():
        board = board.with_row(made.Row(title).id(next(numbers)))
        for panel in panels:
            width = _WIDTHS.get(len(panels)) or 24 // len(panels)
            board = board.with_panel(_panel(panel, source, width).id(next(numbers)))
    return board.build()


def _panel(panel: Panel, source: Any, width: int) -> Any:
    from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
    from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
    from grafana_foundation_sdk.models.common import (
        BigValueColorMode,
        BigValueGraphMode,
        LegendDisplayMode,
        LegendPlacement,
        StackingMode,
    )
    from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

    if panel.kind == "stat":
        built: Any = stat.Panel().graph_mode(BigValueGraphMode.NONE).height(4)
        built = built.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        if panel.colors:
            steps = [Threshold(value, color) for value, color in panel.colors]
            built = built.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        else:
            built = built.color_mode(BigValueColorMode.NONE)
    else:
        legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
        built = timeseries.Panel().height(8).fill_opacity(10).legend(legend.placement(LegendPlacement.BOTTOM))
        if panel.stacked:
            built = built.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if panel.nothing:
        built = built.no_value(panel.nothing)
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
