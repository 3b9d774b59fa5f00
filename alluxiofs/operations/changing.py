"""What changes the under store: writing whole files, directories, removing."""

from __future__ import annotations

import errno
from typing import Any, List, Mapping, Optional, Tuple, Union

from alluxiofs.errors import ConfigurationError, SettingTypeError, is_a_directory
from alluxiofs.operations.arguments import check_depth, refuse_misspelt, refuse_others
from alluxiofs.operations.base import Path, Paths
from alluxiofs.operations.content import Content
from alluxiofs.operations.parallel import attempt_each

__all__ = ["Changing"]

Bytes = Any  # bytes, or anything that has them: Python cannot say so before 3.12


class Changing(Content):
    """Writes, makes and removes. Every operation returns ``True`` when it is done, and raises if it could not be."""

    def pipe_file(self, path: Path, value: Bytes, mode: str = "overwrite", **others: Any) -> bool:
        """Make a file of bytes, all or nothing; within a transaction, at its end.

        Parameters
        ----------
        path:
            In any spelling; taken as it is.
        value:
            Bytes, or anything that has them (``memoryview``, a NumPy array …).
        mode:
            ``"overwrite"`` what is there, or ``"create"``: ``FileExistsError`` if something is there.
        """
        if others:
            refuse_misspelt(self.pipe_file, others)
        if mode not in ("overwrite", "create"):
            raise ConfigurationError(f"mode is 'overwrite' or 'create', not {mode!r}")
        try:
            with memoryview(value) as view:
                size = view.nbytes
        except TypeError:
            raise SettingTypeError(f"value is bytes, or something that has them, not {type(value).__name__}") from None
        with self.open(path, "wb" if mode == "overwrite" else "xb", size_hint=size) as file:
            file.write(value)
        return True

    def pipe(self, path: Union[Path, Mapping[Any, Bytes]], value: Optional[Bytes] = None, **kwargs: Any) -> bool:
        """Make one file of bytes, or one for each item of a dict of paths and bytes."""
        if kwargs:
            refuse_misspelt(self.pipe, kwargs)
        if isinstance(path, Mapping):
            attempt = list(path.items())
        elif value is None:
            raise ConfigurationError("pipe needs the bytes as its second argument, or a dict of paths and bytes")
        else:
            attempt = [(path, value)]
        # A transaction keeps its files in the order they come, and is not for several threads.
        threads = 1 if self._intrans else None
        attempt_each(lambda item: self.pipe_file(*item, **kwargs), attempt, threads, stop_at_failure=True)
        return True

    def write_bytes(self, path: Path, value: Bytes, **kwargs: Any) -> bool:
        """The same as :meth:`pipe_file`."""
        if kwargs:
            refuse_misspelt(self.write_bytes, kwargs)
        return self.pipe_file(path, value, **kwargs)

    def touch(self, path: Path, truncate: bool = True, **others: Any) -> bool:
        """Make an empty file. One that is there is emptied or, without ``truncate``, gets a new time."""
        if others:
            refuse_misspelt(self.touch, others)
        if self._intrans and truncate:
            return self.pipe_file(path, b"")
        self.gateway.touch(self._locate(path), truncate=truncate)
        return True

    def mkdir(self, path: Path, create_parents: bool = True, **others: Any) -> bool:
        """Make a directory, where the under store has such.

        Parameters
        ----------
        path:
            In any spelling.
        create_parents:
            Make the directories above it, too.

        Raises
        ------
        FileExistsError
            If something of this name is there.
        """
        if others:
            refuse_misspelt(self.mkdir, others)
        self.gateway.make_directory(self._locate(path), parents=create_parents, exist_ok=False)
        return True

    def makedirs(self, path: Path, exist_ok: bool = False) -> bool:
        """Make a directory and those above it. ``exist_ok``: one that is there is as good."""
        self.gateway.make_directory(self._locate(path), parents=True, exist_ok=exist_ok)
        return True

    def rmdir(self, path: Path) -> bool:
        """Remove an empty directory."""
        self.gateway.remove_directory(self._locate(path), recursive=False)
        return True

    def rm_file(self, path: Path) -> bool:
        """Remove one file; its name is taken as it is, wildcards and all."""
        self.gateway.remove(self._locate(path))
        return True

    def _rm(self, path: Path) -> bool:
        return self.rm_file(path)

    def rm(
        self,
        path: Paths,
        recursive: bool = False,
        maxdepth: Optional[int] = None,
        remove_alluxio_only: bool = False,
        sync_parent: bool = False,
        **others: Any,
    ) -> bool:
        """Remove files and directories from the under store and from the cluster.

        Parameters
        ----------
        path:
            One or a list; patterns are expanded, unless something is called just so.
        recursive:
            Directories with what is in them. Without it a directory is an error.
        maxdepth:
            Remove files down to so many levels only, and the directories that are empty then.
        remove_alluxio_only:
            Only drop what is cached, here and in the cluster; the file stays.
        sync_parent:
            Read the parent's listing anew next time.

        Raises
        ------
        FileNotFoundError
            If there is nothing of a name.
        PermissionError
            For the root of a store: that is never what was meant.
        """
        if others:
            refuse_others(self.rm, others)
        check_depth(maxdepth)
        names = self.expand_path(path, refresh=True)
        if remove_alluxio_only:
            for name in self.expand_path(names, recursive, maxdepth, assume_literal=True):
                self.gateway.drop(self._locate(name))
        else:
            self._remove(names, recursive, maxdepth)
        if sync_parent:
            for name in names:
                self.gateway.forget(self.gateway.locations.parent(self._locate(name)))
        return True

    def _remove(self, names: List[str], recursive: bool, maxdepth: Optional[int]) -> None:
        """Remove files and directories; nothing at all if one of them cannot be meant."""
        files, directories = self._by_kind(names, refresh=True)
        if directories and not recursive:
            raise is_a_directory(directories[0], "it is a directory: remove it with recursive=True")
        for name in directories:
            if self._parent(name) == name:
                raise PermissionError(errno.EACCES, "the root of a store is not removed", name)
            self.gateway.check_removable(self._locate(name), maxdepth)
        if maxdepth is not None:
            below = self.expand_path(directories, True, maxdepth, assume_literal=True) if directories else []
            more, directories = self._by_kind(below, refresh=False)
            files = sorted({*files, *more})
        going = tuple(f"{name}/" for name in directories) if maxdepth is None else ()
        attempt_each(self.rm_file, [name for name in files if not name.startswith(going)], stop_at_failure=True)
        for name in sorted(directories, reverse=True):
            if maxdepth is None:
                if not name.startswith(tuple(other for other in going if other != f"{name}/")):
                    self.gateway.remove_directory(self._locate(name), recursive=True)
            else:
                self._remove_if_empty(name)

    def _by_kind(self, names: List[str], refresh: bool) -> Tuple[List[str], List[str]]:
        """The files and the directories among these; ``FileNotFoundError`` if one is neither."""
        entries = attempt_each(lambda name: self.gateway.stat(self._locate(name), refresh), names, stop_at_failure=True)
        kinds = [not isinstance(entry, Exception) and entry.is_file for entry in entries]
        return (
            [name for name, is_file in zip(names, kinds) if is_file],
            [name for name, is_file in zip(names, kinds) if not is_file],
        )

    def _remove_if_empty(self, name: str) -> None:
        try:
            if not self.gateway.list(self._locate(name), refresh=True):
                self.rmdir(name)
        except FileNotFoundError:
            pass  # where directories are nothing but names, it went with its last file
