"""``alluxiofs cache unpin``: files go again when room is needed."""

from __future__ import annotations

from typing import Tuple

import click

from alluxiofs.cli.kept.changing import for_each, write_totals
from alluxiofs.cli.kept.chosen import choosing_options, chosen_by
from alluxiofs.cli.kept.stores import OpenedStore, open_stores, path_option
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]


@click.command("unpin")
@choosing_options
@click.option("--prefix", "prefixes", metavar="URL", multiple=True, help="Files below a URL (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="What was unpinned as a JSON object.")
@path_option
@filesystem_options
@pass_session
def command(
    session: Session,
    paths: Tuple[str, ...],
    below: bool,
    prefixes: Tuple[str, ...],
    folders: Tuple[str, ...],
    as_json: bool,
) -> None:
    """Have the pages of files go again when room is needed, of all their versions.

    PATH is a file as the other commands name it, or a key that 'cache ls' shows.
    """
    chosen = chosen_by(session, paths, below, prefixes)
    opened = open_stores(session, folders)
    if opened:
        write_totals("unpinned", for_each(session, opened, chosen, _unpin, pinned=True), as_json)


def _unpin(one: OpenedStore, key: bytes) -> None:
    one.store.pin(key, False)
