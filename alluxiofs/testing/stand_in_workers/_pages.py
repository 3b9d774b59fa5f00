"""The pages that one worker holds: copies, which stay as they are whatever becomes of the under store's file."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from typing import BinaryIO, Dict, List, NamedTuple, Optional, Tuple

__all__ = ["Kept", "Pages"]

_CHUNK = 1 << 20


class Kept(NamedTuple):
    """Where the bytes of a page are in the worker's file."""

    start: int
    length: int


class Pages:
    """Pages by file id and index, one after the other in a file that has no name and goes with the worker.

    Whatever still wants to read or keep something of a worker that is closed gets an ``OSError``.
    """

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # held for moments: closing does not wait for a file that is loaded
        self._file = tempfile.TemporaryFile(prefix="stand-in-worker-")  # noqa: SIM115 - it lives as long as the worker
        self._end = 0
        self._pages: Dict[Tuple[str, int], Kept] = {}
        self._wholes: Dict[str, Kept] = {}

    @property
    def descriptor(self) -> int:
        try:
            return self._file.fileno()
        except ValueError as error:
            raise OSError(errno.ESHUTDOWN, "the stand-in worker was stopped") from error

    def get(self, file: str, index: int) -> Optional[Kept]:
        return self._pages.get((file, index))

    def read(self, start: int, length: int) -> bytes:
        return os.pread(self.descriptor, length, start)

    def whole(self, file: str) -> Optional[Kept]:
        """Where a file is, all of it in one piece, if it was loaded."""
        return self._wholes.get(file)

    def count(self, file: Optional[str] = None) -> int:
        """How many pages are kept, of one file or of all."""
        return len(self._pages) if file is None else sum(one == file for one, _ in list(self._pages))

    def put(self, file: str, index: int, data: bytes) -> None:
        """Keep a page; one that is there stays."""
        with self._lock:
            if (file, index) not in self._pages:
                self._write(data, self._end)
                self._pages[file, index] = Kept(self._end, len(data))
                self._end += len(data)

    def load(self, file: str, source: BinaryIO) -> Tuple[int, int]:
        """Keep all pages of a file that are not there yet.

        Returns
        -------
        tuple of int
            The bytes of the file, and how many of them were kept already.
        """
        with self._lock:
            begin, index, kept = self._end, 0, 0
            while True:
                start = self._end
                length = self._copy(source, start)
                self._end += length
                if length and (file, index) in self._pages:
                    kept += length
                elif length:
                    self._pages[file, index] = Kept(start, length)
                if length < self.page_size:
                    self._wholes.setdefault(file, Kept(begin, self._end - begin))
                    return self._end - begin, kept
                index += 1

    def drop(self, file: Optional[str] = None) -> None:
        """Keep nothing of a file any more, or nothing at all."""
        with self._lock:
            gone: List[Tuple[str, int]] = [one for one in self._pages if file in (None, one[0])]
            for one in gone:
                del self._pages[one]
            for known in [one for one in self._wholes if file in (None, one)]:
                del self._wholes[known]

    def close(self) -> None:
        with self._writing:
            self._file.close()

    def _copy(self, source: BinaryIO, start: int) -> int:
        copied = 0
        while copied < self.page_size:
            data = source.read(min(_CHUNK, self.page_size - copied))
            if not data:
                break
            self._write(data, start + copied)
            copied += len(data)
        return copied

    def _write(self, data: bytes, at: int) -> None:
        with self._writing:  # or the number of a file that is closed meanwhile may be that of another one
            os.pwrite(self.descriptor, data, at)
