"""Errors of the file system as errors of the page store."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Iterator

from alluxiofs.errors import PageStoreError

__all__ = ["failure", "failures"]


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
