"""Writers that have to know all that is written before they can begin."""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from typing import IO, Any, Iterator, Optional

from alluxiofs.interfaces import Writer

__all__ = ["SpoolingWriter", "blocks"]

_IN_MEMORY = 16 * 1024 * 1024
_BLOCK = 4 * 1024 * 1024


class SpoolingWriter(Writer):
    """Collects what is written, and hands all of it on at commit.

    16 MiB are held in memory; what is more goes to a temporary file that only its owner can open. It has no name where
    the system can do without one, and is gone with the process, however that ends.

    Parameters
    ----------
    name:
        Of the file, for the messages of errors.
    folder:
        Where the temporary file is; the system's own folder for such if it is not given.
    """

    def __init__(self, name: str, folder: Optional[str] = None) -> None:
        self._name = name
        self._folder = folder
        self._spool: Optional[IO[bytes]] = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=folder)  # noqa: SIM115 closed by commit or abort
        self._size = 0

    def write(self, data: memoryview) -> None:
        if self._spool is None:
            raise ValueError("write to a file that was committed or given up")
        try:
            self._spool.write(data)
        except OSError as error:
            folder = self._folder or tempfile.gettempdir()
            message = f"{error.strerror or error}: what is to be appended is collected in {folder!r}"
            raise OSError(error.errno, message, self._name) from error
        self._size += data.nbytes

    def commit(self) -> None:
        spool, self._spool = self._spool, None
        if spool is None:
            raise ValueError("a file can be committed once")
        with spool:
            self._finish(spool)

    def abort(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()

    @abstractmethod
    def _finish(self, spool: IO[bytes]) -> None:
        """Make the file what it is to be; an error leaves it as it was."""


def blocks(spool: IO[Any]) -> Iterator[memoryview]:
    """All that was collected, from its start, however often it was read before."""
    spool.seek(0, os.SEEK_SET)
    while True:
        block = spool.read(_BLOCK)
        if not block:
            return
        yield memoryview(block)
