"""What ``get``, ``put``, ``cp`` and ``mv`` share: which file goes where, by the rules of Unix, and the moving itself.

* A target that is a directory, or is written with a slash at its end, takes the sources by their names.
* Any other target is the new name of the one source.
* A directory goes only where that was asked for, and everything below it with it.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Callable, Dict, Generic, Iterator, List, Sequence, TypeVar

import click
from attrs import define
from fsspec.callbacks import Callback

from alluxiofs.cli.failures import Failures, UsageError
from alluxiofs.cli.progress import CountBytes, progress_bar
from alluxiofs.cli.trees import Node, RemoteTree, Tree
from alluxiofs.errors import InvalidPathError, exists, is_a_directory, not_a_directory, not_found

__all__ = ["Pair", "copy_file", "jobs_option", "pair_up", "plan", "transfer"]


S = TypeVar("S", bound=Tree)
T = TypeVar("T", bound=Tree)


@define(frozen=True)
class Pair(Generic[S, T]):
    """One file and where it goes; ``size`` in bytes."""

    source: S
    target: T
    size: int


jobs_option = click.option(
    "-j", "--jobs", type=click.IntRange(1, 256), default=8, show_default=True, help="Files moved at the same time."
)


def pair_up(sources: Sequence[S], target: T) -> Iterator[Pair[S, T]]:
    """Each source with the place that it goes to; sizes are left at 0.

    Raises
    ------
    UsageError
        For several sources and a target that is no directory.
    """
    into = target.means_directory()
    if len(sources) > 1 and not into:
        raise UsageError(f"{target.given}: several sources need a directory to go to; a name with spaces needs quotes")
    if into and target.kind() == "file":
        raise not_a_directory(target.given)
    for source in sources:
        if into and not source.base:
            raise UsageError(f"{source.given}: it has no name of its own; name the target")
        yield Pair(source, target.below(source.base) if into else target, 0)


def plan(sources: Sequence[S], target: T, recursive: bool, failures: Failures) -> List[Pair[S, T]]:
    """All files that are to go, and where. Directories on the way are made."""
    pairs: List[Pair[S, T]] = []
    if target.given.endswith("/") and target.kind() is None:
        target.make_directory()
    for pair in pair_up(sources, target):
        with failures.guard(pair.source.given):
            pairs.extend(_files(pair, recursive, failures))
    return pairs


def _files(pair: Pair[S, T], recursive: bool, failures: Failures) -> Iterator[Pair[S, T]]:
    source, target = pair.source, pair.target
    kind = source.kind()
    if kind is None:
        raise not_found(source.given)
    if kind != "directory":
        if target.kind() == "directory":
            raise is_a_directory(target.given, "a directory of this name is in the way")
        refuse_itself(source, target)
        target.check_target()
        yield Pair(source, target, source.size() or 0)
        return
    if not recursive:
        raise is_a_directory(source.given, "is a directory (use -r to take it with all that is in it)")
    if target.kind() == "file":
        raise exists(target.given, "a file of this name is in the way")
    refuse_itself(source, target)
    nodes = list(source.walk())  # before anything is made, for the target may lie in the store that is walked
    target.make_directory()
    for node in nodes:
        with failures.guard(f"{source.given.rstrip('/')}/{node.relative}"):
            yield from _node(source, target, node)


def _node(source: S, target: T, node: Node) -> Iterator[Pair[S, T]]:
    if node.problem is not None:
        raise node.problem
    there = target.below(node.relative)
    if node.is_directory:
        there.make_directory()
    else:
        yield Pair(source.below(node.relative), there, node.size or 0)


def refuse_itself(source: Tree, target: Tree) -> None:
    """Raise if a file would be copied onto itself, or a directory into itself."""
    if not isinstance(source, RemoteTree) or not isinstance(target, RemoteTree) or source.fs is not target.fs:
        return
    if source.name == target.name:
        raise InvalidPathError(f"{source.given}: source and target are the same")
    if target.name.startswith(source.name.rstrip("/") + "/"):
        raise InvalidPathError(f"{source.given}: {target.given} lies inside of it")


def transfer(
    what: str,
    pairs: Sequence[Pair[S, T]],
    work: Callable[[Pair[S, T], Callback], None],
    jobs: int,
    failures: Failures,
) -> None:
    """Move all pairs, ``jobs`` at a time, with a progress bar; each failure is told of, and the others go on."""
    with progress_bar(what, len(pairs), sum(pair.size for pair in pairs)) as advance:

        def one(pair: Pair[S, T]) -> None:
            count = CountBytes(advance)
            work(pair, count)
            count.finish(pair.size)

        if len(pairs) == 1 or jobs == 1:
            for pair in pairs:
                with failures.guard(pair.source.given):
                    one(pair)
            return
        with ThreadPoolExecutor(max_workers=min(jobs, max(1, len(pairs)))) as pool:
            waiting: Dict[Future[None], Pair[S, T]] = {pool.submit(one, pair): pair for pair in pairs}
            try:
                for future in as_completed(waiting):
                    with failures.guard(waiting[future].source.given):
                        future.result()
            except BaseException:
                for future in waiting:
                    future.cancel()
                raise


_PIECE = 4 << 20


def copy_file(pair: Pair[RemoteTree, RemoteTree], callback: Callback) -> None:
    """Copy one file behind a filesystem: by the store itself within one, through this machine between two."""
    source, target = pair.source, pair.target
    if source.fs is target.fs:
        source.fs.cp_file(source.name, target.name)
        return
    view = memoryview(bytearray(_PIECE))
    with source.fs.open(source.name, "rb") as reader, target.fs.open(target.name, "wb") as writer:
        while True:
            count = reader.readinto(view)
            if not count:
                return
            writer.write(view[:count])
            callback.relative_update(count)
