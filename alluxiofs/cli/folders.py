"""Groups of commands that are folders of modules."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any, List, Optional, Tuple

import click

from alluxiofs.errors import nearest

__all__ = ["CommandFolder"]

_WHOLE = 500  # characters: no summary is cut off, those that take more than a line go on in the next one


class CommandFolder(click.Group):
    """A group whose commands are the modules of a package; only the one that runs is imported.

    Parameters
    ----------
    package:
        Each module in it has a click command named ``command``: ``load.py`` is the command ``load``. A package in it is
        a group of its own.
    """

    def __init__(self, *args: Any, package: ModuleType, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package

    def list_commands(self, ctx: click.Context) -> List[str]:
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(self._package.__path__))

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{self._package.__name__}.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: List[str]
    ) -> Tuple[Optional[str], Optional[click.Command], List[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            hint = nearest(args[0], names) or f"; there are {', '.join(names)}"
            raise click.UsageError(f"no such command: {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)
