"""``alluxiofs mv``: new names for files and directories."""

from __future__ import annotations

from typing import Tuple

import click

from alluxiofs.cli.completing import sources_and_target
from alluxiofs.cli.failures import Failures
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.transfer import copy_file, jobs_option, pair_up, plan, refuse_itself, transfer
from alluxiofs.cli.trees import RemoteTree
from alluxiofs.errors import exists, is_a_directory, not_found

__all__ = ["command"]


@click.command("mv")
@sources_and_target("PATH", "TARGET")
@jobs_option
@filesystem_options
@pass_session
def command(session: Session, sources: Tuple[str, ...], target: str, jobs: int) -> None:
    """Move or rename files and directories, also from one store to another."""
    trees = [RemoteTree(session.place(source)) for source in sources]
    there = RemoteTree(session.place(target))
    if target.endswith("/") and there.kind() is None:
        there.make_directory()
    for pair in pair_up(trees, there):
        with session.failures.guard(pair.source.given):
            _move(pair.source, pair.target, jobs)


def _move(source: RemoteTree, target: RemoteTree, jobs: int) -> None:
    kind, present = source.kind(), target.kind()
    if kind is None:
        raise not_found(source.given)
    refuse_itself(source, target)
    if kind == "directory" and present is not None:
        raise exists(target.given, "something of this name is in the way")
    if kind == "file" and present == "directory":
        raise is_a_directory(target.given, "a directory of this name is in the way")
    if source.fs is target.fs:
        source.fs.mv(source.name, target.name, recursive=kind == "directory")
        return
    trouble = Failures()
    pairs = plan([source], target, recursive=True, failures=trouble)
    transfer("mv", pairs, copy_file, jobs, trouble)
    if trouble.code:  # what was not copied must not be removed
        raise OSError("not moved: not all of it could be copied; the source is as it was")
    source.fs.rm(source.name, recursive=kind == "directory")
