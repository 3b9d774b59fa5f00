"""What a run gives: a JSON document and a table."""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import attrs
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.core import CaseResult, Result, Spread

__all__ = ["print_table", "write_json"]

PACKAGES = ("alluxiofs", "fsspec", "urllib3", "s3fs", "pyarrow")
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))


def write_json(results: Sequence[Result], path: Path) -> None:
    """Write all samples, their spreads and what machine they are from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": _machine(), "results": [attrs.asdict(result) for result in results]}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _machine() -> Dict[str, Any]:
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> Optional[str]:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def print_table(results: Sequence[Result], console: Console) -> None:
    """Print a row a case: its time, and its time as a multiple of the baseline's in the same turn."""
    for result in results:
        title = f"[bold]{result.name}[/bold]  {result.what} A unit: {result.unit}."
        if result.skipped is not None:
            console.print(f"{title}\n  [yellow]skipped: {result.skipped}[/yellow]\n")
            continue
        table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE)
        table.add_column("case", min_width=30)
        for heading in ("a unit", "min - max", "x baseline", "min - max"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("promised")
        for index, case in enumerate(result.cases):
            ratio = ("1", "") if index == 0 else (f"{case.ratio.median:.2f}", _ends(case.ratio, 1))
            table.add_row(case.name, *_seconds(case.seconds), *ratio, _promise(case))
        console.print(table)


def _seconds(spread: Spread) -> Tuple[str, str]:
    scale, unit = next((each for each in UNITS if spread.median >= each[0]), UNITS[-1])
    return f"{spread.median / scale:.2f} {unit}", _ends(spread, scale)


def _ends(spread: Spread, scale: float) -> str:
    return f"{spread.min / scale:.2f} - {spread.max / scale:.2f}"


def _promise(case: CaseResult) -> str:
    limits = []
    if case.most_ratio is not None:
        limits.append(f"x <= {case.most_ratio:g}")
    if case.most_seconds is not None:
        limits.append(f"<= {case.most_seconds * 1e3:g} ms")
    if not limits:
        return ""
    return f"{', '.join(limits)}: {'[green]kept[/green]' if case.kept else '[red]not kept[/red]'}"
