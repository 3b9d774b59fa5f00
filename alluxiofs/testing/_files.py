"""Files for the contract of under stores: odd names, content, ways to write and read."""

from __future__ import annotations

from typing import Optional

from alluxiofs.interfaces import Deadline, Entry, UnderStore

__all__ = ["ODD_NAMES", "below", "content", "get", "get_bytes", "put", "soon"]

ODD_NAMES = (
    "with space",
    "%41%2F%zz",
    "a#b",
    "what?",
    "x?versionId=1&y=2",
    "a&b=c+d",
    "star*",
    "[a-z]",
    "{x}",
    "~tilde",
    "é-日本語-😀",
    "e\u0301",
    "quote'\"",
    "back\\slash",
    "semi;colon:comma,",
    "-dash",
    ".hidden",
    "n" * 255,
)
"""Names that every store must take, each as one part of a path."""

PATIENCE = 30.0


def soon() -> Deadline:
    """A deadline that nothing here should meet."""
    return Deadline.after(PATIENCE)


def below(directory: str, name: str) -> str:
    """A name in a directory, which may be the root of a store whose root has none."""
    return f"{directory}/{name}" if directory else name


def put(store: UnderStore, name: str, data: bytes, *, exclusive: bool = False, piece: Optional[int] = None) -> Entry:
    """Write a file, in pieces if asked to, and give what the store says of it."""
    writer = store.create(name, exclusive=exclusive, size_hint=len(data))
    view = memoryview(data)
    for start in range(0, len(data), piece or max(1, len(data))):
        writer.write(view[start : start + (piece or len(data))])
    writer.commit()
    return store.stat(name, soon())


def get(store: UnderStore, entry: Entry, start: int = 0, stop: Optional[int] = None) -> bytes:
    """Read a range of the version that an entry has."""
    assert entry.size is not None
    target = bytearray((entry.size if stop is None else stop) - start)
    store.read_into(entry.name, entry.version, start, memoryview(target), soon())
    return bytes(target)


def get_bytes(store: UnderStore, entry: Entry) -> bytes:
    """The whole of the version that an entry has, as the store itself makes the ``bytes`` object."""
    assert entry.size is not None
    return store.read(entry.name, entry.version, 0, entry.size, soon())


def content(size: int, seed: int = 1) -> bytes:
    """Bytes in which no two places look alike."""
    return bytes((index * 31 + (index >> 8) * 17 + (index >> 16) * 7 + seed) & 0xFF for index in range(size))
