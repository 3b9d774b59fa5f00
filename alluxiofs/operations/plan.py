"""Which file goes where when several are copied: fsspec's rules, in one place for copy, get and put."""

from __future__ import annotations

from typing import Any, Callable, List, Sequence, Tuple

from alluxiofs.errors import ConfigurationError, InvalidPathError
from alluxiofs.operations.arguments import path_text

__all__ = ["Side", "pairs_of"]


class Side:
    """What must be known of the place that files come from.

    Parameters
    ----------
    expand:
        The names that a path, pattern or list stands for, with what is below if that is wanted.
    is_directory:
        Of a name.
    is_pattern:
        Whether a path is one: it has wildcards in it, and nothing is called just so.
    """

    def __init__(
        self,
        expand: Callable[[Any], List[str]],
        is_directory: Callable[[str], bool],
        is_pattern: Callable[[str], bool],
    ) -> None:
        self.expand = expand
        self.is_directory = is_directory
        self.is_pattern = is_pattern


def pairs_of(
    side: Side, source: Any, target: Any, target_is_directory: Callable[[str], bool], only_files: bool
) -> List[Tuple[str, str]]:
    """Pairs of source and target names.

    Parameters
    ----------
    side:
        Where the files come from.
    source, target:
        A path, or a list of them. Two lists are taken as they are.
    target_is_directory:
        Whether a target is there and a directory.
    only_files:
        A single source stands for its files alone, not for directories.

    Raises
    ------
    InvalidPathError
        If a source has a name that would end above the target.
    """
    if isinstance(source, (list, tuple)) and isinstance(target, (list, tuple)):
        if len(source) != len(target):
            raise ConfigurationError(f"there are {len(source)} sources for {len(target)} targets")
        return [(path_text(one), path_text(other)) for one, other in zip(source, target)]
    if isinstance(target, (list, tuple)):
        raise ConfigurationError("several targets need as many sources, in a list")
    one = not isinstance(source, (list, tuple))
    target = path_text(target)
    pattern = one and side.is_pattern(path_text(source))
    names = side.expand(source)
    if one and only_files:
        names = [name for name in names if not side.is_directory(name)]
    into = _ends_with_slash(target) or target_is_directory(target)
    if pattern:
        into = len(names) == 1
    elif one:
        into = into and not _ends_with_slash(path_text(source))
    return list(zip(names, _targets(names, target, into=into, flat=not one)))


def _targets(names: Sequence[str], target: str, into: bool, flat: bool) -> List[str]:
    parts = [name.split("/") for name in names]
    common = 0
    if flat:
        parts = [[path[-1]] for path in parts]
    elif parts:
        shortest = min(map(len, parts))
        common = next((at for at in range(shortest) if len({path[at] for path in parts}) > 1), shortest)
        common = max(0, common - into)
    targets = []
    for name, path in zip(names, parts):
        rest = path[common:]
        if ".." in rest:
            raise InvalidPathError(f"path {name!r} would be copied to a place outside of {target!r}")
        if not rest:
            targets.append(target.rstrip("/") or target)
            continue
        if common == 0 and not rest[0]:
            rest = rest[1:]  # the empty text before the slash of an absolute name
        root = target if target.endswith("/") or not target else target + "/"
        targets.append(root + "/".join(rest))
    return targets


def _ends_with_slash(path: str) -> bool:
    return path.endswith("/")
