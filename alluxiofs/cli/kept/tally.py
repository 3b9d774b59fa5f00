"""What is kept, by file version: pages added up under the names that are noted beside them."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, Optional, Sequence, Tuple

from attrs import define, field

from alluxiofs.cli.kept.stores import OpenedStore
from alluxiofs.gateway.keeping import PART
from alluxiofs.gateway.naming import KeptName, decode_name, part_key

__all__ = ["KeptVersion", "kept_versions"]


@define
class KeptVersion:
    """What is kept of one version of a file.

    Parameters
    ----------
    name:
        Whose it is; ``None`` if no note says so.
    keys:
        Under which its pages are kept, whole ones and parts of pages, and the bytes of a page under each, where known.
    pages, size:
        How many, and their bytes.
    pinned:
        How many of them are pinned.
    """

    name: Optional[KeptName]
    keys: Dict[bytes, Optional[int]] = field(factory=dict)
    pages: int = 0
    size: int = 0
    pinned: int = 0

    @property
    def shown(self) -> str:
        """The URL, or the key in hexadecimal digits."""
        return next(iter(self.keys)).hex() if self.name is None else self.name.url

    @property
    def percent(self) -> Optional[int]:
        """How much of the file is kept, rounded down, so that 100 is all of it."""
        # Parts that were kept before the page they are parts of count twice.
        return None if self.name is None else min(100, 100 * self.size // self.name.length)

    def add(self, key: bytes, page_size: Optional[int], counts: _Counts) -> None:
        """Add what is kept under a key."""
        self.keys[key] = page_size
        self.pages += counts.pages
        self.size += counts.size
        self.pinned += counts.pinned


@define
class _Counts:
    """What is kept under one key."""

    pages: int = 0
    size: int = 0
    pinned: int = 0


def kept_versions(opened: Sequence[OpenedStore]) -> Iterator[KeptVersion]:
    """All that is kept, added up over all folders, in no order. It takes memory for each file version, not for each
    page; programs may keep and drop pages meanwhile."""
    counted = _counted(opened)
    named: Dict[Tuple[str, str, int], KeptVersion] = {}
    unnamed: Dict[bytes, _Counts] = {}
    while counted:
        key, counts = counted.popitem()
        name = _name_of(opened, key)
        if name is None:
            unnamed[key] = counts
        else:
            version = named.setdefault((name.url, name.version, name.length), KeptVersion(name))
            version.name = _older(version.name, name)
            version.add(key, name.page_size, counts)
    for version in named.values():
        # Parts of pages whose own note has made room.
        for key in [] if not unnamed else [part_key(one) for one in version.keys]:
            if key in unnamed:
                version.add(key, PART, unnamed.pop(key))
        yield version
    for key, counts in unnamed.items():
        version = KeptVersion(None)
        version.add(key, None, counts)
        yield version


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


def _older(one: Optional[KeptName], other: KeptName) -> KeptName:
    return other if one is None or other.kept_since < one.kept_since else one
