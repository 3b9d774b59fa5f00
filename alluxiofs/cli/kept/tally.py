"""What is kept, by file version: pages added up under the names that are noted beside them."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, Optional, Sequence, Tuple

from attrs import define, frozen

from alluxiofs.cli.kept.stores import OpenedStore
from alluxiofs.gateway.keeping import PART
from alluxiofs.gateway.naming import KeptName, decode_name, part_key

__all__ = ["KeptVersion", "kept_versions"]


@define
class _Counts:
    """What is kept under one key."""

    pages: int = 0
    size: int = 0
    pinned: int = 0


@frozen
class KeptVersion:
    """What is kept of one version of a file.

    Parameters
    ----------
    name:
        Whose it is; ``None`` if no note says so.
    keys:
        Under which its pages are kept: whole ones, and parts of pages. With each the bytes of a page, where known.
    pages, size:
        How many, and their bytes.
    pinned:
        How many of them are pinned.
    parts, parts_size:
        How many of them are parts of pages that are kept beside whole ones, and their bytes. A part that was there
        before its page counts as well as the page.
    """

    name: Optional[KeptName]
    keys: Tuple[Tuple[bytes, Optional[int]], ...]
    pages: int
    size: int
    pinned: int
    parts: int = 0
    parts_size: int = 0

    @property
    def shown(self) -> str:
        """The URL, or the key in hexadecimal digits."""
        return self.keys[0][0].hex() if self.name is None else self.name.url

    @property
    def percent(self) -> Optional[int]:
        """How much of the file is kept, rounded down, so that 100 is all of it."""
        # Parts that were kept before the page they are parts of count twice.
        return None if self.name is None else min(100, 100 * self.size // self.name.length)


def kept_versions(opened: Sequence[OpenedStore]) -> Iterator[KeptVersion]:
    """All that is kept, added up over all folders, in no order. It takes memory for each file version, not for each
    page; programs may keep and drop pages meanwhile."""
    counted = _counted(opened)
    parts = _parts_taken_out(counted)
    while counted:
        key, counts = counted.popitem()
        name = _name_of(opened, key)
        keys: Tuple[Tuple[bytes, Optional[int]], ...] = ((key, None if name is None else name.page_size),)
        more = parts.pop(key, None)
        if more is None:
            yield KeptVersion(name, keys, counts.pages, counts.size, counts.pinned)
            continue
        part = part_key(key)
        keys = (*keys, (part, PART))
        name = name or _name_of(opened, part)
        pages, size, pinned = counts.pages + more.pages, counts.size + more.size, counts.pinned + more.pinned
        yield KeptVersion(name, keys, pages, size, pinned, more.pages, more.size)


def _parts_taken_out(counted: Dict[bytes, _Counts]) -> Dict[bytes, _Counts]:
    """What is kept of parts of pages, by the key of the pages, where these are kept too."""
    taken: Dict[bytes, _Counts] = {}
    for key in list(counted):
        parts = counted.pop(part_key(key), None)
        if parts is not None:
            taken[key] = parts
    return taken


def _counted(opened: Iterable[OpenedStore]) -> Dict[bytes, _Counts]:
    counted: Dict[bytes, _Counts] = {}
    for one in opened:
        for page in one.store.list_pages():
            counts = counted.get(page.key)
            if counts is None:
                counts = counted[page.key] = _Counts()
            counts.pages += 1
            counts.size += page.size
            counts.pinned += page.pinned
    return counted


def _name_of(opened: Iterable[OpenedStore], key: bytes) -> Optional[KeptName]:
    for one in opened:
        note = one.store.note(key)
        name = None if note is None else decode_name(note)
        if name is not None:
            return name
    return None
