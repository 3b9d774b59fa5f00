"""What stands beside the pages of a file version: a note that says whose they are, for people who look after the store.

Pages are found by keys that say nothing. No read asks for a note; one that is missing costs a name in a listing.
"""

from __future__ import annotations

import json
import time
from typing import Any, Optional

import xxhash
from attrs import frozen

from alluxiofs.interfaces import Version
from alluxiofs.settings.secrets import hidden_text

__all__ = ["KeptName", "decode_name", "encode_name", "part_key"]

_FIELDS = ("url", "version", "length", "page_size", "kept_since")
_HUGE = 1 << 63  # bytes
_NEVER = 1 << 37  # seconds; a calendar ends some centuries later


@frozen
class KeptName:
    """Whose pages are kept under a key.

    Parameters
    ----------
    url:
        The canonical URL, without credentials.
    version:
        As ``info`` shows it.
    length:
        Bytes of the file.
    page_size:
        Bytes a page under this key.
    kept_since:
        When the first page was kept, in whole seconds since the epoch.
    """

    url: str
    version: str
    length: int
    page_size: int
    kept_since: int


def encode_name(url: str, version: Version, length: int, page_size: int) -> bytes:
    """The note to put beside the first page that is kept of a file version: JSON, in ASCII.

    Parameters
    ----------
    url:
        The canonical URL; credentials in it are left out.
    version:
        Of the file.
    length:
        Bytes of the file.
    page_size:
        Bytes a page under the key that the note is put under.
    """
    note = {
        "url": hidden_text(url),
        "version": version.text(),
        "length": length,
        "page_size": page_size,
        "kept_since": int(time.time()),
    }
    return json.dumps(note, separators=(",", ":")).encode("ascii")


def decode_name(note: bytes) -> Optional[KeptName]:
    """What a note says, or ``None`` if it is none of :func:`encode_name`'s: other programs may share the store."""
    try:
        value = json.loads(note)
        name = KeptName(*(value[field] for field in _FIELDS))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts = type(name.url) is str and type(name.version) is str
    counts = _is_count(name.length, _HUGE) and _is_count(name.page_size, _HUGE) and _is_count(name.kept_since, _NEVER)
    return name if texts and counts else None


def _is_count(value: Any, end: int) -> bool:
    # true and false are whole numbers to Python, and none to JSON
    return type(value) is int and 0 < value < end


def part_key(key: bytes) -> bytes:
    """The key of the parts of pages that are kept under ``key``: smaller pages of the same file version."""
    return xxhash.xxh3_128_digest(key + b"parts")
