"""What OSS answers, and what the way to it raises, as the errors that the contract of under stores has."""

from __future__ import annotations

import errno
import os
from typing import Any, Callable, Dict, Optional

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

__all__ = ["AGAIN", "translated"]

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""The answers after which the same request may be sent once more."""


def _with(code: int) -> Callable[[str, str], Exception]:
    return lambda name, message: OSError(code, f"{os.strerror(code)}: {message}", name)


def _unavailable(name: str, message: str) -> Exception:
    return UnavailableError(f"{name}: {message}")


_DENIED = (
    "AccessDenied",
    "InvalidAccessKeyId",
    "InvalidObjectState",
    "InvalidSecurityToken",
    "RequestTimeTooSkewed",
    "SecurityTokenExpired",
    "SecurityTokenNotSupported",
    "SignatureDoesNotMatch",
    "UserDisable",
)
_BY_CODE: Dict[str, Callable[[str, str], Exception]] = {
    **dict.fromkeys(_DENIED, denied),
    **dict.fromkeys(("NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NoSuchVersion", "InvalidBucketName"), not_found),
    **dict.fromkeys(
        ("InternalError", "ServiceUnavailable", "Throttling", "DownloadTrafficRateLimitExceeded"), _unavailable
    ),
    "BucketAlreadyExists": exists,
    "BucketNotEmpty": _with(errno.ENOTEMPTY),
    "EntityTooLarge": _with(errno.EFBIG),
    "FileAlreadyExists": exists,
    "InvalidDigest": lambda name, message: BadAnswerError(f"{name}: {message}"),
    "InvalidObjectName": _with(errno.EINVAL),
    "OperationAborted": lambda name, message: TemporaryError(f"{name}: {message}"),
    "RequestTimeout": lambda name, message: DeadlineExceededError(f"{name}: {message}"),
}
# No 404 among them: that something else is not there must not look as if the object were not.
_BY_STATUS: Dict[int, Callable[[str, str], Exception]] = {
    401: denied,
    403: denied,
    408: lambda name, message: DeadlineExceededError(f"{name}: {message}"),
    412: lambda name, message: FileChangedError(message, name),
    416: lambda name, message: BadAnswerError(f"{name}: {message}"),
    429: _unavailable,
    501: lambda name, message: NotSupportedError(f"{name}: {message}"),
}


def translated(error: BaseException, name: str, bodiless: bool = False) -> Optional[Exception]:
    """The error to raise for one of the client, from it; ``None`` if it is good as it is.

    Parameters
    ----------
    error:
        Of oss2, requests or urllib3.
    name:
        What it was about.
    bodiless:
        The answer was to a HEAD, and could not say what is not there.
    """
    if isinstance(error, AlluxioFSError) or not isinstance(error, Exception):
        return None
    from oss2 import exceptions as oss

    if isinstance(error, oss.OssError):
        return _of_the_store(error, name, bodiless)
    text = brief(str(error)) or type(error).__name__
    message = f"{name}: {text}"
    kind = type(error).__name__
    if kind in ("ConnectTimeout", "ConnectTimeoutError", "ReadTimeout", "ReadTimeoutError", "timeout") or isinstance(
        error, TimeoutError
    ):
        return DeadlineExceededError(message)
    if kind in ("ChunkedEncodingError", "ContentDecodingError", "IncompleteRead", "ProtocolError", "ParseError"):
        return BadAnswerError(message)
    if isinstance(error, ConnectionError) or type(error).__module__.partition(".")[0] in ("requests", "urllib3"):
        return UnavailableError(message)
    if isinstance(error, (ValueError, LookupError)):
        # Of a head that broke off the libraries below take what came, and oss2 looks for numbers and times in it.
        return BadAnswerError(message)
    return None if isinstance(error, OSError) else OSError(errno.EIO, text, name)


def _of_the_store(error: Any, name: str, bodiless: bool) -> Exception:
    status = int(error.status)
    if status < 0:  # it was not the store that said so
        behind = getattr(error, "exception", None)  # of requests
        if behind is not None:
            return translated(behind, name) or UnavailableError(f"{name}: {brief(str(behind))}")
        text = brief(str(error.body))
        # The client checks names of buckets and objects itself: of such a name there can be no file.
        return not_found(name, text) if "name" in text.lower() else BadAnswerError(f"{name}: {text}")
    code = str(error.code or "")
    if code == "NoSuchBucket":
        name = name.partition("/")[0]
    origin = ", ".join([code] * bool(code) + [f"HTTP {status}"])
    message = f"{brief(str(error.message or '')) or 'no message'} ({origin})"
    by = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if by is not None:
        return by(name, message)
    if status == 404 and bodiless and not code:
        return not_found(name, message)
    return UnavailableError(f"{name}: {message}") if status >= 500 else OSError(errno.EIO, message, name)
