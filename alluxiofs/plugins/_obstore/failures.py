"""What obstore raises, as the errors that the contract of under stores has.

Its exceptions have no fields: status and body of an answer are read out of their texts.
"""

from __future__ import annotations

import errno
import html
import re
from typing import Optional, Sequence

from attrs import define

from alluxiofs.errors import (
    AlluxioFSError,
    BadAnswerError,
    DeadlineExceededError,
    FileChangedError,
    InvalidPathError,
    NotSupportedError,
    UnavailableError,
    denied,
    exists,
    not_found,
)
from alluxiofs.plugins._fsspec.failures import brief
from alluxiofs.plugins._gcs import failures as gcs
from alluxiofs.plugins._s3 import failures as s3
from alluxiofs.settings.secrets import STARS

__all__ = ["WITHOUT_RANGE", "Said", "said", "translated"]

_ANSWER = re.compile(r"Error performing ([A-Z]+) (\S+) in .*?non-2xx status code: (\d{3})[^:\n]*:? ?(.*)", re.DOTALL)
_DETAILS = "\n\nDebug source:"
_ELEMENT = re.compile(r"<(Code|Message|Region)>(.*?)</\1>", re.DOTALL)
_OTHER_RANGE = re.compile(r"range|Requested \d+\.\.", re.IGNORECASE)
# Where machines are asked for their own credentials: what such an address answers is not the store's word.
_OF_MACHINES = re.compile(r"//(?:169\.254\.\d+\.\d+|\[fd00:ec2::23\]|metadata(?:\.google\.internal)?)[:/]")
_CREDENTIALS = ("token request", "credential", "CredentialProvider", "MissingCredential")
_OTHER_REGION = ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect")


WITHOUT_RANGE = re.compile(r"non-partial response|CONTENT_RANGE header")
"""What the library says of an answer to a range that has none, or one of no bytes: so empty objects are answered."""


@define(frozen=True)
class Said:
    """What a store answered.

    Parameters
    ----------
    method, status:
        Of the HTTP request, and of the answer to it.
    code, message, region:
        The store's own words, as far as there are any.
    body:
        All that it sent.
    """

    method: str
    status: int
    code: str
    message: str
    region: str
    body: str


def said(error: BaseException) -> Optional[Said]:
    """The answer behind an exception of obstore; ``None`` where there was none."""
    match = _ANSWER.search(str(error).partition(_DETAILS)[0])
    if match is None or _OF_MACHINES.search(match[2]):
        return None
    body = match[4].strip()
    words = {name: html.unescape(text).strip() for name, text in _ELEMENT.findall(body)}
    code = words.get("Code", "")
    return Said(match[1], int(match[3]), code, words.get("Message", ""), words.get("Region", ""), body)


def translated(error: BaseException, name: str, scheme: str, secrets: Sequence[str] = ()) -> Optional[Exception]:
    """The error to raise for one of obstore, from it; ``None`` if it is good as it is.

    Parameters
    ----------
    error:
        Of obstore.
    name:
        What it was about.
    scheme:
        ``s3`` or ``gs``: in whose words the store speaks.
    secrets:
        Texts that the message does not show.
    """
    if isinstance(error, AlluxioFSError) or not (isinstance(error, Exception) or _panicked(error)):
        return None
    answer = said(error)
    if answer is not None:
        return _answered(error, answer, name, scheme)
    kind, text = type(error).__name__, _short(error, secrets)
    message = f"{name}: {text}"
    if kind == "AlreadyExistsError":
        return exists(name, text)
    if kind == "PreconditionError":
        return FileChangedError(text, name)
    if isinstance(error, FileNotFoundError):
        return not_found(name, text)
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or any(word in text for word in _CREDENTIALS):
        return denied(name, text)
    if kind == "InvalidPathError" or (isinstance(error, ValueError) and "parse path" in text):
        return InvalidPathError(message)
    if kind in ("NotSupportedError", "NotImplementedError"):
        return NotSupportedError(message)
    return _on_the_way(str(error), text, name) if kind != "PanicException" else OSError(errno.EIO, text, name)


def _answered(error: BaseException, answer: Said, name: str, scheme: str) -> Exception:
    if type(error).__name__ == "AlreadyExistsError":
        return exists(name, f"{answer.message or 'it exists'} (HTTP {answer.status})")
    if type(error).__name__ == "PreconditionError" and answer.status in (404, 409, 412):
        return FileChangedError(f"{answer.message or 'the condition is not met'} (HTTP {answer.status})", name)
    if answer.region or answer.code in _OTHER_REGION:
        return _elsewhere(answer.message, f"region {answer.region!r}" if answer.region else "another region", name)
    if answer.status == 404 and answer.method == "HEAD":
        return not_found(name, "Not Found (HTTP 404)")
    named = bool(answer.code) and not answer.code.isdigit()
    if scheme == "s3" or named:
        return s3.refused(answer.code if named else "", answer.message, answer.status, name)
    return gcs.refused(answer.status, answer.body.encode(), name, answer.method)


def _elsewhere(message: str, where: str, name: str) -> Exception:
    hint = "client_kwargs={'region_name': …} in target_options names it"
    return OSError(errno.EIO, f"{message or 'not here'}: the bucket is in {where}; {hint}", name)


def _on_the_way(whole: str, text: str, name: str) -> Exception:
    """The error for a request that got no answer, or half of one."""
    message = f"{name}: {text}"
    if "redirect without LOCATION" in text:  # what it makes of S3's answer about a bucket of another region
        return _elsewhere("", "another region", name)
    if "TimedOut" in whole or "timed out" in whole or "Timeout" in whole:
        return DeadlineExceededError(message)
    if WITHOUT_RANGE.search(text) or _OTHER_RANGE.search(text):
        return BadAnswerError(message)
    if any(word in whole for word in ("IncompleteMessage", "IncompleteBody", "kind: Body", "kind: Decode")):
        return BadAnswerError(message)
    if "HTTP error" in text or "Error performing" in text:
        return UnavailableError(message)
    if "Unable to parse" in text or "decod" in text or "header" in text.lower() or "Invalid" in text:
        return BadAnswerError(message)
    return OSError(errno.EIO, text, name)


def _short(error: BaseException, secrets: Sequence[str]) -> str:
    text = brief(str(error).partition(_DETAILS)[0]) or type(error).__name__
    for secret in secrets:
        text = text.replace(secret, STARS)
    return text


def _panicked(error: BaseException) -> bool:
    """Whether the library itself has failed: it tells that with no ``Exception``."""
    return type(error).__name__ == "PanicException"
