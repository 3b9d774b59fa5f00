"""How files are named to workers."""

from __future__ import annotations

import hashlib
import re
from typing import Optional
from urllib.parse import quote

from alluxiofs.errors import NotSupportedError

__all__ = ["file_id", "quoted", "raw_path", "raw_value"]

_LONGEST = 4096  # bytes of a request's first line, beyond which the open-source worker closes the connection
_AROUND = len("GET /v1/info?path=&opType=submit HTTP/1.1")
# What ends the first line of a request, or the value of a parameter, or is undone, or becomes another name.
_UNSAYABLE = re.compile(r"[\x00-\x20\x7f?&=\\]|%2F|%3A|%3F")
_OTHER_NAME = re.compile(r"//|/\.{1,2}(?:/|$)")


def file_id(url: str) -> str:
    """What pages of a file are found by: the SHA-256 of its full URL."""
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()


def quoted(text: str) -> str:
    """Percent-encoded UTF-8, slashes as they are."""
    return quote(text, safe="/", errors="surrogateescape")


def raw_path(url: str) -> str:
    """A URL as the open-source worker reads it in the parameter ``path``, one character for each byte.

    It undoes no percent-encoding (but of ``/``, ``:`` and ``?``), takes a byte for a character, and resolves ``.``,
    ``..`` and repeated slashes. So most names go as they are, and some cannot be asked for at all.

    Raises
    ------
    NotSupportedError
        For those.
    """
    reason = _reason(url)
    if reason is not None:
        raise NotSupportedError(f"{url}: workers of dialect 'pages' cannot be asked for a name with {reason}")
    return url


def raw_value(value: str, parameter: str) -> str:
    """The value of any other parameter, for the open-source worker, which undoes no percent-encoding.

    Raises
    ------
    NotSupportedError
        If it cannot be said.
    """
    found = _UNSAYABLE.search(value)
    if found is not None or not value or max(value) > "\xff":
        wrong = repr(found[0] if found is not None else max(value, default=""))
        raise NotSupportedError(
            f"{parameter}={value!r}: workers of dialect 'pages' cannot be told a value with {wrong}"
        )
    return value


def _reason(url: str) -> Optional[str]:
    found = _UNSAYABLE.search(url)
    if found is not None:
        return f"{found[0]!r} in it"
    if max(url, default="") > "\xff":
        return f"{max(url)!r} in it"
    _, _, rest = url.partition("://")
    if _OTHER_NAME.search(rest if not rest.startswith("//") else rest[1:]) or rest.startswith("//"):
        return "'//', '/./' or '/../' in it"
    return "so many characters" if len(url) + _AROUND > _LONGEST else None
