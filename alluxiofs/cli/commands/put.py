"""``alluxiofs put``: files from this machine."""

from __future__ import annotations

from typing import Tuple

import click
from fsspec.callbacks import Callback

from alluxiofs.cli.completing import sources_and_target
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.transfer import Pair, jobs_option, plan, transfer
from alluxiofs.cli.trees import LocalTree, RemoteTree

__all__ = ["command"]


@click.command("put")
@sources_and_target("LOCAL", "PATH")
@click.option("-r", "-R", "--recursive", is_flag=True, help="Directories, with all that is in them.")
@jobs_option
@filesystem_options
@pass_session
def command(session: Session, sources: Tuple[str, ...], target: str, recursive: bool, jobs: int) -> None:
    """Copy files from this machine to the store."""
    trees = [LocalTree(source) for source in sources]
    pairs = plan(trees, RemoteTree(session.place(target)), recursive, session.failures)
    transfer("put", pairs, _put, jobs, session.failures)


def _put(pair: Pair[LocalTree, RemoteTree], callback: Callback) -> None:
    pair.target.fs.put_file(pair.source.name, pair.target.name, callback=callback)
