"""What clients raise, as the errors that the contract of under stores has."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
from typing import Iterator, Optional, Set

from alluxiofs.errors import (
    AlluxioFSError,
    DeadlineExceededError,
    NotSupportedError,
    UnavailableError,
    denied,
    not_found,
)
from alluxiofs.settings.secrets import hidden_text

__all__ = ["brief", "cause_to_show", "says_nothing", "translated"]

_LONGEST = 500
_CODES = {
    FileNotFoundError: errno.ENOENT,
    PermissionError: errno.EACCES,
    FileExistsError: errno.EEXIST,
    IsADirectoryError: errno.EISDIR,
    NotADirectoryError: errno.ENOTDIR,
}


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
    behind = error.__cause__ if type(error) is OSError else error
    if behind is not None and _is_botocore(behind):
        from alluxiofs.plugins._s3.failures import translated as translated_s3

        # s3fs knows a few of the store's words, and not all that speak of credentials; nor that a connection failed.
        return translated_s3(behind, hidden_text(name)) or error
    error = _behind_absence(error)
    name, text = hidden_text(name), brief(str(error))
    if isinstance(error, NotImplementedError):
        return NotSupportedError(f"{name}: the client cannot do this{f': {text}' if text else ''}")
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, (asyncio.TimeoutError, TimeoutError, socket.timeout)):
        return DeadlineExceededError(f"{name}: {message}")
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return _of_status(status, name, message)
    if type(error).__module__.startswith("aiohttp."):
        return UnavailableError(f"{name}: {message}")
    if isinstance(error, OSError):
        return _complete(error, name, text)
    return OSError(errno.EIO, message, name)


def says_nothing(error: OSError) -> bool:
    """Whether S3 has found something wrong with a request, and could not say what: its answer to a HEAD has no body."""
    answers = (getattr(each, "response", None) for each in _chain(error) if _is_botocore(each))
    return any(isinstance(answer, dict) and answer.get("Error", {}).get("Code") == "400" for answer in answers)


def _is_botocore(error: Optional[BaseException]) -> bool:
    return type(error).__module__ == "botocore.exceptions"


def _behind_absence(error: Exception) -> Exception:
    """The failure that a client (HTTP's) tells as a missing file, or the error itself."""
    if not isinstance(error, FileNotFoundError):
        return error
    for behind in itertools.islice(_chain(error), 1, None):
        status = getattr(behind, "status", None)
        if isinstance(status, int) and status not in (404, 410):
            return behind if isinstance(behind, Exception) else error
        if status is None and isinstance(behind, Exception):
            gone = isinstance(behind, (ConnectionError, asyncio.TimeoutError, TimeoutError, socket.timeout))
            if gone or type(behind).__module__.startswith("aiohttp."):
                return behind
    return error


def brief(text: str) -> str:
    """The first line of what a client says, at a length that can be read (some list all they tried), and without
    credentials. All of it is in the cause of the error."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    hidden = hidden_text(line)
    return hidden if len(hidden) <= _LONGEST else f"{hidden[: _LONGEST - 1]}…"


def cause_to_show(error: BaseException) -> Optional[BaseException]:
    """What to raise a translated error from: the client's error, or nothing where it, or what is behind it, has
    credentials in it, which a traceback would print."""
    return None if any(hidden_text(str(each)) != str(each) for each in _chain(error)) else error


def _chain(error: Optional[BaseException]) -> Iterator[BaseException]:
    """An error and what is behind it; once each, for one that is raised again can be behind itself."""
    seen: Set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _complete(error: OSError, name: str, text: str) -> OSError:
    """The error with number and name, which clients often leave out; those that have both are good as they are."""
    if isinstance(error, ConnectionError):
        return error if cause_to_show(error) is error else UnavailableError(f"{name}: {type(error).__name__}: {text}")
    if error.errno is not None:
        said, about = str(error.strerror or ""), hidden_text(str(error.filename or name))
        same = brief(said) == said and error.filename in (None, about)
        return error if same else type(error)(error.errno, brief(said), about)
    kind = next((kind for kind in _CODES if isinstance(error, kind)), None)
    if kind is None:
        return OSError(errno.EIO, text or type(error).__name__, name)
    only_named = text.strip("/'\"") in ("", name.strip("/"))
    return kind(_CODES[kind], os.strerror(_CODES[kind]) if only_named else text, name)


def _of_status(status: int, name: str, message: str) -> Exception:
    if status in (401, 403):
        return denied(name, message)
    if status in (404, 410):
        return not_found(name, message)
    if status == 429 or status >= 500:
        return UnavailableError(f"{name}: {message}")
    return OSError(errno.EIO, message, name)
