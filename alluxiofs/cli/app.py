"""The command's entrance: finds the subcommands, runs one, turns what it raises into a line and a code.

Each module of :mod:`alluxiofs.cli.commands` is one subcommand: ``load.py`` with a click command of the name ``command``
in it is ``alluxiofs load``. Nothing else needs to know of it.
"""

from __future__ import annotations

import os
import sys
from typing import Any, List, Optional, Sequence

import click

from alluxiofs.cli import commands
from alluxiofs.cli.failures import Code, OutputClosedError, OutputError, explain
from alluxiofs.cli.folders import CommandFolder
from alluxiofs.cli.notices import warnings_as_lines
from alluxiofs.cli.output import flush
from alluxiofs.cli.session import Session, filesystem_options

__all__ = ["cli", "run"]


@click.group(
    cls=CommandFolder,
    package=commands,
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
    except Exception as error:  # the last resort of a command: told in a line, with --debug as a traceback
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
