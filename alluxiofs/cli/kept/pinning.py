"""Keeping the whole of a file, and having it stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from fsspec.callbacks import Callback

from alluxiofs.cli.failures import UsageError
from alluxiofs.cli.trees import RemoteTree
from alluxiofs.errors import NotSupportedError, PageStoreError
from alluxiofs.gateway.keeping import PART
from alluxiofs.gateway.naming import part_key
from alluxiofs.gateway.settling import stat_settled

if TYPE_CHECKING:
    from alluxiofs.interfaces import KeptFile, PageStore

__all__ = ["keep_and_pin"]

_PIECE = 4 << 20


def keep_and_pin(tree: RemoteTree, callback: Callback) -> int:
    """Read a file through its filesystem, which keeps what is missing, and pin it.

    Parameters
    ----------
    tree:
        The file.
    callback:
        Told of each step, in bytes.

    Returns
    -------
    int
        How many pages are pinned.

    Raises
    ------
    PageStoreError
        If not all of it is kept in the end, for want of room say; nothing of it is pinned then.
    """
    gateway = tree.fs.gateway
    store = gateway.parts.page_store
    if store is None:
        raise UsageError(
            f"{tree.given}: no pages of this storage are kept here by default; name a page store (--page-store disk)"
        )
    location = gateway.locate(tree.name)
    entry = stat_settled(gateway, location)
    if not entry.version.tells:
        raise NotSupportedError(f"{tree.given}: the storage does not say which version it is, so nothing is kept of it")
    if not entry.size:
        return 0
    kept = gateway.kept_pages(location, entry)
    if kept is None:
        raise PageStoreError(f"page store {store.name!r} does not work")
    key: bytes = kept.pages.key
    done = False
    try:
        _pin(store, key, True)  # so that what is there does not make room for the rest
        _read(tree, callback)
        pinned = _pin(store, key, True)
        missing = sum(1 for _ in _missing(store, key, entry.size))
        done = not missing
    finally:
        if not done:
            _pin(store, key, False)
    if missing:
        pages = "page is" if missing == 1 else "pages are"
        raise PageStoreError(f"{missing} {pages} not kept: the page store has no room for them, or is off")
    return pinned


def _read(tree: RemoteTree, callback: Callback) -> None:
    view = memoryview(bytearray(_PIECE))
    with tree.fs.open(tree.name, "rb") as file:
        while True:
            count = file.readinto(view)
            if not count:
                return
            callback.relative_update(count)


def _pin(store: PageStore, key: bytes, pinned: bool) -> int:
    return store.pin(key, pinned) + store.pin(part_key(key), pinned)


def _missing(store: PageStore, key: bytes, length: int) -> Iterator[int]:
    """The pages of which something is kept neither whole nor in parts."""
    pages = store.file(key, length)
    parts = store.file(part_key(key), length, page_size=PART)
    for index in range(-(-length // pages.page_size)):
        begin = index * pages.page_size
        end = begin + pages.page_length(index)
        if not pages.has(index) and not _all_parts(parts, begin, end):
            yield index


def _all_parts(parts: KeptFile, begin: int, end: int) -> bool:
    return begin % PART == 0 and all(parts.has(part) for part in range(begin // PART, (end - 1) // PART + 1))
