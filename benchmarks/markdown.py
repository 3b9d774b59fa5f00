"""The tables of a run as Markdown, as in ``docs/performance.md``: ``python -m benchmarks.markdown FILE``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

__all__ = ["aims", "tables"]

Spread = Mapping[str, Any]

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _seconds(spread: Spread) -> str:
    scale, unit = next((each for each in _UNITS if spread["median"] >= each[0]), _UNITS[-1])
    low, middle, high = (_number(spread[name] / scale) for name in ("min", "median", "max"))
    return f"**{middle} {unit}** ({low}–{high})"


def _ratio(spread: Spread) -> str:
    return f"{spread['median']:.2f} ({spread['min']:.2f}–{spread['max']:.2f})"


def _memory(spread: Spread) -> str:
    return f"{spread['median'] / 1e6:.0f} MB"


def _plain(spread: Spread) -> str:
    return f"{spread['median']:.3g}" if spread["median"] >= 5e-4 else "0"


_FIGURES: Dict[str, Callable[[Spread], str]] = {"fetched": _plain, "requests": _plain, "memory": _memory}


def tables(result: Mapping[str, Any]) -> str:
    """One table of all phases of a benchmark."""
    if result["skipped"] is not None:
        return f"Skipped: {result['skipped']}\n"
    phases = result["phases"]
    shown = [name for name in _FIGURES if any(name in case["figures"] for phase in phases for case in phase["cases"])]
    phased = [" phase |"] if len(phases) > 1 else []
    head = "".join(["|", *phased, f" | {result['unit']} | × local |", *(f" {name} |" for name in shown)])
    lines = [head, "|" + " --- |" * (head.count("|") - 1)]
    for phase in phases:
        for case in phase["cases"]:
            first = [f" {phase['name']} |"] if phased else []
            cells = _cells(case, shown, result["turns"])
            lines.append("".join(["|", *first, f" {case['name']} |", *(f" {cell} |" for cell in cells)]))
    return "\n".join(lines) + "\n"


def _cells(case: Mapping[str, Any], shown: List[str], turns: int) -> List[str]:
    figures = case["figures"]
    problem = _problem(case, turns)
    if problem is not None:
        return [problem, "", *("" for _ in shown)]
    ratio: Optional[Spread] = case["ratio"]
    cells = [_seconds(figures["seconds"]), "" if ratio is None else _ratio(ratio)]
    return cells + [_FIGURES[name](figures[name]) if name in figures else "" for name in shown]


def _problem(case: Mapping[str, Any], turns: int) -> Optional[str]:
    if not case["problems"]:
        return None
    kinds = [f"{kind} in {count} of {turns} turns" for kind, count in case["problems"].items() if kind != "cannot"]
    message = case["message"].replace("|", "\\|").split(" (")[0]
    return f"{', '.join(kinds)}: {message}" if kinds else f"cannot: {message}"


def aims(results: Sequence[Mapping[str, Any]]) -> str:
    """One table of all aims, and what was measured."""
    lines = ["| benchmark | who | aim | median | |", "| --- | --- | --- | --- | --- |"]
    for result in results:
        for phase in result["phases"]:
            where = ", ".join(filter(None, (result["name"], phase["name"])))
            for case in phase["cases"]:
                for aim in case["aims"]:
                    cells = (where, case["name"], *_aim(aim))
                    lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _aim(aim: Mapping[str, Any]) -> Tuple[str, str, str]:
    value, most, of = aim["value"], aim["most"], aim["of"]
    if value is None:
        return f"{aim['figure']}", "none", "not measured"
    reached = "reached" if aim["reached"] else "**missed**"
    if aim["figure"] == "memory":
        return f"memory ≤ {most / 1e6:g} MB", f"{value / 1e6:.0f} MB", reached
    if of is not None:
        return f"≤ {most:.2f} × {of}", f"{value:.2f}", reached
    if aim["figure"] == "seconds":
        return f"≤ {most * 1e3:g} ms", f"{value * 1e3:.2f} ms", reached
    return f"{aim['figure']} ≤ {most:g}", f"{value:.3g}", reached


def main() -> None:
    """Print all tables of a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.markdown", description=__doc__)
    parser.add_argument("file", type=Path, help="as a run has written it")
    document = json.loads(parser.parse_args().file.read_text(encoding="utf-8"))
    sys.stdout.write(f"```json\n{json.dumps(document['machine'], indent=1)}\n```\n\n")
    sys.stdout.write(f"{aims(document['results'])}\n")
    for result in document["results"]:
        sys.stdout.write(f"### {result['name']}\n\n{result['what']} {result['turns']} turns.\n\n{tables(result)}\n")


if __name__ == "__main__":
    main()
