"""A file that is open for reading, at one version."""

from __future__ import annotations

import functools
import sys
from operator import index
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple, Union

from alluxiofs.errors import ConfigurationError
from alluxiofs.file import AlluxioFile, closed_error
from alluxiofs.fileobjects.source import Source
from alluxiofs.fileobjects.sources import CacheSource, source_for

if TYPE_CHECKING:
    from alluxiofs.filesystem import AlluxioFileSystem
    from alluxiofs.gateway import OpenFile
    from alluxiofs.interfaces import Version

__all__ = ["FileReader"]

_LINES = 128 * 2**10  # bytes that are looked through for lines at a time


class FileReader(AlluxioFile):
    """Reads one version of a file.

    Every read gives exactly what was asked for, or what there is up to the end of the file. :meth:`pread` is for many
    threads at once; the others move the position, which threads would have to share.

    Parameters
    ----------
    fs, opened:
        The filesystem, and the file as the gateway opened it.
    block_size, cache_type, cache_options:
        As ``fs.open`` takes them.
    """

    def __init__(
        self,
        fs: AlluxioFileSystem,
        opened: OpenFile,
        block_size: Optional[Union[int, str]] = None,
        cache_type: Optional[str] = None,
        cache_options: Optional[Dict[str, Any]] = None,
    ) -> None:
        super().__init__(fs, opened.location, "rb", block_size)
        self._file = opened
        self._asked = (block_size, cache_type, cache_options)
        # Most files are read by one call, or here and there: what reads ahead is made when one is read on.
        self._source: Optional[Source] = None
        self._random: Callable[[int, int], bytes] = opened.read
        self._random_into: Callable[[int, memoryview], int] = opened.read_into
        if cache_type is not None or cache_options:
            self._start()
        opened.hold(self)
        # A read that begins here goes on where the last one ended. The first read of a file does not.
        self._next = -1
        # Where the bytes begin that lines are looked for in, and the bytes.
        self._lines: Tuple[int, bytes] = (0, b"")

    # --- reading ----------------------------------------------------------------------------------------------

    def read(self, size: Optional[int] = -1) -> bytes:
        """Bytes from the position on: so many, or, for a negative number or ``None``, all that follow."""
        begin = self.loc
        if size is None or size < 0:
            size = sys.maxsize  # and not the size, which nobody may rely on until it is asked for
        if begin == self._next:
            data = (self._source or self._start()).sequential(begin, size)
        else:
            data = self._random(begin, size)
        self.loc = self._next = begin + len(data)
        return data

    def read1(self, size: Optional[int] = -1) -> bytes:
        """As :meth:`read`, but of all that follows only a piece."""
        return self.read(_LINES if size is None or size < 0 else size)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the position on, with nothing in between. Returns the bytes filled, fewer than its length
        only at the end of the file."""
        self._check_open()
        begin = self.loc
        into = (self._source or self._start()).sequential_into if begin == self._next else self._random_into
        with memoryview(buffer) as given, given.cast("B") as view:
            filled = into(begin, view)
        self.loc = self._next = begin + filled
        return filled

    readinto1 = readinto

    def pread(self, offset: int, size: int = -1) -> bytes:
        """Bytes from an offset on; the position stays where it is. Any number of threads may call this at once.

        Parameters
        ----------
        offset:
            Bytes from the beginning of the file.
        size:
            How many bytes; for a negative number all that follow.
        """
        if self.closed:
            raise closed_error(self.path)
        if offset < 0:
            raise ConfigurationError(f"offset must not be negative, and is {offset}")
        return self._file.read(offset, max(0, self.size - offset) if size < 0 else size)

    def readline(self, size: Optional[int] = -1) -> bytes:
        """Bytes up to and with the next ``\\n``, or the end of the file; at most ``size`` where it is not negative."""
        start, data = self._lines
        at = self.loc - start
        if at >= 0 and (size is None or size < 0):
            stop = data.find(b"\n", at) + 1
            if stop:
                self.loc = self._next = start + stop
                return data[at:stop]
        return self._line_by_pieces(sys.maxsize if size is None or size < 0 else size)

    def _line_by_pieces(self, most: int) -> bytes:
        self._check_open()
        pieces = []
        position = self.loc
        while most > 0:
            start, data = self._lines
            at = position - start
            if not 0 <= at < len(data):
                follows = position == self._next or (data and at == len(data))
                read = (self._source or self._start()).sequential if follows else self._random
                data = read(position, _LINES)
                self._lines, at = (position, data), 0
                if not data:
                    break
            stop = data.find(b"\n", at, at + most) + 1 or min(len(data), at + most)
            pieces.append(data[at:stop])
            position += stop - at
            most -= stop - at
            if data[stop - 1] == 10:
                break
        self.loc = self._next = position
        return b"".join(pieces)

    def _start(self) -> Source:
        """Begin to read ahead, or whatever the user asked for."""
        self._check_open()
        block_size, cache_type, cache_options = self._asked
        source = source_for(self._file, self.blocksize, block_size is not None, cache_type, cache_options)
        if isinstance(source, CacheSource):
            self.cache = source.cache
        self._source, self._random, self._random_into = source, source.random, source.random_into
        return source

    # --- the position -----------------------------------------------------------------------------------------

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position, which may be beyond the end of the file.

        Parameters
        ----------
        offset:
            Bytes.
        whence:
            From 0: the beginning, 1: the position, 2: the end.

        Raises
        ------
        ValueError
            For a place before the beginning.
        """
        if self.closed:  # not by the method for it: readers of small pieces seek before each of them
            raise closed_error(self.path)
        offset = index(offset)
        if whence == 0:
            position = offset
        elif whence == 1:
            position = self.loc + offset
        elif whence == 2:
            position = self.size + offset
        else:
            raise ValueError(f"whence is 0, 1 or 2, not {whence!r}")
        if position < 0:
            raise ValueError(f"cannot seek before the beginning of a file: to {position}")
        self.loc = position
        return position

    def readable(self) -> bool:
        """``True`` until it is closed."""
        return not self.closed

    def seekable(self) -> bool:
        """``True`` until it is closed."""
        return not self.closed

    # --- about the file ---------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return self._file.size

    @property
    def details(self) -> Dict[str, Any]:
        """What ``fs.info`` said of the version that is read."""
        return self.fs._info_of(self.location, self._file.entry)

    def info(self) -> Dict[str, Any]:
        """The same as :attr:`details`."""
        return self.details

    # --- life -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Give back what is held. May be called twice."""
        if self.closed:
            return
        super().close()
        self._file.let_go(self)
        source, self._source = self._source, None
        if source is not None:
            source.close()
        self._lines = (0, b"")
        self._next = -1
        self._random = functools.partial(_refuse, self.path)

    def __del__(self) -> None:
        if hasattr(self, "_lines"):  # else it was refused before it held anything
            self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        self._check_open()
        return _reopened, (self.fs, self.path, self._file.version, self.loc, *self._asked)


def _refuse(path: str, *_: Any) -> bytes:
    raise closed_error(path)


def _reopened(
    fs: AlluxioFileSystem,
    path: str,
    version: Version,
    position: int,
    block_size: Optional[Union[int, str]],
    cache_type: Optional[str],
    cache_options: Optional[Dict[str, Any]],
) -> FileReader:
    """A pickled reader at its place and version; ``FileChangedError`` if the file is another by now."""
    opened = fs.gateway.reopen(fs._locate(path), version)
    file = FileReader(fs, opened, block_size, cache_type, cache_options)
    file.seek(position)
    return file
