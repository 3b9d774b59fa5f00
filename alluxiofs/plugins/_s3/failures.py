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
    InvalidPathError,
    NotSupportedError,
    TemporaryError,
    UnavailableError,
    denied,
    exists,
    is_a_directory,
    not_a_directory,
    not_found,
)
from alluxiofs.plugins._fsspec.failures import brief

__all__ = ["refused", "translated", "without_reason"]


def _with(code: int) -> Callable[[str, str], Exception]:
    return lambda name, message: OSError(code, f"{os.strerror(code)}: {message}", name)


_ADVICE = (
    "credentials are the 'key' and 'secret' of target_options, the environment's AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or a profile; anon=True reads what is public"
)


def _denied(name: str, message: str) -> Exception:
    return denied(name, f"{message}; {_ADVICE}")


_DENIED = (
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidObjectState",
    "InvalidSecurity",
    "InvalidToken",
    "NotSignedUp",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnauthorizedAccess",
    "UnrecognizedClientException",
    "XAdminUserNotFound",  # versitygw's word for an unknown access key, with status 404
)
_UNAVAILABLE = (
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
)
_GONE = ("NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NoSuchVersion")

# By the store's own word for it first …
_BY_CODE: Dict[str, Callable[[str, str], Exception]] = {
    **dict.fromkeys(_DENIED, _denied),
    **dict.fromkeys(_GONE, not_found),
    **dict.fromkeys(_UNAVAILABLE, lambda name, message: UnavailableError(f"{name}: {message}")),
    "BucketAlreadyExists": exists,
    "BucketAlreadyOwnedByYou": exists,
    "BucketNotEmpty": _with(errno.ENOTEMPTY),
    "ConditionalRequestConflict": lambda name, message: TemporaryError(f"{name}: {message}"),
    "EntityTooLarge": _with(errno.EFBIG),
    "ExistingObjectIsDirectory": is_a_directory,
    "InvalidBucketName": lambda name, message: InvalidPathError(f"{name}: {message}"),
    "KeyTooLongError": _with(errno.ENAMETOOLONG),
    "ObjectParentIsFile": not_a_directory,
    "OperationAborted": lambda name, message: TemporaryError(f"{name}: {message}"),
    "RequestTimeout": lambda name, message: DeadlineExceededError(f"{name}: {message}"),
    **dict.fromkeys(("XMinioInvalidObjectName", "XMinioInvalidResourceName"), _with(errno.EINVAL)),
}
# … then by the status. No 404 among them: that something else is not there (an account, a page of a web server that is
# no S3) must not look as if the object were not.
_BY_STATUS: Dict[int, Callable[[str, str], Exception]] = {
    401: _denied,
    403: _denied,
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
    text = brief(str(error)) or type(error).__name__
    message = f"{name}: {text}"
    if isinstance(error, (boto.ConnectTimeoutError, boto.ReadTimeoutError, asyncio.TimeoutError, TimeoutError)):
        return DeadlineExceededError(message)
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)):
        return _denied(name, text)
    if isinstance(error, boto.ParamValidationError):
        # The only parameters that come from a path are bucket and key: there can be no such file.
        return InvalidPathError(f"{name}: {brief(' '.join(str(error).splitlines()[1:])) or text}")
    short = (boto.IncompleteReadError, boto.ResponseStreamingError, boto.FlexibleChecksumError)
    if isinstance(error, short) or type(error).__name__ in ("ClientPayloadError", "ResponseParserError"):
        return BadAnswerError(message)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError, ConnectionError)):
        return UnavailableError(message)
    if type(error).__module__.startswith("aiohttp."):
        return UnavailableError(message)
    return None if isinstance(error, OSError) else OSError(errno.EIO, text, name)


def without_reason(error: BaseException) -> bool:
    """Whether the store found something wrong with a request, and did not say what, as in its answers to a HEAD."""
    response = getattr(error.__cause__, "response", None) or {}
    return bool(response.get("Error", {}).get("Code") == "400")


def _answered(error: Any, name: str) -> Exception:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or (code if code.isdigit() else 0))
    if status == 404 and _without_body(error) and not _named(code):
        return not_found(name, f"{answer.get('Message') or 'Not Found'} (HTTP 404)")
    return refused(code, str(answer.get("Message") or ""), status, name)


def refused(code: str, said: str, status: int, name: str) -> Exception:
    """The error for what the store answered.

    Parameters
    ----------
    code, said:
        The store's own word for it, and its message; or the status and its name, where the answer had no body.
    status:
        Of the HTTP answer; 0 for one of many answers in a body.
    name:
        What it was about.
    """
    if code == "NoSuchBucket":
        name = name.partition("/")[0]
    origin = ", ".join([code] * _named(code) + [f"HTTP {status}"] * bool(status))
    message = f"{brief(said) or 'no message'} ({origin})"
    by = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if by is not None:
        return by(name, message)
    return UnavailableError(f"{name}: {message}") if status >= 500 else OSError(errno.EIO, message, name)


def _named(code: str) -> bool:
    """Whether a code is the store's, and not made of the status for want of a body."""
    return bool(code) and not code.isdigit() and code != "NotFound"


def _without_body(error: Any) -> bool:
    """Whether the answer could not say what is not there, for it was to a HEAD."""
    return str(error.operation_name).startswith("Head")
