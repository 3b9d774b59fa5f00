"""What goes wrong becomes one line on the standard error and an exit code.

======  ==========================================================================================
code    meaning
======  ==========================================================================================
0       done
1       an operation failed
2       used wrongly: the command line, an argument, a setting, a component, an extra that is missing
3       a path does not exist
4       a path may not be read or written
130     interrupted from the keyboard
141     whoever read the output has closed it
======  ==========================================================================================

Of several failures the first one's code counts.
"""

from __future__ import annotations

import contextlib
import traceback
from typing import Iterator, List, Optional

import click

from alluxiofs.errors import ConfigurationError, InvalidPathError, MissingExtraError
from alluxiofs.settings.secrets import hidden_text

__all__ = ["Code", "Failures", "OutputClosedError", "UsageError", "code_of", "explain"]


class Code:
    """The exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


class OutputClosedError(Exception):
    """Nobody reads the standard output any more. Not an ``OSError``: a store's broken connection is another matter."""


class UsageError(click.ClickException):
    """The command was used in a way that makes no sense."""

    exit_code = Code.USAGE


_PLAIN = (
    (FileNotFoundError, "no such file or directory"),
    (FileExistsError, "exists already"),
    (IsADirectoryError, "is a directory"),
    (NotADirectoryError, "not a directory"),
    (PermissionError, "permission denied"),
)


def code_of(error: BaseException) -> int:
    """The exit code that an error leads to."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, OutputClosedError):
        return Code.OUTPUT_CLOSED
    if isinstance(error, FileNotFoundError):
        return Code.NOT_FOUND
    if isinstance(error, PermissionError):
        return Code.DENIED
    if isinstance(error, (ConfigurationError, InvalidPathError, MissingExtraError)):
        return Code.USAGE
    return Code.FAILED


def explain(error: BaseException, path: Optional[str] = None) -> str:
    """One line that says what went wrong, and with what.

    Parameters
    ----------
    error:
        What was raised.
    path:
        What was being worked on, named first where the error does not name it itself.
    """
    if isinstance(error, click.ClickException):
        text = error.format_message()
        path = None if path is not None and path in text else path
    elif isinstance(error, OSError) and error.strerror:
        named = error.filename if error.filename is not None else path
        text = f"{named}: {error.strerror}" if named is not None else error.strerror
        path = None
    else:
        text = _plain(error, path)
        if path is not None and path in text:
            path = None
    line = " ".join((f"{path}: {text}" if path is not None else text).split())
    return hidden_text(line)


def _plain(error: BaseException, path: Optional[str]) -> str:
    text = str(error)
    for kind, words in _PLAIN:
        # fsspec's filesystems raise these with nothing but the path, or with nothing at all
        if isinstance(error, kind) and (not text or " " not in text or text == path):
            return f"{text}: {words}" if text else words
    if isinstance(error, (OSError, ValueError, ImportError, NotImplementedError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Failures:
    """Tells of failures as they come, so that one bad path does not keep the others from their turn.

    Parameters
    ----------
    debug:
        Print tracebacks, too.
    """

    def __init__(self, debug: bool = False) -> None:
        self.debug = debug
        self.secrets: List[str] = []
        self.code = Code.OK

    def tell(self, error: BaseException, path: Optional[str] = None) -> None:
        """Print one error, and remember its code if it is the first."""
        if self.debug:
            click.echo(
                self._hide("".join(traceback.format_exception(type(error), error, error.__traceback__))), err=True
            )
        click.echo(self._hide(f"alluxiofs: {explain(error, path)}"), err=True)
        self.code = self.code or code_of(error)

    @contextlib.contextmanager
    def guard(self, path: Optional[str] = None) -> Iterator[None]:
        """Tell of an error inside of the block instead of raising it."""
        try:
            yield
        except (OutputClosedError, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            self.tell(error, path)

    def _hide(self, text: str) -> str:
        # The filesystem hides them itself; a client library's own message may not.
        for value in self.secrets:
            text = text.replace(value, "***")
        return text
