"""``alluxiofs top``: a live view of what a process does."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, List, Optional

import click

from alluxiofs.cli.failures import explain
from alluxiofs.cli.monitoring.endings import Endings
from alluxiofs.cli.monitoring.exposition import DEFAULT_PORT, Sample, address_of, fetch
from alluxiofs.cli.monitoring.figures import Between
from alluxiofs.cli.monitoring.keys import Keys
from alluxiofs.cli.monitoring.view import is_ours, view
from alluxiofs.cli.output import flush, on_terminal, write_rich
from alluxiofs.cli.session import debug_option
from alluxiofs.errors import BadAnswerError
from alluxiofs.settings.secrets import hidden_text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["command"]


@click.command("top")
@click.argument("url", default=DEFAULT_PORT)
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, help="Seconds between two looks."
)
@click.option("--count", type=click.IntRange(1), help="End after so many views; by default on q or Ctrl-C.")
@debug_option
def command(url: str, interval: float, count: Optional[int]) -> None:
    """Show what a process does, again and again: rates, hit ratio, latencies, workers.

    URL is where it shows its metrics (telemetry={"name": "prometheus", "port": 9464}), or only the port, or host:port;
    by default it is that port on this machine. Without a terminal each view is written below the one before.
    """
    address = address_of(url)
    earlier = _looked(address)
    if on_terminal():
        _live(address, earlier, interval, count)
    else:
        _lines(address, earlier, interval, count)


def _looked(address: str) -> Sample:
    sample = fetch(address)
    if not is_ours(sample):
        raise BadAnswerError(f"{address}: these are metrics, but none of alluxiofs")
    return sample


def _heading(address: str, more: str = "") -> RenderableType:
    from rich.text import Text

    now = datetime.datetime.now().astimezone().strftime("%H:%M:%S")
    return Text(f"{hidden_text(address)}  {now}{more}\n", "dim")


def _lines(address: str, earlier: Sample, interval: float, count: Optional[int]) -> None:
    shown = 0
    while count is None or shown < count:
        time.sleep(max(0.0, earlier.at + interval - time.monotonic()))
        between = Between(earlier, _looked(address))
        write_rich(_heading(address), *view(between))
        flush()
        earlier, shown = between.later, shown + 1


def _live(address: str, earlier: Sample, interval: float, count: Optional[int]) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    shown, due = 0, earlier.at + interval
    with Endings() as endings, Keys() as keys:
        how_it_ends = "  q ends it" if keys.are_heard else ""
        last: List[RenderableType] = [_heading(address, how_it_ends), Text("looking …", "dim")]
        # The alternate screen: what was in the terminal before is there again afterwards.
        with Live(Group(*last), screen=count is None, auto_refresh=False) as live:
            while count is None or shown < count:
                with endings.heard():
                    if keys.pressed("q", due):
                        break
                due = time.monotonic() + interval
                try:
                    with endings.heard():
                        between = Between(earlier, _looked(address))
                except OSError as error:  # the process may come back, and till then the last view is worth something
                    live.update(Group(*last, Text(f"\n{explain(error)}", "red")), refresh=True)
                    continue
                last = [_heading(address, how_it_ends), *view(between)]
                live.update(Group(*last), refresh=True)
                earlier, shown = between.later, shown + 1
