"""A file that is open for writing: it appears whole, or not at all."""

from __future__ import annotations

import errno
import io
import os
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Optional, Union

from alluxiofs.errors import exists
from alluxiofs.file import AlluxioFile
from alluxiofs.fileobjects.leaving import left_by_exception
from alluxiofs.logs import fields
from alluxiofs.settings import hidden_text

if TYPE_CHECKING:
    from types import TracebackType

    from alluxiofs.filesystem import AlluxioFileSystem
    from alluxiofs.interfaces import Location, Writer

__all__ = ["FileWriter"]

_NEAR = 64 * 2**10  # bytes from which on a call of the operating system costs less than a copy

_DROPPED = "%r was opened for writing and %s: nothing of it was written; use `with`, or close it"


class FileWriter(AlluxioFile):
    """Writes a file anew, or to its end.

    What was written appears at :meth:`close`, or at :meth:`commit` where that was asked for, and is in the under store
    when the call returns. It never appears after a write failed, after a ``with`` block was left by an exception, or
    when the file was dropped without being closed.

    Parameters
    ----------
    fs, location:
        Where.
    mode:
        ``"wb"`` anew, ``"ab"`` to the end, ``"xb"`` anew where nothing is.
    block_size:
        Bytes that are collected before they are handed to the under store's writer. Unless told, a store on this
        machine gets them as they come, but for small pieces.
    autocommit:
        ``False``: closing does not make the file appear, :meth:`commit` does.
    size_hint:
        Bytes that will come, where known.
    """

    _writer: Optional[Writer] = None  # until there is one, and again when it has ended

    def __init__(
        self,
        fs: AlluxioFileSystem,
        location: Location,
        mode: str,
        block_size: Optional[Union[int, str]] = None,
        autocommit: bool = True,
        size_hint: Optional[int] = None,
    ) -> None:
        super().__init__(fs, location, mode, block_size)
        self.autocommit = autocommit
        self._process = os.getpid()
        self._failure: Optional[BaseException] = None
        self._committed = False
        self._collected = bytearray()
        gateway = fs.gateway
        self._enough = min(self.blocksize, _NEAR) if block_size is None and gateway.near(location) else self.blocksize
        if mode == "ab":
            self.loc = _length(fs, location)
            self._writer = gateway.append(location)
            return
        if mode == "xb" and fs.exists(self.path, refresh=True):
            raise exists(hidden_text(self.path))
        self._writer = gateway.create(location, exclusive=mode == "xb", size_hint=size_hint)

    # --- writing ----------------------------------------------------------------------------------------------

    def write(self, data: Any) -> int:
        """Take bytes, or anything that has them. Returns how many, which is all of them."""
        self._check_open()
        with memoryview(data) as given:
            count = given.nbytes
            if count == 0:
                return 0
            # What is not in one piece in memory has to be made so first.
            with given.cast("B") if given.c_contiguous else memoryview(given.tobytes()) as view:
                if len(self._collected) + count > self._enough:
                    self._hand_on_collected()
                if count >= self._enough:
                    self._hand_on(view)
                else:
                    self._collected += view
        self.loc += count
        return count

    def flush(self) -> None:
        """Nothing: a file appears whole, not bit by bit."""
        self._check_open()

    def _hand_on_collected(self) -> None:
        if self._collected:
            collected, self._collected = self._collected, bytearray()
            with memoryview(collected) as view:
                self._hand_on(view)

    def _hand_on(self, view: memoryview) -> None:
        if self._failure is not None or self._writer is None or self._is_the_parents:
            self._refuse()
        try:
            self._writer.write(view)
        except BaseException as error:
            self._failure = error
            self._give_up()
            raise

    # --- how it ends ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the writing; the file appears, unless :attr:`autocommit` is off. May be called twice."""
        if self.closed:
            return
        if left_by_exception(self):
            self.discard()
        else:
            self._end()

    def _end(self) -> None:
        try:
            if self.autocommit:
                self.commit()
            else:
                self._hand_on_collected()
                if self._failure is not None:
                    self._refuse()
        finally:
            super().close()

    def commit(self) -> None:
        """Make the file what was written, and close it.

        Raises
        ------
        ValueError
            If it was discarded.
        OSError
            If it cannot be; the old file is as it was.
        """
        if self._committed:
            return
        self._hand_on_collected()
        if self._writer is None or self._failure is not None or self._is_the_parents:
            self._refuse()
        try:
            self._writer.commit()
        except BaseException as error:
            self._failure = error
            self._give_up()
            raise
        finally:
            super().close()
        self._committed = True
        self._writer = None

    def discard(self) -> None:
        """Give up what was written, and close; the old file is as it was. After :meth:`commit` this does nothing."""
        self._give_up()
        super().close()

    def deferred(self) -> Deferred:
        """What a transaction keeps of this file."""
        return Deferred(self)

    @property
    def given_up(self) -> bool:
        """Whether nothing of it will ever appear."""
        return self._writer is None and not self._committed

    @property
    def _is_the_parents(self) -> bool:
        """Whether this is a forked child's copy of a file that its parent writes, and alone may end."""
        return self._process != os.getpid()

    def _give_up(self) -> None:
        writer, self._writer = self._writer, None
        self._collected = bytearray()
        if writer is not None and not self._is_the_parents:
            writer.abort()

    def _refuse(self) -> NoReturn:
        if self._failure is not None:
            raise OSError(
                errno.EIO, f"nothing was written, for an earlier write failed ({self._failure})", hidden_text(self.path)
            ) from self._failure
        if self._is_the_parents:
            raise ValueError(f"{hidden_text(self.path)!r} was opened by the parent process, which alone can write it")
        raise ValueError(f"{hidden_text(self.path)!r} was discarded: nothing of it can be written")

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is None:
            self._end()
        else:
            self.discard()

    def dropped(self, source: Any) -> None:
        """Give up, for nobody holds ``source`` (this file, or what it is wrapped in) any more, and nobody closed it."""
        if self._writer is None or self._is_the_parents:
            return
        omitted = "neither committed nor discarded" if self.closed else "never closed"
        with suppress(Exception):
            self.discard()
        with suppress(Exception):  # the interpreter may be at its end, and whoever logs with it
            about = fields(operation="write", path=self.location.url)
            self.fs.gateway.logger.warning(_DROPPED, hidden_text(self.path), omitted, extra=about)
        warnings.warn(f"{source!r} was {omitted}: nothing of it was written", ResourceWarning, stacklevel=3)

    # What TextIOWrapper tells its buffer when it is dropped itself, before it closes the buffer.
    _dealloc_warn = dropped

    def __del__(self) -> None:
        self.dropped(self)

    # --- what it cannot ---------------------------------------------------------------------------------------

    def writable(self) -> bool:
        """``True`` until it is closed."""
        return not self.closed

    def read(self, size: Optional[int] = -1) -> bytes:
        """Not for a file that is written: ``io.UnsupportedOperation``."""
        raise self._cannot("read")

    def readline(self, size: Optional[int] = -1) -> bytes:
        """Not for a file that is written: ``io.UnsupportedOperation``."""
        raise self._cannot("read")

    def readinto(self, buffer: Any) -> int:
        """Not for a file that is written: ``io.UnsupportedOperation``."""
        raise self._cannot("read")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Not for a file that is written: ``io.UnsupportedOperation``."""
        raise self._cannot("seek")

    def info(self) -> NoReturn:
        """Not for a file that is written: ``io.UnsupportedOperation``."""
        raise self._cannot("tell about")

    def _cannot(self, what: str) -> io.UnsupportedOperation:
        self._check_open()
        return io.UnsupportedOperation(
            f"cannot {what} {hidden_text(self.path)!r}: it is open for writing ({self.mode})"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {hidden_text(self.path)!r}: it is open for writing ({self.mode})")


class Deferred:
    """A file of a transaction. One that was given up by itself (its ``with`` block failed, and the caller went on) is
    left out when the others are committed."""

    def __init__(self, file: FileWriter) -> None:
        self._file = file

    def commit(self) -> None:
        """Make the file appear."""
        if not self._file.given_up:
            self._file.commit()

    def discard(self) -> None:
        """Give it up."""
        self._file.discard()


def _length(fs: AlluxioFileSystem, location: Location) -> int:
    try:
        return fs.gateway.stat(location, refresh=True).size or 0
    except FileNotFoundError:
        return 0
