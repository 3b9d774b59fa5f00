"""What hdfs-native raises, as the errors that the contract of under stores has."""

from __future__ import annotations

import errno
import os
import re
from typing import Callable, Dict, Optional

from alluxiofs.errors import (
    AlluxioFSError,
    BadAnswerError,
    DeadlineExceededError,
    TemporaryError,
    UnavailableError,
    denied,
    exists,
    is_a_directory,
    not_a_directory,
    not_found,
)
from alluxiofs.plugins._fsspec.failures import brief

__all__ = ["translated"]

# The server's own exception with its message, as the client shows it: RPCError("java.io.IOException", "…\n\tat …").
_REMOTE = re.compile(r'RPCError\("(?:[\w.]*[.])?([\w$]+)", "(.*)', re.DOTALL)
_TRACE = re.compile(r"(?:\\n|\n)(?:\\t|\t).*", re.DOTALL)


def _with(code: int) -> Callable[[str, str], Exception]:
    return lambda name, message: OSError(code, f"{os.strerror(code)}: {message}", name)


def _unavailable(name: str, message: str) -> Exception:
    return UnavailableError(f"{name}: {message}")


_BY_CLASS: Dict[str, Callable[[str, str], Exception]] = {
    "AccessControlException": denied,
    "AlreadyBeingCreatedException": lambda name, message: TemporaryError(f"{name}: {message}"),
    "AuthorizationException": denied,
    "DSQuotaExceededException": _with(errno.EDQUOT),
    "FSLimitException$PathComponentTooLongException": _with(errno.ENAMETOOLONG),
    "InvalidPathException": _with(errno.EINVAL),
    "InvalidToken": denied,
    "NSQuotaExceededException": _with(errno.EDQUOT),
    "ParentNotDirectoryException": not_a_directory,
    "PathIsNotEmptyDirectoryException": _with(errno.ENOTEMPTY),
    "RetriableException": _unavailable,
    "SafeModeException": _unavailable,
    "StandbyException": _unavailable,
}
# What the client finds itself, by the first word of what it says.
_BY_WORD: Dict[str, Callable[[str, str], Exception]] = {
    "BlocksNotFound": _unavailable,
    "ChecksumError": lambda name, message: BadAnswerError(f"{name}: {message}"),
    "DataTransferError": _unavailable,
    "GSSAPIError": denied,
    "InvalidRPCResponse": lambda name, message: BadAnswerError(f"{name}: {message}"),
    "IsADirectoryError": is_a_directory,
    "NoSASLMechanism": denied,
    "SASLError": denied,
}
_WORD = re.compile(r"\w+")


def translated(error: BaseException, name: str) -> Optional[Exception]:
    """The error to raise for one of the client, from it; ``None`` if it is good as it is.

    Parameters
    ----------
    error:
        Of hdfs-native. Where it finds a mistake of its own it raises one that is no ``Exception``.
    name:
        What it was about.
    """
    if isinstance(error, AlluxioFSError):
        return None
    said = _TRACE.sub("", str(error)).strip()
    text = brief(said) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        if said.startswith("Path is not a file"):
            return is_a_directory(name, text)
        return not_found(name, None if said in ("", name) else text)
    if isinstance(error, FileExistsError):
        return exists(name, None if said in ("", name) else text)
    if isinstance(error, (IsADirectoryError, PermissionError, NotADirectoryError)):
        return type(error)(error.errno or errno.EACCES, text, name)
    if isinstance(error, TimeoutError):
        return DeadlineExceededError(f"{name}: {text}")
    if isinstance(error, OSError):  # of the network: files have none of their own on this side
        return UnavailableError(f"{name}: {text}")
    if type(error).__name__ == "PanicException":
        return OSError(errno.EIO, text, name)
    return _told(said, text, name) if isinstance(error, Exception) else None


def _told(said: str, text: str, name: str) -> Exception:
    remote = _REMOTE.match(said)
    if remote is not None:
        by = _BY_CLASS.get(remote[1])
        message = f"{brief(remote[2].rstrip(')').rstrip(chr(34)))} ({remote[1]})"
    else:
        word = _WORD.match(said)
        by = _BY_WORD.get(word[0]) if word else None
        message = text
    return by(name, message) if by is not None else OSError(errno.EIO, message, name)
