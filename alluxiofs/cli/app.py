"""The command's entrance: finds the subcommands, runs one, turns what it raises into a line and a code.

Each module of :mod:`alluxiofs.cli.commands` is one subcommand: ``load.py`` with a click command of the name ``command``
in it is ``alluxiofs load``. Nothing else needs to know of it.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import Any, List, Optional, Sequence, Tuple

import click

from alluxiofs.cli import commands
from alluxiofs.cli.failures import Code, OutputClosedError, OutputError, explain
from alluxiofs.cli.notices import warnings_as_lines
from alluxiofs.cli.output import flush
from alluxiofs.cli.session import Session, filesystem_options
from alluxiofs.errors import nearest

__all__ = ["cli", "run"]


class CommandFolder(click.Group):
    """A group whose commands are the modules of a folder; only the one that runs is imported."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: List[str]
    ) -> Tuple[Optional[str], Optional[click.Command], List[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            hint = nearest(args[0], names) or f"; there are {', '.join(names)}"
            raise click.UsageError(f"no such command: {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=CommandFolder,
    context_settings={"max_content_width": 100},
    epilog="Paths are URLs (s3://bucket/key, file:///folder/name) or, with a configured under store, its bare names.",
)
@click.version_option(package_name="alluxiofs", message="%(prog)s %(version)s")
@filesystem_options
def cli() -> None:
    """Read and write storage through the alluxiofs gateway."""


def run(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command with these words, and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    session = Session()
    with warnings_as_lines():
        return _run(words, session)


def _run(words: List[str], session: Session) -> int:
    try:
        code = cli.main(words, prog_name="alluxiofs", obj=session, standalone_mode=False)
        flush()
    except (click.Abort, KeyboardInterrupt):
        return Code.INTERRUPTED
    except SystemExit:  # click's own answer, of whatever command, to help that nobody reads any more
        _discard_output()
        return Code.OUTPUT_CLOSED
    except OutputError as error:
        _discard_output()
        if isinstance(error, OutputClosedError):
            return Code.OUTPUT_CLOSED
        session.failures.tell(error)
        return Code.FAILED
    except click.ClickException as error:
        return _misused(error)
    except Exception as error:
        session.failures.tell(error)
        return session.failures.code
    return code if isinstance(code, int) else Code.OK


def _misused(error: click.ClickException) -> int:
    context: Any = getattr(error, "ctx", None)
    where, hint = "", ""
    if context is not None:
        words = context.command_path.split()
        where = f"{' '.join(words[1:])}: " if len(words) > 1 else ""
        hint = f" (see '{context.command_path} --help')"
    click.echo(f"alluxiofs: {where}{explain(error)}{hint}", err=True)
    return error.exit_code


def _discard_output() -> None:
    # The interpreter flushes the standard output when it ends, and would complain of the same thing once more.
    if sys.stdout is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # not a real descriptor: then there is nothing to flush into
    finally:
        os.close(nowhere)
