"""``alluxiofs stat``: all that is known of a path."""

from __future__ import annotations

import datetime
from typing import Any, Tuple

import click

from alluxiofs.cli.completing import paths_argument
from alluxiofs.cli.entries import as_data
from alluxiofs.cli.output import size_text, time_text, write_json, write_line
from alluxiofs.cli.session import Session, filesystem_options, pass_session

__all__ = ["command"]


@click.command("stat")
@paths_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a path, one a line.")
@filesystem_options
@pass_session
def command(session: Session, paths: Tuple[str, ...], as_json: bool) -> None:
    """Show all that is known of files and directories."""
    written = False
    for path in paths:
        with session.failures.guard(path):
            place = session.place(path)
            entry = as_data(place, place.fs.info(place.name))
            if as_json:
                write_json(entry, indent=None)
                continue
            if written:
                write_line("")
            width = max(map(len, entry)) + 1
            for name, value in entry.items():
                write_line(f"{name + ':':<{width}} {_text(name, value)}")
            written = True


def _text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "size" and isinstance(value, int) and value >= 1024:
        return f"{value} ({size_text(value)})"
    if name == "mode" and isinstance(value, int):
        return f"{value:04o}"
    if isinstance(value, datetime.datetime):
        return f"{time_text(value)} UTC"
    return str(value)
