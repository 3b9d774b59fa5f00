"""Arguments that a shell can complete."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Tuple, TypeVar

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

__all__ = ["PathType", "PluginName", "paths_argument", "sources_and_target"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


class PathType(StringParamType):
    """A path or a URL, taken as it is written. Files of this machine complete it."""

    name = "path"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> List[CompletionItem]:
        """Leave it to the shell, which knows how."""
        return [CompletionItem(incomplete, type="file")]


class PluginName(StringParamType):
    """The name of a component. Names of built-ins complete it: nothing is imported for them.

    Parameters
    ----------
    point:
        The extension point; without one, components of all points and the points themselves.
    others:
        What else may stand there.
    """

    name = "name"

    def __init__(self, point: Optional[str] = None, others: Tuple[str, ...] = ()) -> None:
        self._point = point
        self._others = others

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> List[CompletionItem]:
        """The names that begin with what is there."""
        from alluxiofs.registry.listing import built_in_names
        from alluxiofs.registry.points import POINTS

        names = {*self._others, *(() if self._point else (point.name.replace("_", "-") for point in POINTS))}
        for point in POINTS:
            if self._point in (None, point.name):
                names.update(built_in_names(point))
        return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def paths_argument(function: _Command) -> _Command:
    """Add the argument ``paths``: one or more."""
    return click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=PathType())(function)


def sources_and_target(source: str, target: str) -> Callable[[_Command], _Command]:
    """Add the arguments ``sources``, one or more, and ``target``, by these names in messages."""

    def add(function: _Command) -> _Command:
        # The target takes the last word, so that of one word alone it is the target that is missing, in truth.
        last = click.argument("target", required=False, metavar=target, type=PathType(), is_eager=True)
        first = click.argument("sources", nargs=-1, metavar=f"{source}...", type=PathType(), callback=check)
        return first(last(function))

    def check(context: click.Context, _: click.Parameter, sources: Tuple[str, ...]) -> Tuple[str, ...]:
        if not sources and not context.resilient_parsing:
            missing = f"{source}..." if context.params.get("target") is None else target
            raise click.UsageError(f"Missing argument '{missing}'.", context)
        return sources

    return add
