"""What GCS answers, and what the way to it raises, as the errors that the contract of under stores has."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from typing import Any, Optional, Tuple

from alluxiofs.errors import (
    AlluxioFSError,
    BadAnswerError,
    DeadlineExceededError,
    FileChangedError,
    NotSupportedError,
    TemporaryError,
    UnavailableError,
    denied,
    exists,
    not_found,
)
from alluxiofs.plugins._fsspec.failures import brief

__all__ = ["AGAIN", "refused", "translated"]

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""The answers after which the same request may be sent once more."""

_TOO_MANY = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})


def refused(status: int, body: bytes, name: str, method: str) -> Exception:
    """The error for what the store answered.

    Parameters
    ----------
    status, body:
        Of the HTTP answer; the body has the store's own message.
    name:
        What it was about.
    method:
        Of the request: a conflict means one thing when something is made, another when it is removed.
    """
    said, reason = _message(body)
    message = f"{said or 'no message'} ({', '.join([reason] * bool(reason) + [f'HTTP {status}'])})"
    named = f"{name}: {message}"
    if status == 403 and reason in _TOO_MANY:
        return UnavailableError(named)
    if status in (401, 403):
        return denied(name, message)
    if status in (404, 410):
        # Without a word of the store's own it is not the store that speaks, and a failure must not look like absence.
        return not_found(name, message) if said else OSError(errno.EIO, message, name)
    if status == 409:
        return (
            OSError(errno.ENOTEMPTY, f"{os.strerror(errno.ENOTEMPTY)}: {message}", name)
            if method == "DELETE"
            else (exists(name, message) if method == "POST" else TemporaryError(named))
        )
    if status == 412:
        return FileChangedError(message, name)
    if status == 416:
        return BadAnswerError(named)
    if status == 501:
        return NotSupportedError(named)
    if status == 408:
        return DeadlineExceededError(named)
    if status in AGAIN or status >= 500:
        return UnavailableError(named)
    if status == 400:
        # Buckets and objects that cannot be called so; of what does not come from a path the store says no to all.
        wrong_name = "name" in said.lower() or "bucket" in said.lower()
        return not_found(name, message) if wrong_name and method == "GET" else OSError(errno.EINVAL, message, name)
    return OSError(errno.EIO, message, name)


def translated(error: BaseException, name: str) -> Optional[Exception]:
    """The error to raise for one on the way to the store, from it; ``None`` if it is good as it is.

    Parameters
    ----------
    error:
        Of aiohttp, google-auth or the event loop.
    name:
        What it was about.
    """
    if isinstance(error, AlluxioFSError) or not isinstance(error, Exception):
        return None
    text = brief(str(error)) or type(error).__name__
    message = f"{name}: {text}"
    kind = type(error)
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return DeadlineExceededError(message)
    if kind.__module__.startswith("google.auth"):
        return UnavailableError(message) if kind.__name__ == "TransportError" else denied(name, text)
    if kind.__module__.startswith("gcsfs"):  # its own word for credentials that cannot be renewed
        return denied(name, text)
    if kind.__name__ == "ClientPayloadError":
        return BadAnswerError(message)
    if kind.__module__.startswith("aiohttp.") or isinstance(error, ConnectionError):
        return UnavailableError(message)
    return None if isinstance(error, OSError) else OSError(errno.EIO, text, name)


def _message(body: bytes) -> Tuple[str, str]:
    """The store's message, and its word for it; of a body that is no JSON its first line, unless it is a web page."""
    text = body.decode("utf-8", "replace").strip()
    try:
        parsed: Any = json.loads(text)
    except ValueError:
        return ("" if text.startswith("<") and "<Code>" not in text else brief(text)), ""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if isinstance(error, str):  # the token service's way
        return brief(f"{error}: {parsed.get('error_description') or ''}".rstrip(": ")), ""
    if not isinstance(error, dict):
        return brief(text), ""
    reasons = [each.get("reason") for each in error.get("errors") or () if isinstance(each, dict)]
    return brief(str(error.get("message") or "")), str(reasons[0] or "") if reasons else ""
