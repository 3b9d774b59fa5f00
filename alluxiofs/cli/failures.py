"""What goes wrong becomes one line on the standard error and an exit code.

======  ==========================================================================================
code    meaning
======  ==========================================================================================
0       done
1       an operation failed, or the standard output cannot be written
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
from typing import Iterator, List, Optional, Set, Tuple

import click

from alluxiofs.errors import ConfigurationError, InvalidPathError, MissingExtraError
from alluxiofs.settings.secrets import hidden_text

__all__ = ["Code", "Failures", "OutputClosedError", "OutputError", "UsageError", "code_of", "explain"]


class Code:
    """The exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


class OutputError(Exception):
    """The standard output cannot be written. Not an ``OSError``: no path and no store is to blame."""


class OutputClosedError(OutputError):
    """Nobody reads the standard output any more."""


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
    text, names_it = _text(error)
    bare = "" if path is None else path.partition("://")[2]
    if bare and text.startswith(f"{bare}: "):
        text, names_it = text[len(bare) + 2 :], False  # the store's own name for what the URL names
    if isinstance(error, (ConfigurationError, MissingExtraError)):
        names_it = True  # whatever the path, it was the filesystem that could not be made
    if path is not None and not (names_it or path == text or text.startswith(f"{path}:") or repr(path) in text):
        text = f"{path}: {text}" if text else path
    return hidden_text(" ".join(text.split()))


def _text(error: BaseException) -> Tuple[str, bool]:
    """What an error says, and whether that begins with what it is about."""
    if isinstance(error, click.ClickException):
        return error.format_message(), False
    if isinstance(error, OSError) and error.strerror:
        return (error.strerror, False) if error.filename is None else (f"{error.filename}: {error.strerror}", True)
    text = str(error)
    if isinstance(error, OutputError):
        return text, False
    for kind, words in _PLAIN:
        # fsspec's filesystems raise these with nothing but the path, or with nothing at all
        if isinstance(error, kind) and " " not in text:
            return (f"{text}: {words}", "/" in text) if text else (words, False)
    if isinstance(error, (OSError, ValueError, ImportError, NotImplementedError)) and text:
        return text, False
    return f"{type(error).__name__}: {text}" if text else type(error).__name__, False


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
        self._told: Set[str] = set()

    def tell(self, error: BaseException, path: Optional[str] = None) -> None:
        """Print one error, and remember its code if it is the first.

        What is wrong with the configuration is so for each path, and printed once.
        """
        line = self._hide(f"alluxiofs: {explain(error, path)}")
        self.code = self.code or code_of(error)
        if isinstance(error, ConfigurationError) and line in self._told:
            return
        self._told.add(line)
        if self.debug:
            click.echo(
                self._hide("".join(traceback.format_exception(type(error), error, error.__traceback__))), err=True
            )
        click.echo(line, err=True)

    @contextlib.contextmanager
    def guard(self, path: Optional[str] = None) -> Iterator[None]:
        """Tell of an error inside of the block instead of raising it."""
        try:
            yield
        except (OutputError, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            self.tell(error, path)

    def _hide(self, text: str) -> str:
        # The filesystem hides them itself; a client library's own message may not.
        for value in self.secrets:
            text = text.replace(value, "***")
        return text
