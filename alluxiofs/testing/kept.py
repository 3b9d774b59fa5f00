"""Pages for tests of page stores: what each one holds is told from its file and its number."""

from __future__ import annotations

import hashlib
from typing import Callable

from alluxiofs.interfaces import KeptFile, PageStore

__all__ = ["PAGE", "ROOMY", "TIGHT", "MakeStore", "content", "keep", "key_of", "read_whole"]

PAGE = 4096
ROOMY = 64 * 2**20
TIGHT = 2**20

MakeStore = Callable[[int, int], PageStore]
"""``make_store(capacity, page_size)``, both in bytes."""


def key_of(number: int) -> bytes:
    """The key of a file version: 16 bytes, spread as real ones are."""
    return hashlib.md5(b"file %d" % number).digest()  # noqa: S324 - it secures nothing


def content(kept: KeptFile, index: int) -> bytes:
    """What a page of a file holds: told from the file's key and the page's index, so that no other bytes will do."""
    return hashlib.shake_128(kept.key + index.to_bytes(8, "big")).digest(kept.page_length(index))


def keep(kept: KeptFile, *indices: int) -> None:
    """Keep pages of a file with the content that they should have."""
    for index in indices:
        kept.keep(index, memoryview(content(kept, index)))


def read_whole(kept: KeptFile, index: int) -> bool:
    """Whether a page is kept, read both ways. Fails if one of them gives other bytes than the page's."""
    whole = content(kept, index)
    data = kept.read(index, 0, len(whole))
    assert data is None or data == whole, f"read() gave wrong bytes for page {index}"
    target = bytearray(len(whole))
    filled = kept.read_into(index, 0, memoryview(target))
    assert not filled or target == whole, f"read_into() gave wrong bytes for page {index}"
    return filled
