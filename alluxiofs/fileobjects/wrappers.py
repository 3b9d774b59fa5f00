"""Text and compression around an open file, which still ends as the file itself would."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple

from fsspec.compression import compr
from fsspec.core import get_compression

from alluxiofs.file import AlluxioFile
from alluxiofs.fileobjects.writer import FileWriter
from alluxiofs.settings import hidden_text

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["CompressedFile", "TextFile", "in_text", "with_compression"]


class TextFile(io.TextIOWrapper):
    """Text over an open file. A ``with`` block that is left by an exception leaves the old file."""

    _file: AlluxioFile
    _arguments: Tuple[Optional[str], Optional[str], Optional[str]]

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is not None:
            _discard(self._file)
            with suppress(ValueError):  # what is still held in here has nowhere to go
                self.close()
        else:
            self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        return _text_at, (self.buffer, self._file, self._arguments, self.tell())

    def __reduce_ex__(self, protocol: Any) -> Tuple[Any, ...]:
        return self.__reduce__()  # from Python 3.13 on the inherited one refuses, and asks nobody

    def __del__(self) -> None:
        # In the place of Python's own, which would write what is still held in here: the file is given up, or closed,
        # when nobody holds it any more, either.
        try:
            unclosed = not self.closed
        except ValueError:  # it was never made whole, or is detached from a file that somebody else has
            return
        if unclosed and isinstance(self._file, FileWriter):
            self._file.dropped(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {hidden_text(self._file.path)!r} {self._file.mode} encoding={self.encoding!r}>"


class CompressedFile(io.BufferedIOBase):
    """A codec over an open file. Unlike the codecs themselves it closes the file, too, and gives it up when a ``with``
    block is left by an exception."""

    def __init__(self, codec: Callable[..., Any], file: AlluxioFile) -> None:
        self._file = file
        self._outlet = _Outlet(file)
        self._codec = codec(file, mode="r") if file.mode == "rb" else codec(self._outlet, mode="w")
        self.path = file.path
        self.name = file.path
        self.mode = file.mode

    def readable(self) -> bool:
        """Whether the file is read."""
        return not self.closed and self._file.readable()

    def writable(self) -> bool:
        """Whether the file is written."""
        return not self.closed and self._file.writable()

    def seekable(self) -> bool:
        """Whether the codec can go to another place."""
        return not self.closed and bool(self._codec.seekable())

    def read(self, size: Optional[int] = -1) -> bytes:
        """Bytes out of the codec."""
        data: bytes = self._codec.read(-1 if size is None else size)
        return data

    def read1(self, size: Optional[int] = -1) -> bytes:
        """Bytes out of the codec."""
        return self.read(io.DEFAULT_BUFFER_SIZE if size is None or size < 0 else size)

    def readline(self, size: Optional[int] = -1) -> bytes:
        """A line out of the codec."""
        line: bytes = self._codec.readline(-1 if size is None else size)
        return line

    def write(self, data: Any) -> int:
        """Bytes into the codec."""
        count: int = self._codec.write(data)
        return count

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to another place, where the codec can."""
        position: int = self._codec.seek(offset, whence)
        return position

    def tell(self) -> int:
        """The position in what is not compressed."""
        position: int = self._codec.tell()
        return position

    def close(self) -> None:
        """End the codec's stream and close the file."""
        if self.closed:
            return
        try:
            self._end_codec()
        except BaseException:
            _discard(self._file)
            raise
        else:
            self._file.close()
        finally:
            super().close()

    def discard(self) -> None:
        """Give up what was written, and close."""
        _discard(self._file)
        with suppress(Exception):  # the codec's last bytes have nowhere to go
            self._end_codec()
        super().close()

    def _end_codec(self) -> None:
        self._outlet.ending = True
        self._codec.close()
        if self._outlet.failure is not None:
            raise self._outlet.failure

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _dealloc_warn(self, source: Any) -> None:
        if isinstance(self._file, FileWriter):
            self._file.dropped(source)

    def __del__(self) -> None:
        if not self.closed:
            self._dealloc_warn(self)
            self.discard()


class _Outlet(io.BufferedIOBase):
    """What a codec writes to: the file, but that codecs can always come to their end.

    A codec that cannot write its last bytes (the file failed, or was given up) would hold on to them, and try again
    when it is dropped, where nobody catches the error.
    """

    def __init__(self, file: AlluxioFile) -> None:
        self._file = file
        self.name = file.path
        self.mode = file.mode
        self.ending = False
        self.failure: Optional[Exception] = None  # of a write while ending
        self._position = file.loc

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Hand on to the file."""
        if self.failure is None:
            try:
                self._file.write(data)
            except Exception as error:
                if not self.ending:
                    raise
                self.failure = error
        count = memoryview(data).nbytes
        self._position += count
        return count

    def tell(self) -> int:
        """The position, in bytes, were there a file still."""
        return self._position


def with_compression(file: AlluxioFile, compression: Optional[str]) -> Any:
    """The file behind a codec of fsspec's; ``"infer"`` goes by the file's name, ``None`` is the file itself."""
    try:
        codec = get_compression(file.path, compression)
        if codec is None:
            return file
        return CompressedFile(compr[codec], file)
    except BaseException:
        _discard(file)
        raise


def in_text(
    buffer: Any,
    file: AlluxioFile,
    encoding: Optional[str] = None,
    errors: Optional[str] = None,
    newline: Optional[str] = None,
) -> TextFile:
    """Text over ``buffer``, which is ``file`` or has it behind a codec; the rest is as in Python's ``open``."""
    try:
        text = TextFile(buffer, encoding, errors, newline)
    except BaseException:
        _discard(file)
        raise
    text._file = file
    text._arguments = (encoding, errors, newline)
    return text


def _discard(file: AlluxioFile) -> None:
    if isinstance(file, FileWriter):
        file.discard()
    else:
        file.close()


def _text_at(buffer: Any, file: AlluxioFile, arguments: Tuple[Any, Any, Any], cookie: int) -> TextFile:
    text = in_text(buffer, file, *arguments)
    text.seek(cookie)
    return text
