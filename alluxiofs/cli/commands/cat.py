"""``alluxiofs cat``: the bytes of files on the standard output."""

from __future__ import annotations

from typing import Tuple

import click

from alluxiofs.cli.completing import paths_argument
from alluxiofs.cli.output import write
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]

_PIECE = 1 << 20


@click.command("cat")
@paths_argument
@filesystem_options
@pass_session
def command(session: Session, paths: Tuple[str, ...]) -> None:
    """Write files to the standard output, one after the other, in bounded memory."""
    view = memoryview(bytearray(_PIECE))
    for path in paths:
        with session.failures.guard(path):
            place = session.place(path)
            with place.fs.open(place.name, "rb") as file:
                while True:
                    count = file.readinto(view)
                    if not count:
                        break
                    write(view[:count])
