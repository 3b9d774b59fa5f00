"""``alluxiofs rm``: removes files, and with ``-r`` directories."""

from __future__ import annotations

from typing import Tuple

import click

from alluxiofs.cli.completing import paths_argument
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.errors import InvalidPathError, is_a_directory

__all__ = ["command"]


@click.command("rm")
@paths_argument
@click.option("-r", "-R", "--recursive", is_flag=True, help="Directories, with all that is in them.")
@click.option("-f", "--force", is_flag=True, help="A path that does not exist is no failure.")
@filesystem_options
@pass_session
def command(session: Session, paths: Tuple[str, ...], recursive: bool, force: bool) -> None:
    """Remove files. Asks nothing; names are taken as they are, without patterns."""
    for path in paths:
        with session.failures.guard(path):
            place = session.place(path)
            if not place.name.strip("/"):
                raise InvalidPathError(f"{path}: the root of a store is never removed")
            try:
                directory = place.fs.info(place.name)["type"] == "directory"
                if not directory:
                    place.fs.rm_file(place.name)
                elif recursive:
                    place.fs.rm(place.name, recursive=True)
                else:
                    raise is_a_directory(path, "is a directory (use -r to remove it with all that is in it)")
            except FileNotFoundError:
                if not force:
                    raise
