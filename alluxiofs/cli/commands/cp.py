"""``alluxiofs cp``: copies inside of stores, and from one to another."""

from __future__ import annotations

from typing import Tuple

import click

from alluxiofs.cli.completing import sources_and_target
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.transfer import copy_file, jobs_option, plan, transfer
from alluxiofs.cli.trees import RemoteTree

__all__ = ["command"]


@click.command("cp")
@sources_and_target("PATH", "TARGET")
@click.option("-r", "-R", "--recursive", is_flag=True, help="Directories, with all that is in them.")
@jobs_option
@filesystem_options
@pass_session
def command(session: Session, sources: Tuple[str, ...], target: str, recursive: bool, jobs: int) -> None:
    """Copy files inside of a store, or from one store to another."""
    trees = [RemoteTree(session.place(source)) for source in sources]
    pairs = plan(trees, RemoteTree(session.place(target)), recursive, session.failures)
    transfer("cp", pairs, copy_file, jobs, session.failures)
