"""Copying and appending by reading and writing, for stores that cannot do it themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alluxiofs.errors import is_a_directory
from alluxiofs.interfaces import Deadline, Entry, UnderStore, Writer

if TYPE_CHECKING:
    from typing import Optional

__all__ = ["pour", "rewriting"]


def rewriting(store: UnderStore, name: str, *, block: int, timeout: float) -> Writer:
    """A writer of the whole file anew, that has the old content written already.

    Parameters
    ----------
    store, name:
        Whose file it is; a missing one is made.
    block:
        Bytes that are read at a time.
    timeout:
        Seconds that one read may take.
    """
    old = _found(store, name, timeout)
    writer = store.create(name)
    try:
        if old is not None:
            pour(store, old, writer, block=block, timeout=timeout)
    except BaseException:
        writer.abort()
        raise
    return writer


def pour(store: UnderStore, entry: Entry, writer: Writer, *, block: int, timeout: float) -> None:
    """Write what a version of a file has, block after block, each within ``timeout`` seconds."""
    size = entry.size or 0
    for start in range(0, size, block):
        view = memoryview(bytearray(min(block, size - start)))
        store.read_into(entry.name, entry.version, start, view, Deadline.after(timeout))
        writer.write(view)


def _found(store: UnderStore, name: str, timeout: float) -> Optional[Entry]:
    try:
        entry = store.stat(name, Deadline.after(timeout))
    except FileNotFoundError:
        return None
    if not entry.is_file:
        raise is_a_directory(name)
    return entry
