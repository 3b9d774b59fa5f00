"""One tree of errors; each is also the builtin a user already catches.

Every error of this package derives from :class:`AlluxioFSError`. What was asked for wrongly (an argument, a
setting, a plugin) is a ``ValueError``, ``TypeError`` or ``LookupError``; a missing extra is an ``ImportError``;
everything that happens while data moves is an ``OSError``.

The error contract of plugins has three kinds, told apart by :func:`kind_of`:

* an **answer** (:data:`Kind.ANSWER`): the other side understood and said no: not found, exists, denied, a bad
  argument. It goes to the caller as it is; nobody else is asked.
* a **temporary** failure (:data:`Kind.TEMPORARY`): the same question may succeed later or elsewhere.
* a **permanent** failure (:data:`Kind.PERMANENT`): asking the same side again is of no use, another side may do.
"""

from __future__ import annotations

import enum
import errno
import os
import re
from typing import Any, Iterable, Optional

__all__ = [
    "CREDENTIALS",
    "STARS",
    "AlluxioFSError",
    "BadAnswerError",
    "ConfigurationError",
    "DeadlineExceededError",
    "FileChangedError",
    "InvalidPathError",
    "Kind",
    "MissingExtraError",
    "NoTurnError",
    "NotHeldError",
    "NotSupportedError",
    "OtherVersionError",
    "PageStoreError",
    "PluginError",
    "ReadOnlyError",
    "SettingTypeError",
    "TemporaryError",
    "UnavailableError",
    "UnknownComponentError",
    "UnknownSettingError",
    "denied",
    "exists",
    "failed_write",
    "hidden_text",
    "is_a_directory",
    "kind_of",
    "nearest",
    "not_a_directory",
    "not_found",
]


STARS = "***"
CREDENTIALS = re.compile(
    r"""
    (?<=://)
    (?: [^\s/?#'"]*@                                      # as it should be written: up to the last @ before a /
      | (?<!file://)(?<!local://)(?<!memory://)            # these have paths alone, in which anything may stand
        (?!arn:)                                           # of S3, in the place of a bucket
        (?!\w:[/\\])                                       # a drive
        [^\s/?#'"@:\[]*                                    # the user; no address in brackets
        :(?!:|//|\d{1,5}[/?#])                             # no chain, no scheme of another URL, no port
        (?: (?!://)[^\s'"@] )*@ (?: [^\s/?#'"]*@ )?
    )
    """,
    re.VERBOSE,
)
"""What stands before an ``@`` in a URL.

A password should have its ``/``, ``?`` and ``#`` escaped. Where it has not, they end the authority, and the ``@`` is in
what looks like a path; keys of objects have such, too. It is taken for the end of a password if a colon is before the
first ``/`` and no port behind it: neither a bucket nor a host has such a name.
"""


def hidden_text(text: str) -> str:
    """The text with stars for what stands before an ``@`` in the URLs in it."""
    return CREDENTIALS.sub(STARS + "@", text) if "://" in text else text


def _hidden(value: Any) -> Any:
    return hidden_text(value) if isinstance(value, str) else value


class AlluxioFSError(Exception):
    """The root of all errors that this package defines. None of them says what stands before an ``@`` in a URL."""

    def __init__(self, *said: Any, **more: Any) -> None:
        super().__init__(*map(_hidden, said), **more)


# --- what was asked for wrongly: raised at construction, or before anything is sent ---------------------------


class ConfigurationError(AlluxioFSError, ValueError):
    """An argument or setting has a value that cannot be used; the message names both."""


class SettingTypeError(ConfigurationError, TypeError):
    """An argument or setting has a value of the wrong type."""


class UnknownSettingError(ConfigurationError, TypeError):
    """An argument or setting of this name does not exist; the message has the nearest one that does."""


class UnknownComponentError(ConfigurationError, LookupError):
    """No plugin of this name gives the component; the message lists those there are."""

    def __str__(self) -> str:  # LookupError's own str is the message's repr for KeyError only; keep it plain
        return str(self.args[0]) if self.args else ""


class PluginError(ConfigurationError):
    """A plugin cannot be used: two of one name, a wrong hook signature, another interface version."""


class InvalidPathError(AlluxioFSError, ValueError):
    """A path that cannot name a file: it has a NUL in it, or it leaves its root."""


class MissingExtraError(AlluxioFSError, ImportError):
    """A component needs an optional dependency that is not installed; the message is the line that installs it."""


# --- what happens while data moves ----------------------------------------------------------------------------


class TemporaryError(AlluxioFSError, OSError):
    """A failure that may pass: the same question, asked later or of another, may be answered.

    Attributes
    ----------
    retry_after:
        Seconds for which the other side wishes to be left alone; 0 where it does not say.
    """

    retry_after: float = 0.0


class UnavailableError(TemporaryError, ConnectionError):
    """Nobody is there: refused, reset, closed without an answer, or every one in line has failed."""


class DeadlineExceededError(TemporaryError, TimeoutError):
    """A wait has come to its limit."""


class NoTurnError(DeadlineExceededError):
    """Nobody was asked: all connections of this process were in use until the wait came to its limit."""


class BadAnswerError(TemporaryError):
    """An answer that cannot be right: short, long, of another range, or unparseable."""


class NotHeldError(TemporaryError):
    """A worker that is well does not hold what was asked for. Who holds it is asked, and nobody is blamed."""


class OtherVersionError(NotHeldError, BadAnswerError):
    """A worker that is well holds the file at another version than the one asked for."""


class FileChangedError(AlluxioFSError, OSError):
    """The file changed while it was open: the version it was opened at is no longer to be had."""

    def __init__(self, message: str, path: Optional[str] = None) -> None:
        super().__init__(getattr(errno, "ESTALE", errno.EIO), message, path)

    def __reduce__(self) -> tuple[type[FileChangedError], tuple[object, ...]]:
        return type(self), (self.strerror, self.filename)


class ReadOnlyError(AlluxioFSError, PermissionError):
    """The store, or this way to it, cannot be written."""

    def __init__(self, message: str, path: Optional[str] = None) -> None:
        super().__init__(errno.EROFS, message, path)

    def __reduce__(self) -> tuple[type[ReadOnlyError], tuple[object, ...]]:
        return type(self), (self.strerror, self.filename)


class NotSupportedError(AlluxioFSError, NotImplementedError, OSError):
    """The store cannot do this at all (it has no signed URLs, no append …)."""


class PageStoreError(AlluxioFSError, OSError):
    """The page store cannot keep or find pages; reads go on without it."""


# --- the contract of plugins ----------------------------------------------------------------------------------


class Kind(enum.Enum):
    """What a failure means for whoever is next in line."""

    ANSWER = "answer"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


_ANSWERS = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
_ANSWER_ERRNOS = frozenset({errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.EINVAL, errno.EROFS, errno.EXDEV})
_TEMPORARY_ERRNOS = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ETIMEDOUT, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}
)


def kind_of(error: BaseException) -> Kind:
    """Tell an answer, a temporary and a permanent failure apart.

    Parameters
    ----------
    error:
        Whatever a plugin raised.

    Returns
    -------
    Kind
        ``ANSWER`` for not found, exists, denied, wrong kind of entry, not supported and bad arguments; ``TEMPORARY``
        for :class:`TemporaryError`, timeouts, connection errors and the errno values that mean them; else
        ``PERMANENT`` (a :class:`FileChangedError`, or a defect in a client).
    """
    if isinstance(error, (TemporaryError, TimeoutError, ConnectionError)):
        return Kind.TEMPORARY
    if isinstance(error, (*_ANSWERS, NotSupportedError, InvalidPathError)):
        return Kind.ANSWER
    if isinstance(error, OSError):
        if error.errno in _TEMPORARY_ERRNOS:
            return Kind.TEMPORARY
        return Kind.ANSWER if error.errno in _ANSWER_ERRNOS else Kind.PERMANENT
    if isinstance(error, (ValueError, TypeError, LookupError)) and isinstance(error, AlluxioFSError):
        return Kind.ANSWER
    return Kind.PERMANENT


def _with_errno(kind: type[OSError], code: int, path: str, message: Optional[str]) -> OSError:
    return kind(code, _hidden(message) or os.strerror(code), _hidden(path))


def not_found(path: str, message: Optional[str] = None) -> OSError:
    """A ``FileNotFoundError`` that names ``path``."""
    return _with_errno(FileNotFoundError, errno.ENOENT, path, message)


def exists(path: str, message: Optional[str] = None) -> OSError:
    """A ``FileExistsError`` that names ``path``."""
    return _with_errno(FileExistsError, errno.EEXIST, path, message)


def denied(path: str, message: Optional[str] = None) -> OSError:
    """A ``PermissionError`` that names ``path``."""
    return _with_errno(PermissionError, errno.EACCES, path, message)


def is_a_directory(path: str, message: Optional[str] = None) -> OSError:
    """An ``IsADirectoryError`` that names ``path``."""
    return _with_errno(IsADirectoryError, errno.EISDIR, path, message)


def not_a_directory(path: str, message: Optional[str] = None) -> OSError:
    """A ``NotADirectoryError`` that names ``path``."""
    return _with_errno(NotADirectoryError, errno.ENOTDIR, path, message)


_ADVICE = {
    errno.ENOSPC: "free space there, or write elsewhere",
    errno.EDQUOT: "free space of the quota, or have it raised",
    errno.EROFS: "mount it for writing, or write elsewhere",
}


def failed_write(path: str, error: OSError) -> OSError:
    """The system's error about a file that was to become ``path``, as one that names ``path`` and says what to do."""
    if error.errno is None or isinstance(error, AlluxioFSError):
        return error
    reason = error.strerror or os.strerror(error.errno)
    advice = _ADVICE.get(error.errno)
    if error.errno in (errno.EACCES, errno.EPERM) and error.filename not in (None, path):
        advice = "a new file needs the right to write its directory"
    return OSError(error.errno, f"{reason}: {advice}" if advice else reason, path)


def nearest(name: str, names: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the name in ``names`` that is nearest to ``name``, or an empty text."""
    import difflib  # for those who mistype, and nobody else

    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
