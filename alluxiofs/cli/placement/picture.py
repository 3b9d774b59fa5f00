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
    ("Fullest worker", "keys over the mean", lambda case, one: one.fullest if _enough(case, one) else math.nan),
    ("Keys that move when a worker leaves", "over those that it had", lambda case, one: one.moved * case.workers),
    ("Making the policy", "seconds", lambda _, measured: measured.build_seconds),
    ("Memory by which the process grows", "MB", lambda _, measured: (measured.memory or 0) / 2**20),
)
_KEYS = 20  # a worker: of fewer its share says more of chance than of the policy
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
    for (title, unit, value), least, axis in zip(_PANELS, _LEAST, axes):
        axis.set_title(title, loc="left")
        _panel(axis, lines, value, counts, least)
        axis.set_ylabel(unit)
    axis = figure.axes[0]
    drawn = [row for row in rows if _enough(*row)]
    even = {case.workers: min(one.even for other, one in drawn if other.workers == case.workers) for case, _ in drawn}
    axis.plot(sorted(even), [even[count] for count in sorted(even)], "k--", linewidth=1, label="chance alone")
    if len(drawn) < len(rows):
        title = f"{axis.get_title(loc='left')} (where there are {_KEYS} keys a worker or more)"
        axis.set_title(title, loc="left")
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("Placement of files on workers")


def _enough(case: Case, measured: Measured) -> bool:
    return measured.keys >= _KEYS * case.workers


def _panel(axis: Any, lines: Dict[str, List[Row]], value: _Figure, counts: Sequence[int], least: float) -> None:
    from matplotlib.ticker import LogLocator

    for number, (name, there) in enumerate(lines.items()):
        heights = ((case.workers, value(case, measured)) for case, measured in there)
        points = sorted((count, max(least, height)) for count, height in heights if not math.isnan(height))
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
