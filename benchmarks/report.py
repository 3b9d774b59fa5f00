"""What a run gives: a JSON document and tables."""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import attrs
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.results import AimResult, CaseResult, Phase, Result, Spread

__all__ = ["print_tables", "write_json"]

PACKAGES = ("alluxiofs", "fsspec", "urllib3", "s3fs", "aiobotocore", "aiohttp", "pyarrow")
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def write_json(results: Sequence[Result], path: Path, quick: bool) -> None:
    """Write all samples, their spreads and what machine they are from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "quick": quick,
        "machine": _machine(),
        "results": [attrs.asdict(result, value_serializer=_reached) for result in results],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _reached(_instance: Any, _field: Any, value: Any) -> Any:
    if isinstance(value, tuple) and value and isinstance(value[0], AimResult):
        return [{**attrs.asdict(aim), "reached": aim.reached} for aim in value]
    return value


def _machine() -> Dict[str, Any]:
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "processor": _told_by_linux("/proc/cpuinfo", "model name"),
        "memory": _told_by_linux("/proc/meminfo", "MemTotal"),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _told_by_linux(path: str, name: str) -> Optional[str]:
    if not os.path.exists(path):
        return None
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _version(package: str) -> Optional[str]:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def print_tables(result: Result, console: Console) -> None:
    """Print a table a phase: times, also as multiples of the baseline's in the same turn, and what else is known."""
    console.print(f"[bold]{result.name}[/bold]  {result.what} A unit: {result.unit}.")
    if result.skipped is not None:
        console.print(f"  [yellow]skipped: {result.skipped}[/yellow]\n")
        return
    load = "" if result.load is None else f", load average {result.load:.1f} before"
    console.print(f"  [dim]{result.turns} turns in {result.took:.0f} s{load}[/dim]")
    for phase in result.phases:
        _print_phase(phase, console)


def _print_phase(phase: Phase, console: Console) -> None:
    table = Table(title=phase.name or None, title_justify="left", title_style="italic", box=box.SIMPLE)
    table.add_column("case", min_width=24)
    extra = [name for name in ("fetched", "requests", "memory") if any(name in case.figures for case in phase.cases)]
    for heading in ("a unit", "min - max", "x base", "min - max", *extra):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("aims")
    for case in phase.cases:
        seconds = case.figures.get("seconds")
        cells: Tuple[str, ...] = ("", "") if seconds is None else _seconds(seconds)
        cells += ("", "") if case.ratio is None else (f"{case.ratio.median:.2f}", _ends(case.ratio, 1))
        cells += tuple(_figure(name, case.figures.get(name)) for name in extra)
        table.add_row(case.name, *cells, _remarks(case))
    console.print(table)


def _seconds(spread: Spread) -> Tuple[str, str]:
    scale, unit = next((each for each in UNITS if spread.median >= each[0]), UNITS[-1])
    return f"{spread.median / scale:.2f} {unit}", _ends(spread, scale)


def _ends(spread: Spread, scale: float) -> str:
    return f"{spread.min / scale:.2f} - {spread.max / scale:.2f}"


def _figure(name: str, spread: Optional[Spread]) -> str:
    if spread is None:
        return ""
    return f"{spread.median / 1e6:.0f} MB" if name == "memory" else f"{spread.median:.3g}"


def _remarks(case: CaseResult) -> str:
    lines: List[str] = []
    for kind, count in case.problems.items():
        lines.append(f"[red]{kind}[/red] ({count}x): {case.message}")
    lines += [_aim(aim) for aim in case.aims if aim.value is not None]
    return "\n".join(lines)


def _aim(aim: AimResult) -> str:
    value, most = aim.value or 0.0, aim.most
    if aim.figure == "memory":
        text = f"memory <= {most / 1e6:g} MB"
    elif aim.figure == "seconds" and aim.of is None:
        text = f"<= {most * 1e3:g} ms"
    elif aim.of is None:
        text = f"{aim.figure} <= {most:g}"
    else:
        text = f"<= {most:.2f} of {aim.of}: {value:.2f}"
    return f"{text} {'[green]reached[/green]' if aim.reached else '[red]missed[/red]'}"
