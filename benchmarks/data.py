"""What benchmarks read: bytes that nothing can compress, and that say by themselves where they belong."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any, Callable

from attrs import define

__all__ = ["KIB", "MIB", "Content", "stream"]

KIB = 1024
MIB = 1024 * KIB

_BLOCK = random.Random(1).getrandbits(8 * MIB).to_bytes(MIB, "little")
_TWICE = _BLOCK + _BLOCK
_PLACES = MIB // 8


@define(frozen=True)
class Content:
    """The bytes of one file: each MiB is the same block, turned by an amount of its own.

    So the bytes of any place are known without keeping them, and those of another place, or of another file, are told
    apart from them.

    Parameters
    ----------
    size:
        Bytes.
    number:
        Of the file: another one, other bytes.
    """

    size: int
    number: int = 0

    def all(self) -> bytes:
        """All of it."""
        return b"".join(self._turned(start) for start in range(0, self.size, MIB))

    def write(self, path: Path) -> Path:
        """Write it into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start in range(0, self.size, MIB):
                file.write(self._turned(start))
        return path

    def holds(self, data: bytes, offset: int = 0) -> bool:
        """Whether these are the bytes from ``offset`` on; nothing is copied within a MiB."""
        stop = offset + len(data)
        if stop > self.size:
            return False
        if offset // MIB == max(offset, stop - 1) // MIB:
            return _TWICE.startswith(data, self._turn(offset) + offset % MIB)
        edge = MIB - offset % MIB
        return self.holds(data[:edge], offset) and self.holds(data[edge:], offset + edge)

    def check(self, offset: int, size: int) -> Callable[[bytes], bool]:
        """A faster :meth:`holds` for one place."""
        if offset // MIB != (offset + size - 1) // MIB:
            return functools.partial(self.holds, offset=offset)
        place = self._turn(offset) + offset % MIB
        return lambda data: _TWICE.startswith(data, place)

    def _turned(self, start: int) -> bytes:
        turn = self._turn(start)
        return _TWICE[turn : turn + min(MIB, self.size - start)]

    def _turn(self, offset: int) -> int:
        # Both factors are odd, and the places a power of two: no two of 131,072 blocks or files are turned alike.
        return 8 * ((offset // MIB * 7919 + self.number * 104_729) % _PLACES)


def stream(fs: Any, path: str, size: int) -> None:
    """Read a file of ``size`` bytes, 1 MiB at a time; an error if it is of another size."""
    left = size
    with fs.open(path, "rb") as file:
        while True:
            block = file.read(MIB)
            if not block:
                break
            left -= len(block)
    if left:
        raise AssertionError(f"{path}: {left} bytes are missing")
