"""What is worth knowing and no failure: warnings, in the form of the command's errors."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import Iterator, List

import click

from alluxiofs.cli.failures import explain
from alluxiofs.logs import LOGGER_NAME

__all__ = ["collected_warnings", "warnings_as_lines"]


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """While the block runs, Python's warnings and those of the package's log are single lines on the standard error."""
    with warnings.catch_warnings(), _handled_by(_Lines(logging.WARNING)):
        warnings.showwarning = lambda message, *_, **__: _tell(str(message))
        yield


@contextlib.contextmanager
def collected_warnings() -> Iterator[List[str]]:
    """While the block runs, the warnings of the package's log go into this list and nowhere else."""
    collect = _Collect(logging.WARNING)
    with _handled_by(collect):
        yield collect.messages


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _tell(record.getMessage())


class _Collect(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.messages: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _tell(message: str) -> None:
    click.echo(f"alluxiofs: warning: {explain(click.ClickException(message))}", err=True)


@contextlib.contextmanager
def _handled_by(handler: logging.Handler) -> Iterator[None]:
    """Have the package's log go to this handler instead of those that are there."""
    logger = logging.getLogger(LOGGER_NAME)
    before = logger.handlers
    logger.handlers = [handler]
    try:
        yield
    finally:
        logger.handlers = before
