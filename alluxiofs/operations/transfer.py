"""Files from and to this machine's own disks."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from glob import has_magic
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Iterator, List, Optional, Tuple

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.utils import isfilelike

from alluxiofs.errors import ConfigurationError, denied, failed_write, is_a_directory
from alluxiofs.operations.arguments import refuse_misspelt
from alluxiofs.operations.base import Path, Paths
from alluxiofs.operations.copying import Copying
from alluxiofs.operations.order import local, local_path_first
from alluxiofs.operations.plan import Side, pairs_of

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile

__all__ = ["Transfer"]

_PIECE = 16 * 2**20  # bytes that a transfer holds at a time: several pages are fetched side by side
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Transfer(Copying):
    """Gets files to, and puts them from, this machine. A target appears whole or not at all; memory stays bounded
    whatever the size. Progress goes to fsspec's callbacks."""

    def get_file(
        self, rpath: Path, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **kwargs: Any
    ) -> None:
        """Copy one file to this machine; of a directory only the directory itself.

        Parameters
        ----------
        rpath:
            From, taken as it is, wildcards and all.
        lpath, outfile:
            To: a local path, or something with a ``write`` method.
        callback:
            Told the size, and the bytes that have come.
        """
        if kwargs:
            refuse_misspelt(self.get_file, kwargs)
        if outfile is None and isfilelike(lpath):
            outfile = lpath
        try:
            opened = self._opened(rpath, refresh=bool(kwargs.get("refresh")))
        except IsADirectoryError:
            if outfile is not None:
                raise
            LocalPath(local(lpath)).mkdir(parents=True, exist_ok=True)
            return
        if outfile is not None:
            _pour(opened, outfile.write, callback)
            return
        with _written_whole(local(lpath)) as file:
            _pour(opened, file.write, callback)

    def put_file(
        self, lpath: Path, rpath: Path, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **others: Any
    ) -> None:
        """Copy one file from this machine; of a directory only the directory itself.

        Parameters
        ----------
        lpath, rpath:
            From, to; taken as they are, wildcards and all.
        callback:
            Told the size, and the bytes that have gone.
        mode:
            ``"overwrite"`` what is there, or ``"create"``: ``FileExistsError`` if something is there.
        """
        if others:
            refuse_misspelt(self.put_file, others)
        if mode not in ("overwrite", "create"):
            raise ConfigurationError(f"mode is 'overwrite' or 'create', not {mode!r}")
        source_path = LocalPath(local(lpath))
        if source_path.is_dir():
            self.makedirs(rpath, exist_ok=True)
            return
        with source_path.open("rb", buffering=0) as source:
            about = os.fstat(source.fileno())
            size = about.st_size if stat.S_ISREG(about.st_mode) else None
            callback.set_size(size)
            with self.open(rpath, "wb" if mode == "overwrite" else "xb", size_hint=size) as target, memoryview(
                bytearray(_PIECE if size is None else max(1, min(_PIECE, size)))
            ) as piece:
                while True:
                    filled = source.readinto(piece)
                    if not filled:
                        break
                    target.write(piece[:filled])
                    callback.relative_update(filled)

    def get(
        self,
        rpath: Paths,
        lpath: Paths,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: Optional[int] = None,
        **kwargs: Any,
    ) -> None:
        """Copy files to this machine, by fsspec's rules for what goes where.

        Parameters
        ----------
        rpath:
            From: a path, pattern, or list of these.
        lpath:
            To: a local name, a directory (one that is there, or ends with ``/``), or a list of as many names.
        recursive, maxdepth:
            Directories with what is below, down to so many levels.
        callback:
            Told the number of files, and, by its branches, their bytes.
        """
        if kwargs:
            refuse_misspelt(self.get, kwargs)
        self._transfer(self._pairs_to_get(rpath, lpath, recursive, maxdepth), self.get_file, callback, kwargs)

    def put(
        self,
        lpath: Paths,
        rpath: Paths,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: Optional[int] = None,
        **kwargs: Any,
    ) -> None:
        """Copy files from this machine, by fsspec's rules for what goes where.

        Parameters
        ----------
        lpath:
            From: a local path, pattern, or list of these.
        rpath:
            To: a name, a directory (one that is there, or ends with ``/``), or a list of as many names.
        recursive, maxdepth, callback:
            As for :meth:`get`.
        """
        if kwargs:
            refuse_misspelt(self.put, kwargs)
        self._transfer(self._pairs_to_put(lpath, rpath, recursive, maxdepth), self.put_file, callback, kwargs)

    @local_path_first
    def download(
        self,
        lpath: Paths,
        rpath: Paths,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: Optional[int] = None,
        **kwargs: Any,
    ) -> bool:
        """Copy a file to this machine. The local path comes first.

        fsspec's order is understood where only the first one is a remote URL. The names of the parameters say which is
        which in either order, and so does :meth:`get`.

        Parameters
        ----------
        lpath, rpath:
            To, from; each as :meth:`get` takes it.
        recursive, maxdepth:
            A directory with what is below, down to so many levels.
        callback:
            Told the bytes that have come; of several files as :meth:`get` does.

        Returns
        -------
        bool
            ``True``: the target is whole.

        Raises
        ------
        ConfigurationError
            If both are URLs; it is a ``ValueError``.
        """
        if kwargs:
            refuse_misspelt(self.download, kwargs)
        pairs = self._pairs_to_get(rpath, lpath, recursive, maxdepth)
        return self._transfer_all(pairs, self.get_file, callback, rpath, recursive, kwargs)

    def upload(
        self,
        lpath: Paths,
        rpath: Paths,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: Optional[int] = None,
        **kwargs: Any,
    ) -> bool:
        """Copy a file from this machine.

        Parameters
        ----------
        lpath, rpath:
            From, to.
        recursive, maxdepth, callback:
            As for :meth:`download`.
        """
        if kwargs:
            refuse_misspelt(self.upload, kwargs)
        pairs = self._pairs_to_put(lpath, rpath, recursive, maxdepth)
        return self._transfer_all(pairs, self.put_file, callback, lpath, recursive, kwargs)

    def _transfer_all(
        self,
        pairs: List[Tuple[str, str]],
        transfer_file: Callable[..., None],
        callback: Any,
        source: Paths,
        recursive: bool,
        kwargs: Any,
    ) -> bool:
        if not pairs:
            raise is_a_directory(str(source), "it is a directory: transfer it with recursive=True")
        if recursive or len(pairs) > 1:
            self._transfer(pairs, transfer_file, callback, kwargs)
        else:
            transfer_file(*pairs[0], callback=callback, **kwargs)
        return True

    @staticmethod
    def _transfer(pairs: List[Tuple[str, str]], transfer_file: Callable[..., None], callback: Any, kwargs: Any) -> None:
        callback.set_size(len(pairs))
        for source, target in callback.wrap(pairs):
            with callback.branched(source, target) as child:
                transfer_file(source, target, callback=child, **kwargs)

    def _pairs_to_get(
        self, rpath: Paths, lpath: Paths, recursive: bool, maxdepth: Optional[int]
    ) -> List[Tuple[str, str]]:
        side = self._side(recursive, maxdepth)
        target = lpath if isinstance(lpath, (list, tuple)) else make_path_posix(local(lpath))
        return pairs_of(side, rpath, target, os.path.isdir, only_files=not recursive or maxdepth is not None)

    def _pairs_to_put(
        self, lpath: Paths, rpath: Paths, recursive: bool, maxdepth: Optional[int]
    ) -> List[Tuple[str, str]]:
        side = Side(
            lambda path: _expand_local(path, recursive, maxdepth),
            os.path.isdir,
            lambda path: has_magic(path) and not os.path.lexists(path),
        )
        source = lpath if isinstance(lpath, (list, tuple)) else make_path_posix(local(lpath))
        return pairs_of(side, source, rpath, self.isdir, only_files=not recursive or maxdepth is not None)


def _expand_local(path: Any, recursive: bool, maxdepth: Optional[int]) -> List[str]:
    """What a local path, pattern or list stands for; a name that exists as it is written stands for itself."""
    here = LocalFileSystem()
    names: set[str] = set()
    for one in path if isinstance(path, (list, tuple)) else [path]:
        text = make_path_posix(local(one))
        if os.path.lexists(text):
            names.add(text)
            if recursive and LocalPath(text).is_dir():
                names.update(here.find(text, maxdepth=maxdepth, withdirs=True))
        else:
            names.update(here.expand_path(text, recursive=recursive, maxdepth=maxdepth))
    return sorted(names)


def _pour(opened: OpenFile, write: Callable[[memoryview], Any], callback: Any) -> None:
    """Write a whole file somewhere, a piece at a time."""
    size = opened.size
    callback.set_size(size)
    offset = 0
    with memoryview(bytearray(max(1, min(_PIECE, size)))) as piece:
        while offset < size:
            filled = opened.read_into(offset, piece)
            write(piece[:filled])
            offset += filled
            callback.relative_update(filled)


@contextmanager
def _written_whole(path: str) -> Iterator[BinaryIO]:
    """A local file that appears, or replaces another one, when all of it is written."""
    # Through a link, as writing to its name would go.
    target = LocalPath(os.path.realpath(path))
    if target.is_dir():
        raise is_a_directory(str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not target.is_file():
        with target.open("wb") as device:  # a device or pipe is written to, not replaced
            yield device
        return
    if target.exists() and not os.access(target, os.W_OK):
        raise denied(str(target))  # replacing it would need the right to its directory only
    part = target.parent / f".alluxiofs-{os.urandom(8).hex()}.part"
    try:
        with part.open("xb") as file:
            yield file
        with suppress(FileNotFoundError):
            shutil.copymode(target, part)
        part.replace(target)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        # Others are about what is read.
        if isinstance(error, OSError) and (str(error.filename) == str(part) or error.errno in _FULL):
            raise failed_write(str(target), error) from error
        raise
