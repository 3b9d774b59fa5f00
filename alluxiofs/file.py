"""Open files, as users see them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Optional, Union

from alluxiofs.errors import ConfigurationError
from alluxiofs.settings import hidden_text

if TYPE_CHECKING:
    from alluxiofs.filesystem import AlluxioFileSystem
    from alluxiofs.interfaces import Location

__all__ = ["AlluxioFile", "closed_error"]


class AlluxioFile(io.BufferedIOBase):
    """A file of an :class:`~alluxiofs.filesystem.AlluxioFileSystem`, open for reading or for writing.

    ``fs.open`` makes one: a :class:`~alluxiofs.fileobjects.reader.FileReader` or a
    :class:`~alluxiofs.fileobjects.writer.FileWriter`.

    Attributes
    ----------
    fs, path, mode:
        Where it is, and what it is open for.
    blocksize:
        Bytes that are fetched at least when it is read from front to back, or written at a time.
    loc:
        The position, in bytes.
    """

    def __init__(
        self, fs: AlluxioFileSystem, location: Location, mode: str, block_size: Optional[Union[int, str]]
    ) -> None:
        self.fs = fs
        self.location = location
        self.path: str = fs.gateway.locations.path_of(location)
        self.mode = mode
        self.blocksize: int = fs.blocksize if block_size is None else _block_size(block_size)
        self.loc = 0

    @property
    def name(self) -> str:
        """The path; what libraries look for in a file."""
        return self.path

    @property
    def full_name(self) -> str:
        """The URL that leads to the file through this filesystem."""
        return self.fs.unstrip_protocol(self.path)

    def tell(self) -> int:
        """The position, in bytes."""
        self._check_open()
        return self.loc

    def _check_open(self) -> None:
        if self.closed:
            raise closed_error(self.path)

    def __repr__(self) -> str:
        state = "closed " if self.closed else ""
        return f"<{state}{type(self).__name__} {hidden_text(self.path)!r} {self.mode}>"


def closed_error(path: str) -> ValueError:
    """What whoever uses a closed file gets."""
    return ValueError(f"I/O operation on closed file {hidden_text(path)!r}")


def _block_size(given: Union[int, str]) -> int:
    from alluxiofs.settings import Size
    from alluxiofs.settings.conversion import convert

    size: int = convert(given, Size, "block_size")
    if size < 1:
        raise ConfigurationError(f"block_size must be at least 1 byte, and is {size}")
    return int(size)
