"""Writers that have to know all that is written before they can begin."""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from typing import IO, Iterator, Optional

from alluxiofs.interfaces import Writer

__all__ = ["Spool", "SpoolingWriter"]

_IN_MEMORY = 16 * 1024 * 1024
_BLOCK = 4 * 1024 * 1024


class Spool:
    """Bytes that are collected: 16 MiB in memory, all of them in a temporary file as soon as they are more.

    Only its owner can open that file. It has no name where the system can do without one, and is gone with the process,
    however that ends. Nothing is buffered before it: a forked child would write its copy of the buffer, too.

    Parameters
    ----------
    folder:
        Where the temporary file is; the system's own folder for such if it is not given.
    """

    def __init__(self, folder: Optional[str] = None) -> None:
        self.folder = folder or tempfile.gettempdir()
        self.size = 0
        self._memory = bytearray()
        self._file: Optional[IO[bytes]] = None

    def write(self, data: memoryview) -> None:
        """Take bytes."""
        if self._file is None and self.size + data.nbytes <= _IN_MEMORY:
            self._memory += data
        else:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=self.folder)  # noqa: SIM115 closed by close
                self._append(memoryview(self._memory))
                self._memory = bytearray()
            self._append(data.cast("B") if data.nbytes else data)
        self.size += data.nbytes

    def _append(self, view: memoryview) -> None:
        while view and self._file is not None:
            view = view[self._file.write(view) :]

    def blocks(self) -> Iterator[memoryview]:
        """All that was collected, from its start, however often it was read before."""
        if self._file is None:
            if self._memory:
                yield memoryview(self._memory)
            return
        self._file.seek(0, os.SEEK_SET)
        left = self.size
        while left:
            block = self._file.read(min(left, _BLOCK))
            if not block:
                raise OSError(f"{left} of {self.size} bytes that were collected in {self.folder!r} are gone")
            left -= len(block)
            yield memoryview(block)

    def close(self) -> None:
        """Give up what was collected."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


class SpoolingWriter(Writer):
    """Collects what is written, and hands all of it on at commit.

    Parameters
    ----------
    name:
        Of the file, for the messages of errors.
    folder:
        Where to collect what memory is too small for; the system's own folder for such if it is not given.
    """

    def __init__(self, name: str, folder: Optional[str] = None) -> None:
        self._name = name
        self._spool: Optional[Spool] = Spool(folder)

    def write(self, data: memoryview) -> None:
        if self._spool is None:
            raise ValueError("write to a file that was committed or given up")
        try:
            self._spool.write(data)
        except OSError as error:
            message = f"{error.strerror or error}: what is to be appended is collected in {self._spool.folder!r}"
            raise OSError(error.errno, message, self._name) from error

    def commit(self) -> None:
        spool, self._spool = self._spool, None
        if spool is None:
            raise ValueError("a file can be committed once")
        try:
            self._finish(spool)
        finally:
            spool.close()

    def abort(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()

    @abstractmethod
    def _finish(self, spool: Spool) -> None:
        """Make the file what it is to be; an error leaves it as it was."""
