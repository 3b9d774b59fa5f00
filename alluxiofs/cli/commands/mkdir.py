"""``alluxiofs mkdir``: makes directories."""

from __future__ import annotations

from typing import Tuple

import click

from alluxiofs.cli.completing import paths_argument
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]


@click.command("mkdir")
@paths_argument
@click.option("-p", "--parents", is_flag=True, help="Those above it, too; one that is there is no failure.")
@filesystem_options
@pass_session
def command(session: Session, paths: Tuple[str, ...], parents: bool) -> None:
    """Make directories. In an object store, which has none, this makes the bucket, where that is missing."""
    for path in paths:
        with session.failures.guard(path):
            place = session.place(path)
            if parents:
                place.fs.makedirs(place.name, exist_ok=True)
            else:
                place.fs.mkdir(place.name, create_parents=False)
