"""``alluxiofs cache pin``: files that are kept whole, and stay."""

from __future__ import annotations

from typing import Iterator, List, Tuple

import click
from fsspec.callbacks import Callback

from alluxiofs.cli.completing import paths_argument
from alluxiofs.cli.kept.pinning import keep_and_pin
from alluxiofs.cli.kept.stores import path_option, use_folders
from alluxiofs.cli.output import count_text, size_text, write_json, write_line
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.transfer import Pair, jobs_option, transfer
from alluxiofs.cli.trees import RemoteTree
from alluxiofs.errors import is_a_directory, not_found

__all__ = ["command"]

_Pin = Pair[RemoteTree, RemoteTree]


@click.command("pin")
@paths_argument
@click.option("-r", "-R", "--recursive", is_flag=True, help="Directories, with all that is in them.")
@jobs_option
@click.option("--json", "as_json", is_flag=True, help="What was pinned as a JSON object.")
@path_option
@filesystem_options
@pass_session
def command(
    session: Session, paths: Tuple[str, ...], recursive: bool, jobs: int, folders: Tuple[str, ...], as_json: bool
) -> None:
    """Fetch what is missing of files, and have them stay when room is needed.

    They are kept for programs that read them with the same store, page store and page size. Of a file that is written
    anew the new version is not pinned. Pinned pages count for the capacity.
    """
    use_folders(session, folders)
    files: List[_Pin] = []
    for path in paths:
        with session.failures.guard(path):
            files.extend(_files(RemoteTree(session.place(path)), recursive))
    pinned: List[Tuple[int, int]] = []

    def work(file: _Pin, callback: Callback) -> None:
        pinned.append((keep_and_pin(file.source, callback), file.size))

    transfer("pin", files, work, jobs, session.failures)
    pages, size = sum(count for count, _ in pinned), sum(size for _, size in pinned)
    if as_json:
        write_json({"files": len(pinned), "pages": pages, "bytes": size})
    else:
        write_line(f"pinned {count_text(len(pinned), 'file')}, {count_text(pages, 'page')} ({size_text(size)})")


def _files(tree: RemoteTree, recursive: bool) -> Iterator[_Pin]:
    kind = tree.kind()
    if kind is None:
        raise not_found(tree.given)
    if kind != "directory":
        yield Pair(tree, tree, tree.size() or 0)
        return
    if not recursive:
        raise is_a_directory(tree.given, "is a directory (use -r to take it with all that is in it)")
    for node in tree.walk():
        if not node.is_directory:
            file = tree.below(node.relative)
            yield Pair(file, file, node.size or 0)
