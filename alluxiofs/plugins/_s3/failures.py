"""What the S3 client raises, as the errors that the contract of under stores has."""

from __future__ import annotations

import asyncio
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
    is_a_directory,
    not_a_directory,
    not_found,
)
from alluxiofs.settings.secrets import hidden_text

__all__ = ["translated"]


def _with(code: int) -> Callable[[str, str], Exception]:
    return lambda name, message: OSError(code, f"{os.strerror(code)}: {message}", name)


_DENIED = (
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidObjectState",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
)
_UNAVAILABLE = (
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
)
_GONE = ("NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound")

# By the store's own word for it first …
_BY_CODE: Dict[str, Callable[[str, str], Exception]] = {
    **dict.fromkeys(_DENIED, denied),
    **dict.fromkeys(_GONE, not_found),
    **dict.fromkeys(_UNAVAILABLE, lambda name, message: UnavailableError(f"{name}: {message}")),
    "BucketAlreadyExists": exists,
    "BucketAlreadyOwnedByYou": exists,
    "BucketNotEmpty": _with(errno.ENOTEMPTY),
    "ConditionalRequestConflict": lambda name, message: TemporaryError(f"{name}: {message}"),
    "EntityTooLarge": _with(errno.EFBIG),
    "ExistingObjectIsDirectory": is_a_directory,
    "InvalidBucketName": not_found,
    "KeyTooLongError": _with(errno.ENAMETOOLONG),
    "ObjectParentIsFile": not_a_directory,
    "OperationAborted": lambda name, message: TemporaryError(f"{name}: {message}"),
    "RequestTimeout": lambda name, message: DeadlineExceededError(f"{name}: {message}"),
}
# … then by the status.
_BY_STATUS: Dict[int, Callable[[str, str], Exception]] = {
    401: denied,
    403: denied,
    404: not_found,
    408: lambda name, message: DeadlineExceededError(f"{name}: {message}"),
    412: lambda name, message: FileChangedError(message, name),
    416: lambda name, message: BadAnswerError(f"{name}: {message}"),
    429: lambda name, message: UnavailableError(f"{name}: {message}"),
    501: lambda name, message: NotSupportedError(f"{name}: {message}"),
}


def translated(error: BaseException, name: str) -> Optional[Exception]:
    """The error to raise for one of the client, from it; ``None`` if it is good as it is.

    Parameters
    ----------
    error:
        Of botocore, aiobotocore, aiohttp or the event loop.
    name:
        What it was about.
    """
    if isinstance(error, AlluxioFSError) or not isinstance(error, Exception):
        return None
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _answered(error, name)
    message = hidden_text(f"{name}: {error or type(error).__name__}")
    if isinstance(error, (boto.ConnectTimeoutError, boto.ReadTimeoutError, asyncio.TimeoutError, TimeoutError)):
        return DeadlineExceededError(message)
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)):
        return denied(name, message)
    if isinstance(error, boto.ParamValidationError):
        # The only parameters that come from a path are bucket and key: there can be no such file.
        return not_found(name, message)
    short = (boto.IncompleteReadError, boto.ResponseStreamingError, boto.FlexibleChecksumError)
    if isinstance(error, short) or type(error).__name__ in ("ClientPayloadError", "ResponseParserError"):
        return BadAnswerError(message)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError, ConnectionError)):
        return UnavailableError(message)
    if type(error).__module__.startswith("aiohttp."):
        return UnavailableError(message)
    return None if isinstance(error, OSError) else OSError(errno.EIO, message, name)


def _answered(error: Any, name: str) -> Exception:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or (code if code.isdigit() else 0))
    if code == "NoSuchBucket":
        name = name.partition("/")[0]
    message = f"{answer.get('Message') or 'no message'} ({code}, HTTP {status})"
    by = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if by is not None:
        return by(name, message)
    return UnavailableError(f"{name}: {message}") if status >= 500 else OSError(errno.EIO, message, name)
