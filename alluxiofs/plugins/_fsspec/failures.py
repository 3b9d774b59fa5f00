"""What clients raise, as the errors that the contract of under stores has."""

from __future__ import annotations

import asyncio
import errno

from alluxiofs.errors import (
    AlluxioFSError,
    DeadlineExceededError,
    NotSupportedError,
    UnavailableError,
    denied,
    not_found,
)
from alluxiofs.settings.secrets import hidden_text

__all__ = ["translated"]


def translated(error: Exception, name: str) -> Exception:
    """The error to raise for one of a client, from it.

    Parameters
    ----------
    error:
        Whatever the client raised.
    name:
        What it was about.
    """
    if isinstance(error, AlluxioFSError):
        return error
    if isinstance(error, NotImplementedError):
        return NotSupportedError(f"{name}: the client cannot do this: {error}")
    message = hidden_text(f"{name}: {type(error).__name__}: {error}")
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return DeadlineExceededError(message)
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return _of_status(status, name, message)
    if isinstance(error, OSError):
        # Clients often leave out number and name; those that have both are good as they are.
        if error.errno is not None or isinstance(error, ConnectionError):
            return error
        kinds = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EACCES, FileExistsError: errno.EEXIST}
        code = next((number for kind, number in kinds.items() if isinstance(error, kind)), None)
        return type(error)(code, hidden_text(str(error)) or type(error).__name__, name) if code else error
    if type(error).__module__.startswith("aiohttp."):
        return UnavailableError(message)
    return OSError(errno.EIO, message, name)


def _of_status(status: int, name: str, message: str) -> Exception:
    if status in (401, 403):
        return denied(name, message)
    if status in (404, 410):
        return not_found(name, message)
    if status == 429 or status >= 500:
        return UnavailableError(message)
    return OSError(errno.EIO, message, name)
