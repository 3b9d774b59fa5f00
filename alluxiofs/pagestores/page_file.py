"""One page in one file: a header that says what it is, then the bytes of the page.

``magic, format version, size of the header, key, index, length, checksum of the page, checksum of what stands before``:
64 bytes, little endian. Checksums are XXH3 of 64 bits (https://xxhash.com).
"""

from __future__ import annotations

import os
import struct
from typing import Optional

import xxhash

__all__ = ["FORMAT_VERSION", "HEADER_BYTES", "Handle", "header_of", "is_recognisable", "read_verified"]

FORMAT_VERSION = 1

_MAGIC = b"\x93ALXPAGE"
_FIELDS = struct.Struct("<8sII16sQQQ")
_SUM = struct.Struct("<Q")
HEADER_BYTES = _FIELDS.size + _SUM.size
_KEY_AT = 16
_CHUNK = 256 * 1024


class Handle:
    """An open file that closes itself when the last one who reads from it lets go of it.

    A descriptor closed while another thread is about to read from it may by then stand for another file. Whoever
    reads holds the handle, so the number cannot be used again before.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self, close=os.close) -> None:  # type: ignore[no-untyped-def]  # bound here: globals go first at exit
        try:
            close(self.fd)
        except OSError:
            pass


def header_of(key: bytes, index: int, page: memoryview) -> bytes:
    """What stands before the page."""
    checksum = xxhash.xxh3_64_intdigest(page)
    fields = _FIELDS.pack(_MAGIC, FORMAT_VERSION, HEADER_BYTES, key, index, len(page), checksum)
    return fields + _SUM.pack(xxhash.xxh3_64_intdigest(fields))


def is_recognisable(header: bytes, key: bytes) -> bool:
    """Whether a file in the place of a page of ``key`` was written as one, however broken it is.

    It may be cut off at any place, or be zeros (what a file system leaves of a file when the machine stops), or have
    its mark or its key: no single damage takes both.
    """
    is_marked = header.startswith(_MAGIC) or _MAGIC.startswith(header)
    return is_marked or header[_KEY_AT : _KEY_AT + len(key)] == key or not header.strip(b"\0")


def read_verified(fd: int, key: bytes, index: int, length: int, view: Optional[memoryview] = None) -> bool:
    """Read a whole page and compare it with its checksum.

    Parameters
    ----------
    fd:
        The file.
    key, index, length:
        Which page it must be.
    view:
        Where to put the page, if its bytes are wanted; as long as the page.

    Returns
    -------
    bool
        Whether it is that page, whole. If not, the view is as it may be.
    """
    header = os.pread(fd, HEADER_BYTES, 0)
    if len(header) != HEADER_BYTES or _SUM.unpack_from(header, _FIELDS.size)[0] != xxhash.xxh3_64_intdigest(
        header[: _FIELDS.size]
    ):
        return False
    *names, checksum = _FIELDS.unpack_from(header)
    if names != [_MAGIC, FORMAT_VERSION, HEADER_BYTES, key, index, length]:
        return False
    if view is not None:
        return read_fully(fd, HEADER_BYTES, view) and xxhash.xxh3_64_intdigest(view) == checksum
    digest = xxhash.xxh3_64()
    left, chunk = length, memoryview(bytearray(min(length, _CHUNK)))
    while left:
        part = chunk[: min(left, _CHUNK)]
        if not read_fully(fd, HEADER_BYTES + length - left, part):
            return False
        digest.update(part)
        left -= len(part)
    return bool(digest.intdigest() == checksum)


if hasattr(os, "preadv"):

    def read_fully(fd: int, offset: int, view: memoryview) -> bool:
        """Fill ``view`` from a file; ``False`` if it ends before."""
        return os.preadv(fd, (view,), offset) == len(view)

else:  # macOS before 11

    def read_fully(fd: int, offset: int, view: memoryview) -> bool:
        """Fill ``view`` from a file; ``False`` if it ends before."""
        data = os.pread(fd, len(view), offset)
        if len(data) != len(view):
            return False
        view[:] = data
        return True
