"""What was measured, as a picture."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Sequence, Tuple

from alluxiofs.cli.placement.measuring import Case, Measured
from alluxiofs.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from alluxiofs.cli.placement.judging import Row

__all__ = ["draw", "needed"]

_Figure = Callable[[Case, Measured], float]
_PANELS: Sequence[Tuple[str, str, _Figure]] = (
    ("Fullest worker", "keys over the mean", lambda _, measured: measured.fullest),
    ("Keys that move when a worker leaves", "over those that it had", lambda case, one: one.moved * case.workers),
    ("Making the policy", "seconds", lambda _, measured: measured.build_seconds),
    ("Memory by which the process grows", "MB", lambda _, measured: (measured.memory or 0) / 2**20),
)
_KEYS = 20  # a worker: of fewer its share says more of chance than of the policy
_ALIKE = 1.1  # times what chance does to another policy: more, and the difference of the two is chance's
_LEAST = (1.0, 1.0, 1e-5, 0.1)  # where the axes begin, at the latest
_MARKERS = "osD^vPX*<>hd"


def needed() -> None:
    """Have what draws.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401 - whether it is there is the question
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib: pip install 'alluxiofs[plot]'") from error


def draw(rows: Sequence[Row], path: str) -> None:
    """Write a picture, with what is :func:`needed`; the ending of the path says of which kind: ``.png`` or ``.svg``.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Text stays text, and one measurement gives one file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "alluxiofs"}):
        figure = Figure(figsize=(12, 8.5), layout="constrained")
        FigureCanvasAgg(figure)
        _fill(figure, rows)
        kind = os.path.splitext(path)[1].lstrip(".").lower()
        figure.savefig(path, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)


def _fill(figure: Figure, rows: Sequence[Row]) -> None:
    lines: Dict[str, List[Row]] = {}
    for row in rows:
        lines.setdefault(row[0].name, []).append(row)
    counts = sorted({case.workers for case, _ in rows})
    axes = figure.subplots(2, 2).flat
    even = _even(rows)
    told = [row for row in rows if row[1].even <= _ALIKE * even.get(row[0].workers, 0.0)]
    for (title, unit, value), least, axis in zip(_PANELS, _LEAST, axes):
        axis.set_title(title, loc="left")
        _panel(axis, lines, value, counts, least, told if axis is figure.axes[0] else rows)
        axis.set_ylabel(unit)
    axis = figure.axes[0]
    axis.plot(sorted(even), [even[count] for count in sorted(even)], "k--", linewidth=1, label="chance alone")
    if len(told) < len(rows):
        axis.set_title(f"{axis.get_title(loc='left')} (where keys are enough to tell it from chance)", loc="left")
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("Placement of files on workers")


def _even(rows: Sequence[Row]) -> Dict[int, float]:
    """What chance makes of the fullest worker, by the number of workers: of the most keys that one was given."""
    found: Dict[int, float] = {}
    for case, measured in rows:
        if measured.keys >= _KEYS * case.workers:
            found[case.workers] = min(measured.even, found.get(case.workers, math.inf))
    return found


def _panel(
    axis: Any,
    lines: Dict[str, List[Row]],
    value: _Figure,
    counts: Sequence[int],
    least: float,
    drawn: Sequence[Row],
) -> None:
    from matplotlib.ticker import LogLocator

    for number, (name, there) in enumerate(lines.items()):
        points = sorted((row[0].workers, max(least, value(*row))) for row in there if row in drawn)
        axis.plot(
            [count for count, _ in points],
            [height for _, height in points],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            linewidth=1.5,
            label=name,
            gid=f"{axis.get_title(loc='left')}: {name}",  # for who takes an SVG apart
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(counts, [f"{count:,}" for count in counts])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5) if value is _PANELS[0][2] else (1, 2, 5)))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.6f}".rstrip("0").rstrip("."))
    axis.minorticks_off()
    axis.set_xlabel("workers")
    axis.grid(visible=True, alpha=0.3)
