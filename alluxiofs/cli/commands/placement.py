"""``alluxiofs placement``: how evenly policies place files on workers, and what that costs."""

from __future__ import annotations

import os
import shutil
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import click
from attrs import asdict

from alluxiofs.cli.completing import PluginName
from alluxiofs.cli.failures import UsageError
from alluxiofs.cli.output import on_terminal, write_json, write_rich
from alluxiofs.cli.placement.judging import RING, Row, memory_text, recommendations, seconds_text, share_text
from alluxiofs.cli.placement.measuring import Case, Measured, measure
from alluxiofs.cli.placement.picture import draw, needed
from alluxiofs.cli.progress import telling
from alluxiofs.cli.session import debug_option

__all__ = ["command"]

_POLICIES = (RING, "jump", "ketama", "maglev", "multi-probe", "rendezvous")
_KEYS_PER_WORKER, _LEAST_KEYS = 1_000, 20_000
_MOST_POINTS = 50_000_000
_KINDS = (".png", ".svg")


def _numbers(least: int, most: int) -> Callable[[click.Context, click.Parameter, str], Tuple[int, ...]]:
    def parse(_: click.Context, __: click.Parameter, text: str) -> Tuple[int, ...]:
        try:
            numbers = tuple(dict.fromkeys(int(word.replace("_", "")) for word in text.split(",") if word.strip()))
        except ValueError:
            raise click.BadParameter(f"{text!r}: numbers with commas between them, such as 10,100") from None
        if not numbers or not all(least <= number <= most for number in numbers):
            raise click.BadParameter(f"{text!r}: numbers from {least:,} to {most:,}")
        return numbers

    return parse


def _pictures(_: click.Context, __: click.Parameter, paths: Sequence[str]) -> Sequence[str]:
    for path in paths:
        if os.path.splitext(path)[1].lower() not in _KINDS:
            raise click.BadParameter(f"{path!r}: the ending says of which kind it is, {' or '.join(_KINDS)}")
        # Who has waited for a minute is not to hear of it then.
        folder = os.path.dirname(path) or os.curdir
        if not os.path.isdir(folder):
            raise click.BadParameter(f"{path!r}: there is no folder {folder!r}")
        if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
            raise click.BadParameter(f"{path!r}: it cannot be written")
    return paths


@click.command("placement")
@click.option(
    "--workers", default="10,100,1000", show_default=True, callback=_numbers(1, 100_000), help="How many workers."
)
@click.option(
    "--virtual-nodes",
    default="5,100,500,2000",
    show_default=True,
    callback=_numbers(1, 100_000),
    help="Of each worker, on the ring of consistent-hash.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=PluginName("policy"),
    help="Only this one (repeatable); by default all that have a worker for a file.",
)
@click.option("--keys", type=click.IntRange(1_000), help="Keys at most; by default 1,000 for each worker.")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=3.0, show_default=True, help="For the keys of a policy, at most."
)
@click.option(
    "--picture", "pictures", multiple=True, callback=_pictures, help="Draw it, too: a .png or .svg (repeatable)."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON: times in seconds, sizes in bytes.")
@debug_option
def command(
    workers: Tuple[int, ...],
    virtual_nodes: Tuple[int, ...],
    policies: Tuple[str, ...],
    keys: Optional[int],
    seconds: float,
    pictures: Tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure how policies place files on workers, and recommend one.

    For each policy and number of workers: how much fuller the fullest worker is than the mean, how many keys move when
    a worker leaves, how long the policy takes to make and by how much the process has grown then ("memory"), and "at
    most" while it was made. Times are of the CPU. Nothing is connected to. A narrow terminal is shown
    fewer columns.
    "By chance" is how full the fullest would be if dice placed as many keys; "spread", how much shares differ besides.
    """
    _check_names(policies)
    if pictures:
        needed()
    rows: List[Row] = []
    cases = list(_cases(workers, virtual_nodes, policies or _POLICIES, keys, seconds))
    for number, case in enumerate(cases, 1):
        with telling(f"{number} of {len(cases)}: {case.name} with {case.workers:,} workers"):
            rows.append(_measured(case))
    for path in pictures:
        draw(rows, path)
    if as_json:
        write_json({"measured": [_data(*row) for row in rows], "recommended": list(recommendations(rows))})
    else:
        _write(rows)


def _cases(
    workers: Sequence[int], nodes: Sequence[int], policies: Sequence[str], keys: Optional[int], seconds: float
) -> Iterator[Case]:
    for count in workers:
        most = keys or max(_LEAST_KEYS, _KEYS_PER_WORKER * count)
        for policy in policies:
            settings: Sequence[Dict[str, Any]] = [{}]
            if policy == RING:
                settings = [{"virtual_nodes": number} for number in nodes]
                _check_points(count, max(nodes))
            for chosen in settings:
                yield Case(policy, count, most, seconds, chosen)


def _check_names(policies: Sequence[str]) -> None:
    """Raise what a filesystem would, for a policy that is not there: before the others have been measured."""
    from alluxiofs import Worker, WorkerIdentity, make_policy

    for policy in policies:
        make_policy(policy, [Worker(WorkerIdentity.from_host("worker"), "worker")])


def _check_points(workers: int, nodes: int) -> None:
    if workers * nodes > _MOST_POINTS:
        raise UsageError(
            f"{workers:,} workers with {nodes:,} virtual nodes each are a ring of {workers * nodes:,} points, and more "
            f"than {_MOST_POINTS:,} are not measured, which take some 3 GB while they are made: ask for fewer"
        )


def _measured(case: Case) -> Row:
    try:
        return case, measure(case)
    except RuntimeError as error:
        raise UsageError(str(error)) from error


def _data(case: Case, measured: Measured) -> Dict[str, Any]:
    about = {"policy": case.policy, "settings": dict(case.settings), "workers": case.workers}
    return {**about, **asdict(measured)}


def _microseconds(value: float) -> str:
    return f"{value:.1f} us" if value < 100 else f"{value:,.0f} us"


# A heading, what is below it, and whether it is left out where the terminal is narrow.
_COLUMNS: Sequence[Tuple[str, Callable[[Case, Measured], str], bool]] = (
    ("policy", lambda case, _: case.policy, False),
    ("virtual\nnodes", lambda case, _: f"{case.settings['virtual_nodes']:,}" if case.settings else "", False),
    ("fullest\n/ mean", lambda _, measured: f"{measured.fullest:.2f}", False),
    ("by\nchance", lambda _, measured: f"{measured.even:.2f}", True),
    ("spread", lambda _, measured: f"{measured.spread:.1%}", False),
    ("keys\nmove", lambda _, measured: share_text(measured.moved), False),
    ("to make", lambda _, measured: seconds_text(measured.build_seconds), False),
    ("a key", lambda _, measured: _microseconds(measured.rank_seconds * 1e6), False),
    ("memory", lambda _, measured: memory_text(measured.memory), False),
    ("at\nmost", lambda _, measured: memory_text(measured.peak), True),
    ("keys", lambda _, measured: f"{measured.keys:,}", True),
)
_ROOMY, _NARROW = 130, 106  # columns of a terminal that all of them need, with much and with little between


def _write(rows: Sequence[Row]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size().columns if on_terminal() else _ROOMY
    columns = [(heading, text) for heading, text, left_out in _COLUMNS if not (left_out and width < _NARROW)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1 if width >= _ROOMY else 0))
    for heading in ("workers", *(heading for heading, _ in columns)):
        table.add_column(heading, justify="left" if heading == "policy" else "right", no_wrap=True)
    last = None
    for number, (case, measured) in enumerate(rows):
        ends = number + 1 == len(rows) or rows[number + 1][0].workers != case.workers
        cells = ("" if case.workers == last else f"{case.workers:,}", *(text(case, measured) for _, text in columns))
        table.add_row(*map(Text, cells), end_section=ends)
        last = case.workers
    write_rich(table, *(Text(f"{line}\n") for line in recommendations(rows)))
