"""``alluxiofs cache evict``: drops what is kept of files."""

from __future__ import annotations

from typing import Optional, Tuple

import click

from alluxiofs.cli.kept.changing import for_each, write_totals
from alluxiofs.cli.kept.chosen import choosing_options, chosen_by
from alluxiofs.cli.kept.stores import OpenedStore, open_stores, path_option
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]


@click.command("evict")
@choosing_options
@click.option("--prefix", "prefixes", metavar="URL", multiple=True, help="Files below a URL (repeatable).")
@click.option(
    "--older-than",
    metavar="AGE",
    help="Only files kept for longer than this, a number with its unit: 7d, 12h, 30min, 90s.",
)
@click.option("--json", "as_json", is_flag=True, help="What was dropped as a JSON object.")
@path_option
@filesystem_options
@pass_session
def command(
    session: Session,
    paths: Tuple[str, ...],
    below: bool,
    prefixes: Tuple[str, ...],
    older_than: Optional[str],
    folders: Tuple[str, ...],
    as_json: bool,
) -> None:
    """Drop what is kept of files, of all their versions, pinned pages too.

    PATH is a file as the other commands name it, or a key that 'cache ls' shows. Programs that read such a file fetch
    it again; the storage itself is not touched.
    """
    chosen = chosen_by(session, paths, below, prefixes, older_than)
    opened = open_stores(session, folders)
    if opened:
        write_totals("dropped", for_each(session, opened, chosen, _drop), as_json)


def _drop(one: OpenedStore, key: bytes) -> None:
    one.store.forget(key)
    one.store.drop_notes((key,))
