"""Memory that a read fills, and that becomes what it returns."""

from __future__ import annotations

from alluxiofs.interfaces.memory import NewBytes

__all__ = ["Room"]


class Room:
    """The memory of a ``bytes`` object to be: nobody else has it, so what is in it can be kept from there.

    What is fetched begins and ends with a page or a part, what is read anywhere. Where the room is as wide as what is
    fetched, no byte is copied from one piece of memory to another: new memory costs more than moving what is in it.
    Memory that nobody has written to yet costs nothing.

    Parameters
    ----------
    offset, size:
        What is read of the file.
    """

    __slots__ = ("_begin", "_end", "_holder", "_offset", "_size", "whole")

    def __init__(self, offset: int, size: int) -> None:
        self._offset = self._begin = offset
        self._end = offset + size
        self._size = size
        self._holder = NewBytes(size)
        self.whole = self._holder.getbuffer()
        """All of it: what is read, as long as it was not widened."""

    def is_for(self, begin: int, end: int) -> bool:
        """Whether these bytes are all that is read."""
        return (begin, end) == (self._offset, self._offset + self._size)

    def covers(self, begin: int, end: int) -> bool:
        """Whether it has room for these bytes of the file."""
        return self._begin <= begin and end <= self._end

    def part(self, begin: int, end: int) -> memoryview:
        """The memory for these bytes of the file."""
        return self.whole[begin - self._begin : end - self._begin]

    def widen(self, begin: int, end: int, empty: bool) -> None:
        """Have room for these bytes as well. What is there goes along, unless it is ``empty``; views that were given
        out before are not of the room any more."""
        before, first = self.whole, self._begin
        self._begin, self._end = min(begin, self._begin), max(end, self._end)
        self._holder = NewBytes(self._end - self._begin)
        self.whole = self._holder.getbuffer()
        if not empty:
            self.part(first, first + len(before))[:] = before

    def data(self) -> bytes:
        """What was read; the end of the room."""
        first, size = self._offset - self._begin, self._size
        if first:
            self.whole[:size] = self.whole[first : first + size]
        wider = len(self.whole) > size
        self.whole.release()
        if wider:
            try:
                self._holder.truncate(size)
            except BufferError:  # an attempt failed, and whoever remembers the failure (a log) has what it was to fill
                with self._holder.getbuffer() as whole:
                    return bytes(whole[:size])
        return self._holder.getvalue()
