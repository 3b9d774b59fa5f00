"""Memory that is filled in place, and then is a ``bytes`` object."""

from __future__ import annotations

import io
from contextlib import suppress

__all__ = ["NewBytes"]


class NewBytes(io.BytesIO):
    """A ``bytes`` object to be: what ``getbuffer()`` gives is filled, ``getvalue()`` is that without a copy.

    Parameters
    ----------
    size:
        Bytes; zeros until they are filled.
    """

    def __init__(self, size: int) -> None:
        super().__init__(bytes(size))

    def close(self) -> None:
        """Nothing needs it. A garbage collection calls it, of what a read that failed has left: where it comes before
        the views of the memory that are collected as well, Python 3.13 would tell the user of an error."""
        with suppress(BufferError):
            super().close()
