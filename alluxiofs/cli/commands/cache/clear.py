"""``alluxiofs cache clear``: drops everything that is kept."""

from __future__ import annotations

import sys
from typing import List, Tuple

import click

from alluxiofs.cli.failures import UsageError
from alluxiofs.cli.kept.stores import OpenedStore, open_stores, path_option
from alluxiofs.cli.output import count_text, size_text, write_json, write_line
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.pagestores.ondisk.older import remove_older

__all__ = ["command"]


@click.command("clear")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="What was dropped as a JSON object.")
@path_option
@filesystem_options
@pass_session
def command(session: Session, yes: bool, folders: Tuple[str, ...], as_json: bool) -> None:
    """Drop everything that is kept, pinned pages too. Asks first, on a terminal.

    A store that is broken is made anew. What older versions have kept in the same folder, which nobody reads any more,
    is removed.
    """
    opened = open_stores(session, folders, check=False)
    if not opened:
        return
    if not yes and not _confirmed(opened):
        raise click.ClickException("nothing was dropped")
    pages = size = 0
    for one in opened:
        with session.failures.guard(one.where):
            counters = one.store.counters()
            one.store.clear()
            pages += counters["pages"]
            size += counters["bytes"]
            for older in one.older:
                remove_older(older)
                size += older.size
    if as_json:
        write_json({"pages": pages, "bytes": size})
    else:
        write_line(f"dropped {count_text(pages, 'page')} ({size_text(size)})")


def _confirmed(opened: List[OpenedStore]) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("this drops everything; there is no terminal to ask on, so say --yes")
    pages = sum(one.store.counters()["pages"] for one in opened)
    where = ", ".join(one.where for one in opened)
    older = sum(older.size for one in opened for older in one.older)
    besides = f", and {size_text(older)} of older versions" if older else ""
    # Not by click, whose releases differ in what of a question goes to the standard output.
    click.echo(f"Drop {count_text(pages, 'page')}, all there is, in {where}{besides}? [y/N]: ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer:
        raise click.Abort
    return answer.strip().lower() in ("y", "yes")
