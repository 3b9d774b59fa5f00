"""What a status other than success means."""

from __future__ import annotations

import errno
import json
import os

from alluxiofs.errors import BadAnswerError, UnavailableError, denied, exists, not_found
from alluxiofs.plugins._http.answers import Answer

__all__ = ["refused"]

_LONGEST = 300


def refused(answer: Answer, path: str, where: str) -> OSError:
    """The error that an answer stands for, with what the worker says of it.

    Parameters
    ----------
    answer:
        Not a success.
    path:
        What was asked about.
    where:
        Who answered, for messages.
    """
    status, said = answer.status, _message(answer.body)
    message = f"{where} answers {status}{said}"
    if status in (401, 403):
        return denied(path, f"{os.strerror(errno.EACCES)}: {message}")
    if status == 404:
        return not_found(path, f"{os.strerror(errno.ENOENT)}: {message}")
    if status == 409:
        return exists(path, f"{os.strerror(errno.EEXIST)}: {message}")
    if status in (400, 412):
        return OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: {message}", path)
    if status in (408, 425, 429) or status >= 500:
        error = UnavailableError(f"{message}: {path}")
        error.retry_after = _retry_after(answer)
        return error
    return BadAnswerError(f"{message}: {path}")


def _retry_after(answer: Answer) -> float:
    """Seconds, of RFC 9110, section 10.2.3; a date there is none of them."""
    told = answer.head.get(b"retry-after") or ""
    return float(told) if told.isascii() and told.isdigit() and len(told) < 6 else 0.0


def _message(body: bytes) -> str:
    """What a body says, behind a colon."""
    text = body.decode("utf-8", "replace").strip()
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        if isinstance(said, dict) and isinstance(said.get("message"), str):
            text = said["message"]
    text = " ".join(text.split())
    return f": {text[:_LONGEST]}" if text else ""
