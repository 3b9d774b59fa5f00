"""Where a reader gets its bytes.

A source has two ways in, ``random`` and ``sequential``, and both again as ``…_into`` a buffer. The reader takes the
sequential one when a read begins where the last one ended. All of them take an offset, give exactly the bytes that are
there, fewer only at the end of the file, and may be called from several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile

__all__ = ["Source"]


class Source:
    """Reads what is asked for and no more.

    Its ways in are attributes, so that a reader calls the open file itself and nothing in between. What a class has as
    a method of its own is not bound to an instance in the instance: files would be garbage in circles, which stays
    until the collector comes by, and has it come by.
    """

    random: Callable[[int, int], bytes]
    sequential: Callable[[int, int], bytes]
    random_into: Callable[[int, memoryview], int]
    sequential_into: Callable[[int, memoryview], int]

    def __init__(self, opened: OpenFile) -> None:
        self.random = self.sequential = opened.read
        self.random_into = self.sequential_into = opened.read_into

    def close(self) -> None:
        """Give back what is held."""
