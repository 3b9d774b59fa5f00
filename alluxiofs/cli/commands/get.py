"""``alluxiofs get``: files to this machine."""

from __future__ import annotations

from typing import Tuple

import click
from fsspec.callbacks import Callback

from alluxiofs.cli.completing import sources_and_target
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.transfer import Pair, jobs_option, plan, transfer
from alluxiofs.cli.trees import LocalTree, RemoteTree

__all__ = ["command"]


@click.command("get")
@sources_and_target("PATH", "LOCAL")
@click.option("-r", "-R", "--recursive", is_flag=True, help="Directories, with all that is in them.")
@jobs_option
@filesystem_options
@pass_session
def command(session: Session, sources: Tuple[str, ...], target: str, recursive: bool, jobs: int) -> None:
    """Copy files from the store to this machine."""
    trees = [RemoteTree(session.place(source)) for source in sources]
    pairs = plan(trees, LocalTree(target), recursive, session.failures)
    transfer("get", pairs, _get, jobs, session.failures)


def _get(pair: Pair[RemoteTree, LocalTree], callback: Callback) -> None:
    pair.source.fs.get_file(pair.source.name, pair.target.name, callback=callback)
