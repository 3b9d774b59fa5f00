"""Measures the way to a worker, and writes what came out into ``docs/performance-wire.md``:
``python -m benchmarks.wire_page``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from benchmarks.core import discover, run
from benchmarks.markdown import aims
from benchmarks.report import write_json

__all__ = ["page_with", "tables"]

BENCHMARKS = ("wire-4k-1", "wire-4k-8", "wire-large", "wire-metadata")
PAGE = Path("docs/performance-wire.md")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
_DIALECTS = ("pages", "rest")
_HEADINGS = (
    ("4 kB at random places of a file that the worker holds", ("wire-4k-1", "wire-4k-8")),
    ("1 GiB that the worker holds", ("wire-large",)),
    ("What is there", ("wire-metadata",)),
)
_COLUMNS = {"wire-4k-1": "1 thread", "wire-4k-8": "8 threads"}
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def _seconds(value: float) -> str:
    scale, unit = next((each for each in _UNITS if value >= each[0]), _UNITS[-1])
    shown = value / scale
    return f"{shown:.0f} {unit}" if shown >= 100 else f"{shown:.3g} {unit}"


def _machine(document: Mapping[str, Any]) -> str:
    machine, results = document["machine"], document["results"]
    loads = [f"{result['load']:.1f}" for result in results if result["load"] is not None]
    packages = {name: version for name, version in machine["packages"].items() if version is not None}
    return (
        f"**{machine['time'][:10]}**, {machine['cpus']} processors ({machine['processor']}, {machine['system']}), "
        f"Python {machine['python']}, urllib3 {packages.get('urllib3', '?')}. Load averages before the benchmarks: "
        f"{', '.join(loads)}. Turns: {', '.join(str(result['turns']) for result in results)}"
        f"{' (a quick look, with less data)' if document['quick'] else ''}.\n"
    )


def tables(document: Mapping[str, Any]) -> str:
    """What a run has written, as Markdown."""
    by_name = {result["name"]: result for result in document["results"]}
    parts = [_machine(document)]
    for heading, names in _HEADINGS:
        found = [by_name[name] for name in names if name in by_name and by_name[name]["skipped"] is None]
        if found:
            parts.append(f"### {heading}\n\n{_table(found)}")
    parts.append(f"### Aims\n\n{aims(document['results'])}")
    return "\n".join(parts)


def _table(results: Sequence[Mapping[str, Any]]) -> str:
    """A row for each contestant and dialect; for each phase the CPU, the time, and the times of the baseline's."""
    cells: Dict[Tuple[str, str], Dict[str, Mapping[str, Any]]] = {}
    columns: Dict[str, None] = {}
    for result in results:
        for phase in result["phases"]:
            what, _, dialect = phase["name"].rpartition(", ")
            column = what or _COLUMNS.get(result["name"], "")
            columns[column] = None
            for case in phase["cases"]:
                cells.setdefault((dialect, case["name"]), {})[column] = case
    grown = any("memory" in case["figures"] for row in cells.values() for case in row.values())
    heads = [f"{column}: CPU | time | × |{' memory |' if grown else ''}" for column in columns]
    lines = [f"| | dialect | {' '.join(heads)}"]
    lines.append("|" + " --- |" * (lines[0].count("|") - 1))
    for dialect in _DIALECTS:
        for (spoken, name), row in cells.items():
            if spoken == dialect:
                shown = [cell for column in columns for cell in _cells(row.get(column), grown)]
                lines.append(f"| {name} | `{dialect}` | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _cells(case: Any, grown: bool) -> List[str]:
    if case is None or case["problems"] or "seconds" not in case["figures"]:
        problem = "–" if case is None or not case["problems"] else ", ".join(case["problems"])
        return [problem, "–", "–", *(["–"] if grown else [])]
    figures, ratio = case["figures"], case["ratio"]
    cpu = figures.get("cpu")
    shown = [
        "–" if cpu is None else f"{_seconds(cpu['median'])} ({_seconds(cpu['min'])})",
        _seconds(figures["seconds"]["median"]),
        "–" if ratio is None else f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})",
    ]
    if grown:
        shown.append(f"{figures['memory']['median'] / 1e6:.0f} MB" if "memory" in figures else "–")
    return shown


def page_with(page: str, measured: str) -> str:
    """The page with other results in it; ``ValueError`` if it does not say where they go."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}\n{measured}\n{end}{after}"


def main(words: Optional[Sequence[str]] = None) -> None:
    """Measure, unless a file of results is given, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire_page", description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("build/wire.json"), help="all samples (%(default)s)")
    parser.add_argument("--measured", action="store_true", help="take what is in that file, and measure nothing")
    parser.add_argument("--page", type=Path, default=PAGE, help="what is written (%(default)s)")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this benchmark; may be given again")
    parser.add_argument("--turns", type=int, help="of each benchmark, instead of its own number")
    parser.add_argument("--quick", action="store_true", help="less data and fewer turns; the page stays as it is")
    arguments = parser.parse_args(words)
    if not arguments.measured:
        known, results = discover(), []
        for name in arguments.only or BENCHMARKS:
            sys.stderr.write(f"{name} …\n")
            results.append(run(known[name], arguments.turns, arguments.quick))
            write_json(results, arguments.json, arguments.quick)
    measured = tables(json.loads(arguments.json.read_text(encoding="utf-8")))
    if arguments.quick:
        sys.stdout.write(measured)
    else:
        page = page_with(arguments.page.read_text(encoding="utf-8"), measured)
        arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
