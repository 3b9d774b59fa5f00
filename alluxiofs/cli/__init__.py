"""The command ``alluxiofs``. Its libraries (click, rich) are imported here only, and only when it runs."""

from __future__ import annotations

from typing import Optional, Sequence

__all__ = ["main"]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments:
        The words after the command's name; those of this process if not given.

    Returns
    -------
    int
        The exit code, see :mod:`alluxiofs.cli.failures`.
    """
    try:
        from alluxiofs.cli.app import run

        return run(arguments)
    except KeyboardInterrupt:  # while the libraries are read, which takes longer than some commands
        return 130
