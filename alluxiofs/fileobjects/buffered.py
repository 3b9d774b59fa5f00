"""Reading in larger pieces than the reader asks for, where nothing is gained by asking before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional, Tuple

from alluxiofs import forks
from alluxiofs.fileobjects import ahead
from alluxiofs.fileobjects.source import Source

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile

__all__ = ["Buffered"]

_PIECE = 512 * 2**10  # bytes: asking for so much costs little beside reading it, and it stays in a CPU's cache


class Buffered(Source):
    """For files of which nothing is kept, in stores that are near or answer one question at a time: a reader of small
    pieces is served from one larger piece. A large read goes straight to where it is wanted, with no byte copied.

    The system underneath reads ahead by itself: a thread that did so here, too, would copy what is there already.

    Parameters
    ----------
    opened:
        The file.
    piece:
        Bytes, where the user has said so.
    """

    def __init__(self, opened: OpenFile, piece: Optional[int]) -> None:
        self._opened = opened
        self._size = piece or _PIECE
        self._piece: Tuple[int, bytes] = (0, b"")  # where it begins, and it: replaced as one, never changed
        # Whoever takes the one thing out of it asks for room: no lock, which a forked child might find held.
        self._to_ask: List[None] = [None]
        self._has_room = False
        self._forks = forks.count

    def close(self) -> None:
        """Give back what is held."""
        self._piece = (0, b"")
        self._to_ask.clear()
        held, self._has_room = self._has_room, False
        if held and self._forks == forks.count:  # a forked child has taken nothing
            ahead.room.give(self._size)

    def __del__(self) -> None:
        if hasattr(self, "_forks"):
            self.close()

    def random(self, offset: int, size: int) -> bytes:
        """See the module :mod:`alluxiofs.fileobjects.source`."""
        begin, data = self._piece
        start = offset - begin
        if start >= 0 and start + size <= len(data):
            return data[start : start + size]
        return self._opened.read(offset, size)

    def random_into(self, offset: int, view: memoryview) -> int:
        """The same, into a buffer."""
        begin, data = self._piece
        start, size = offset - begin, len(view)
        if start >= 0 and start + size <= len(data):
            view[:] = data[start : start + size]
            return size
        return self._opened.read_into(offset, view)

    def sequential(self, offset: int, size: int) -> bytes:
        """For a read that goes on where the last one ended."""
        begin, data = self._piece
        start = offset - begin
        if start >= 0 and start + size <= len(data):
            return data[start : start + size]
        found = data[start:] if start >= 0 else b""
        at, rest = offset + len(found), size - len(found)
        more = self._next(at)[:rest] if self._is_small(rest) else self._opened.read(at, rest)
        return found + more if found else more

    def sequential_into(self, offset: int, view: memoryview) -> int:
        """The same, into a buffer."""
        begin, data = self._piece
        start = offset - begin
        found = data[start : start + len(view)] if start >= 0 else b""
        filled = len(found)
        view[:filled] = found
        if filled < len(view):
            with view[filled:] as rest:
                if not self._is_small(len(rest)):
                    return filled + self._opened.read_into(offset + filled, rest)
                more = self._next(offset + filled)[: len(rest)]
                rest[: len(more)] = more
                filled += len(more)
        return filled

    def _is_small(self, size: int) -> bool:
        """Whether a larger piece is worth a copy, and may be had."""
        return 2 * size < self._size and (self._has_room or self._take_room())

    def _take_room(self) -> bool:
        try:
            self._to_ask.pop()
        except IndexError:  # another thread is asking, or it is closed
            return False
        if ahead.room.take(self._size):
            self._has_room = True
        else:
            self._to_ask.append(None)
        return self._has_room

    def _next(self, offset: int) -> bytes:
        data = self._opened.read(offset, self._size)
        self._piece = (offset, data)
        return data
