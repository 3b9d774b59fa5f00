"""The fsspec filesystem: what users construct, under the names ``alluxiofs`` and ``alluxio``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Dict, Optional, Type, Union

from alluxiofs.errors import ConfigurationError, UnknownSettingError, nearest
from alluxiofs.file import AlluxioFile
from alluxiofs.operations.base import PROTOCOLS, Path
from alluxiofs.operations.elsewhere import of_open_argument
from alluxiofs.operations.transaction import AllOrNone
from alluxiofs.operations.transfer import Transfer
from alluxiofs.operations.travelling import Travelling

if TYPE_CHECKING:
    from alluxiofs.fileobjects.reader import FileReader

__all__ = ["AlluxioFileSystem"]

_MODES = {"r": "rb", "w": "wb", "a": "ab", "x": "xb"}
_FOR_TEXT = ("encoding", "errors", "newline")
_OPEN_ARGUMENTS = ("cache_type", "refresh", "size", "size_hint", *_FOR_TEXT)
_ALL_OPEN_ARGUMENTS = ("mode", "block_size", "autocommit", "cache_options", "compression", *_OPEN_ARGUMENTS)


class AlluxioFileSystem(Travelling, Transfer):
    """Reads and writes a user's storage through a cache: Alluxio workers, or pages kept on this machine.

    ``fsspec.filesystem("alluxiofs", target_protocol="s3", …)`` makes one. Paths are the storage's own (``bucket/key``),
    its URLs (``s3://bucket/key``), or either behind ``alluxiofs://``; all name the same file.

    Parameters
    ----------
    fo:
        The path of a chained URL, as fsspec passes it; it has no meaning here.
    arguments:
        All that ``docs/`` lists: ``target_protocol``, ``target_options``, ``worker_hosts``, ``page_store`` … fsspec's
        configuration, ``FSSPEC_ALLUXIOFS_*`` variables among it, gives defaults. Nothing connects before the first
        operation.

    Raises
    ------
    ConfigurationError
        For an argument that is not known, or has a value that cannot be used; it is a ``ValueError``, and where it
        fits a ``TypeError`` or ``LookupError``.
    MissingExtraError
        If something that was asked for needs a package that is not installed; it is an ``ImportError``.
    """

    protocol = PROTOCOLS
    transaction_type = AllOrNone

    def open(
        self,
        path: Path,
        mode: str = "rb",
        block_size: Optional[Union[int, str]] = None,
        autocommit: bool = True,
        cache_options: Optional[Dict[str, Any]] = None,
        compression: Optional[str] = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file.

        Parameters
        ----------
        path:
            In any spelling; taken as it is, wildcards and all.
        mode:
            ``r``, ``w``, ``a`` or ``x``, with ``b`` for bytes; without it, or with ``t``, text.
        block_size:
            Bytes that are fetched at least when a file is read from front to back, and that are written at a time; or
            text such as ``"1MB"``.
        autocommit:
            ``False``: what is written appears at ``commit()``, or never, after ``discard()``. In a transaction, always.
        cache_options:
            ``{"readahead": bytes}``: how much to fetch at least when a file is read from front to back, in the place of
            ``block_size``; ``None`` fetches what is asked for and no more. With ``cache_type``: that cache's options.
        compression:
            A codec's name in fsspec, or ``"infer"`` to go by the file's name.
        encoding, errors, newline:
            For text, as in Python's ``open``.
        cache_type:
            One of fsspec's caches, in the place of what this filesystem does by itself.
        refresh:
            See which version is there now.
        size_hint:
            Bytes that will be written, where known.

        Returns
        -------
        AlluxioFile
            For bytes. A ``with`` block that is left by an exception leaves the old file, whatever was written.

        Raises
        ------
        OSError
            ``FileNotFoundError``, ``IsADirectoryError``, ``PermissionError``; ``FileExistsError`` for ``x``.
        """
        if mode == "rb" and compression is None and not kwargs:  # most files are opened so
            return self._open(path, mode, block_size, autocommit, cache_options)
        for name in kwargs:
            if name not in _OPEN_ARGUMENTS:
                elsewhere = of_open_argument(name)
                hint = f"; {elsewhere}" if elsewhere else nearest(name, _ALL_OPEN_ARGUMENTS)
                raise UnknownSettingError(f"open() has no argument {name!r}{hint}")
        text = {name: kwargs.pop(name) for name in _FOR_TEXT if name in kwargs}
        binary = _binary_mode(mode)
        if "b" in mode and text:
            raise ConfigurationError(f"{', '.join(text)} only makes sense for text, and mode is {mode!r}")
        file = self._open(path, binary, block_size, autocommit, cache_options, **kwargs)
        if compression is None and "b" in mode:
            return file
        from alluxiofs.fileobjects.wrappers import in_text, with_compression

        wrapped = with_compression(file, compression)
        return wrapped if "b" in mode else in_text(wrapped, file, **text)

    def _open(
        self,
        path: Path,
        mode: str = "rb",
        block_size: Optional[Union[int, str]] = None,
        autocommit: bool = True,
        cache_options: Optional[Dict[str, Any]] = None,
        cache_type: Optional[str] = None,
        refresh: bool = False,
        size: Optional[int] = None,
        size_hint: Optional[int] = None,
    ) -> AlluxioFile:
        location = self._locate(path)
        if mode == "rb":
            opened = self.gateway.open_to_read(location, refresh=refresh)
            return _reader()(self, opened, block_size, cache_type, cache_options)
        # What files are made of is imported with the first of them, for whoever imports fsspec's class pays for it.
        from alluxiofs.fileobjects.writer import FileWriter

        deferred = not autocommit or self._intrans
        file = FileWriter(self, location, mode, block_size, not deferred, size_hint)
        if self._intrans:
            self.transaction.files.append(file.deferred())
        return file

    def describe(self) -> Dict[str, Any]:
        """What was assembled, as JSON-able data: components with their settings, workers, page size in bytes; secrets
        hidden."""
        return self.gateway.describe()


@functools.lru_cache(maxsize=None)
def _reader() -> Type[FileReader]:
    # Imported with the first file; an import statement takes a tenth of the time of an open each time it is passed.
    from alluxiofs.fileobjects.reader import FileReader

    return FileReader


def _binary_mode(mode: Any) -> str:
    """The mode without what only says how bytes are shown."""
    if isinstance(mode, str):
        bare = mode.replace("b", "", 1) if "t" not in mode else mode.replace("t", "", 1)
        if bare in _MODES:
            return _MODES[bare]
        if "+" in mode:
            raise ConfigurationError(
                f"mode {mode!r}: a file is either read or written; storage behind a cache is not changed in place"
            )
    raise ConfigurationError(f"mode {mode!r} is not one of r, w, a, x, with b for bytes or t for text")
