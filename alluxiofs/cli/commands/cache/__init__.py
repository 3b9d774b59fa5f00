"""``alluxiofs cache``: looks after the pages that are kept on this machine. One module a subcommand."""

from __future__ import annotations

import sys

import click

from alluxiofs.cli.folders import CommandFolder

__all__ = ["command"]


@click.group("cache", cls=CommandFolder, package=sys.modules[__name__], invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Look after the pages that are kept on this machine.

    Programs may read and keep pages all the while. Without --path or --page-store it is the page store of the
    configuration, or else the one in the user's cache folder.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
