"""``alluxiofs metrics``: what a process has recorded, once, as a table."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import click

from alluxiofs.cli.monitoring.exposition import DEFAULT_PORT, Sample, Series, address_of, fetch
from alluxiofs.cli.output import printable, size_text, write_json, write_rich
from alluxiofs.cli.session import debug_option

__all__ = ["command"]

_PARTS = ("_bucket", "_sum", "_count")


@click.command("metrics")
@click.argument("url", default=DEFAULT_PORT)
@click.option("--all", "everything", is_flag=True, help="Those of others, too, that are on the same page.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: every series, with its labels and value.")
@debug_option
def command(url: str, everything: bool, as_json: bool) -> None:
    """Show what a process has recorded, once.

    URL is where it shows its metrics (telemetry={"name": "prometheus", "port": 9464}), or only the port, or host:port;
    by default it is that port on this machine.
    """
    sample = fetch(address_of(url))
    names = [name for name in sample.series if everything or name.startswith("alluxio")]
    if as_json:
        write_json([_data(sample, name, one) for name in names for one in sample.series[name]])
        return
    _write(sample, names)


def _data(sample: Sample, name: str, one: Series) -> Dict[str, Any]:
    # JSON has neither infinity nor "not a number".
    value = one.value if one.value - one.value == 0 else str(one.value)
    return {"name": name, "type": _kind(sample, name), "labels": dict(one.labels), "value": value}


def _family(sample: Sample, name: str) -> str:
    """The name that the page tells the kind of: that of a histogram is without the endings of its parts."""
    for ending in (*_PARTS, "_total"):
        if name not in sample.kinds and name.endswith(ending) and name[: -len(ending)] in sample.kinds:
            return name[: -len(ending)]
    return name


def _kind(sample: Sample, name: str) -> str:
    return sample.kinds.get(_family(sample, name), "untyped")


def _write(sample: Sample, names: Sequence[str]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = list(_rows(sample, names))
    if not rows:
        write_rich(Text("nothing has been recorded yet"))
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("metric, by its labels", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    last: Optional[str] = None
    for name, labels, value in rows:
        if labels and name != last:  # in a line of its own, or there is no room for the rest in 80 columns
            table.add_row(Text(printable(name), "bold"), "")
        table.add_row(
            Text(printable(f"  {labels}")) if labels else Text(printable(name), "bold"), Text(printable(value))
        )
        last = name
    write_rich(table)


def _rows(sample: Sample, names: Sequence[str]) -> Iterator[Tuple[str, str, str]]:
    for name in names:
        if _kind(sample, name) != "histogram":
            for one in sample.series[name]:
                yield name, _labels(one), _value(name, one.value)
        elif name.endswith("_count"):
            yield from _histogram(sample, name[: -len("_count")])


def _histogram(sample: Sample, name: str) -> Iterator[Tuple[str, str, str]]:
    """How many there were and how long they took on average; below that how many took no longer than each bound."""
    sums = {_labels(one): one.value for one in sample.series.get(f"{name}_sum", ())}
    unit = "ms" if name.endswith("_ms") else "s" if name.endswith("_seconds") else ""
    for one in sample.series[f"{name}_count"]:
        labels = _labels(one)
        mean = sums.get(labels, 0.0) / one.value if one.value else 0.0
        shown = f"{mean * 1000:.3g} ms" if unit == "s" else f"{mean:.3g} {unit}"
        yield name, labels, f"{one.value:,.0f}, on average {shown}".strip()
        for bound, share in _shares(sample, name, one):
            yield name, f"  up to {bound} {unit}".rstrip(), f"{share:.1%}"


def _shares(sample: Sample, name: str, count: Series) -> List[Tuple[str, float]]:
    found = []
    for one in sample.series.get(f"{name}_bucket", ()):
        bound = one.labels.get("le", "+Inf")
        if bound != "+Inf" and count.value and count.labels.items() <= one.labels.items():
            found.append((bound, one.value / count.value))
    return found


def _labels(one: Series) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(one.labels.items()))


def _value(name: str, value: float) -> str:
    if value - value != 0:
        return str(value)
    text = f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"
    return f"{text} ({size_text(int(value))})" if "_bytes" in name and value >= 1024 else text
