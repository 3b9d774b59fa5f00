"""Where a warning belongs: the line that constructs the filesystem."""

from __future__ import annotations

import sys

__all__ = ["level_of_caller"]

_NOT_THE_CALLER = ("alluxiofs", "fsspec")


def level_of_caller() -> int:
    """The ``stacklevel`` for ``warnings.warn`` in the calling function that points out of this package and fsspec."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_CALLER:
        level, frame = level + 1, frame.f_back
    return level
