"""What stands beside the pages of a file version: a note that says whose they are, for people who look after the store.

Pages are found by keys that say nothing. No read asks for a note; one that is missing costs a name in a listing.
"""

from __future__ import annotations

import json
import time
from typing import Optional

import xxhash
from attrs import frozen

from alluxiofs.interfaces import Version
from alluxiofs.settings.secrets import hidden_text

__all__ = ["KeptName", "decode_name", "encode_name", "part_key"]

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
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    texts = [value.get(name) for name in ("url", "version")]
    numbers = [value.get(name) for name in ("length", "page_size", "kept_since")]
    # A bool is an int to Python, and none to JSON.
    if not all(type(text) is str for text in texts) or not all(type(number) is int for number in numbers):
        return None
    name = KeptName(*texts, *numbers)
    return name if name.length > 0 and name.page_size > 0 and 0 <= name.kept_since < _NEVER else None


def part_key(key: bytes) -> bytes:
    """The key of the parts of pages that are kept under ``key``: smaller pages of the same file version."""
    return xxhash.xxh3_128_digest(key + b"parts")
