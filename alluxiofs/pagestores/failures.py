"""Errors of the file system as errors of the page store."""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import time
from typing import Deque, Iterator

from alluxiofs.errors import PageStoreError

__all__ = ["BadBlocks", "failure", "failures"]

_FEW = 8
_WHILE = 30.0


def failure(error: OSError, path: str) -> PageStoreError:
    """The error to raise from ``error``: same number, same file, or ``path`` where none was named."""
    if isinstance(error, PageStoreError):
        return error
    code = errno.EIO if error.errno is None else error.errno
    return PageStoreError(code, f"page store: {error.strerror or os.strerror(code)}", error.filename or path)


@contextlib.contextmanager
def failures(path: str) -> Iterator[None]:
    """Whatever the file system raises within is a ``PageStoreError``."""
    try:
        yield
    except PageStoreError:
        raise
    except OSError as error:
        raise failure(error, path) from error


class BadBlocks:
    """Tells a disk with a few blocks that cannot be read, which cost the pages there, from one that fails."""

    def __init__(self) -> None:
        self._lately: Deque[float] = collections.deque(maxlen=_FEW)

    def is_one(self, error: OSError) -> bool:
        """Whether an error is that of one block, and not one of many within half a minute."""
        if error.errno != errno.EIO:
            return False
        now = time.monotonic()
        many = len(self._lately) == _FEW and now - self._lately[0] < _WHILE
        self._lately.append(now)
        return not many
