"""Copying and moving between places that this filesystem knows."""

from __future__ import annotations

import errno
from typing import Any, List, Optional, Tuple

from alluxiofs.errors import ConfigurationError, NotSupportedError
from alluxiofs.operations.arguments import refuse_misspelt
from alluxiofs.operations.base import Path, Paths
from alluxiofs.operations.changing import Changing
from alluxiofs.operations.parallel import attempt_each
from alluxiofs.operations.plan import Side, pairs_of

__all__ = ["Copying"]


class Copying(Changing):
    """Copies and moves, within a store and from one to another. Every operation returns ``True`` when it is done."""

    def cp_file(self, path1: Path, path2: Path, force: bool = False, preserve: bool = True, **others: Any) -> bool:
        """Copy one file to a name, over a file that is there; of a directory only the directory itself.

        Parameters
        ----------
        path1, path2:
            From, to; taken as they are, wildcards and all.
        force:
            Replace a target that is marked read-only, where the store can.
        preserve:
            Keep times and mode, where the store can.
        """
        if others:
            refuse_misspelt(self.cp_file, others)
        source, target = self._locate(path1), self._locate(path2)
        if not self.gateway.stat(source).is_file:
            self.gateway.make_directory(target, parents=True, exist_ok=True)
            return True
        try:
            self.gateway.copy(source, target, preserve=preserve)
        except PermissionError:
            if not force:
                raise
            self.gateway.make_writable(target)
            self.gateway.copy(source, target, preserve=preserve)
        return True

    def copy(
        self,
        path1: Paths,
        path2: Paths,
        recursive: bool = False,
        maxdepth: Optional[int] = None,
        on_error: Optional[str] = None,
        force: bool = False,
        preserve: bool = True,
        threads: Optional[int] = None,
        **others: Any,
    ) -> bool:
        """Copy files and directories, by fsspec's rules for what goes where. Existing targets are overwritten.

        Parameters
        ----------
        path1:
            From: a path, pattern, or list of these.
        path2:
            To: a name, a directory (one that is there, or ends with ``/``), or as many names as there are in a list.
        recursive, maxdepth:
            Directories with what is below, down to so many levels. Without ``recursive`` directories are left out.
        on_error:
            ``"raise"``, or ``"ignore"`` what has gone by the time it is to be copied, which is the default with
            ``recursive``.
        force:
            Replace targets that are marked read-only too, where the store can.
        preserve:
            Keep times and modes, where the store can.
        threads:
            The most copies at a time.
        """
        if others:
            refuse_misspelt(self.copy, others)
        on_error = on_error or ("ignore" if recursive else "raise")
        if on_error not in ("raise", "ignore"):
            raise ConfigurationError(f"on_error is 'raise' or 'ignore', not {on_error!r}")
        from alluxiofs.settings.conversion import convert

        threads = convert(threads, Optional[int], "threads")
        if threads is not None and threads < 1:
            raise ConfigurationError(f"threads must be at least 1, and is {threads}")
        pairs = self._pairs(path1, path2, recursive, maxdepth)

        def copy_one(pair: Tuple[str, str]) -> None:
            try:
                self.cp_file(*pair, force=force, preserve=preserve)
            except FileNotFoundError:
                if on_error == "raise":
                    raise

        attempt_each(copy_one, pairs, threads, stop_at_failure=True)
        return True

    def cp(self, path1: Paths, path2: Paths, recursive: bool = False, **kwargs: Any) -> bool:
        """The same as :meth:`copy`."""
        if kwargs:
            refuse_misspelt(self.cp, kwargs)
        return self.copy(path1, path2, recursive=recursive, **kwargs)

    def mv(
        self, path1: Paths, path2: Paths, recursive: bool = False, maxdepth: Optional[int] = None, **others: Any
    ) -> bool:
        """Move files and directories, as the command ``mv`` does; existing files are overwritten.

        Parameters
        ----------
        path1:
            From: a path, pattern, or list of these. A directory moves with all that is in it.
        path2:
            To: a name, a directory (one that is there, or ends with ``/``), or as many names as there are in a list.
        recursive:
            Of what a pattern finds, move directories too.
        maxdepth:
            Move files down to so many levels only.
        """
        if others:
            refuse_misspelt(self.mv, others)
        if maxdepth is not None:
            pairs = self._pairs(path1, path2, recursive, maxdepth)
            files = [pair for pair in pairs if self.isfile(pair[0])]
        else:
            side = Side(self.expand_path, self.isdir, self._is_pattern)
            only_files = not recursive and isinstance(path1, str) and self._is_pattern(self._strip_protocol(path1))
            files = pairs_of(side, path1, path2, self.isdir, only_files)
        # What is below a directory that moves goes with it.
        moved: List[str] = []
        for source, target in sorted((self._strip_protocol(one), self._strip_protocol(two)) for one, two in files):
            if not any(source.startswith(f"{above}/") for above in moved):
                self._move(source, target)
                moved.append(source)
        return True

    def _move(self, path1: str, path2: str) -> None:
        source, target = self._locate(path1), self._locate(path2)
        if source.url == target.url:
            self.gateway.stat(source, refresh=True)  # nothing to do, but it must be there
            return
        if self.gateway.stat(source, refresh=True).is_file:
            self.gateway.move(source, target)
            return
        self.gateway.store_of(source)  # the root above all prefixes is in none
        if target.url.startswith(source.url.rstrip("/") + "/"):
            raise OSError(errno.EINVAL, "a directory cannot be moved into itself", path1, None, path2)
        of_others = self.gateway.locations.mounted_below(source.url) or self.gateway.locations.mounted_below(target.url)
        if source.store == target.store and not of_others:
            try:
                self.gateway.move(source, target)
            except NotSupportedError:
                pass  # a store that moves no directories has its files moved one by one
            else:
                return
        self._move_by_files(path1, path2)

    def _move_by_files(self, path1: str, path2: str) -> None:
        directories, start = [], self.gateway.unstrip(path1).rstrip("/")
        for directory, _, files in list(self.walk(path1, on_error="raise", refresh=True)):
            there = path2.rstrip("/") + self.gateway.unstrip(directory)[len(start) :]
            self.makedirs(there, exist_ok=True)
            for name in files:
                self.gateway.move(self._locate(f"{directory}/{name}"), self._locate(f"{there}/{name}"))
            directories.append(directory)
        for directory in reversed(directories):
            self._remove_if_empty(directory)

    def _pairs(self, path1: Paths, path2: Paths, recursive: bool, maxdepth: Optional[int]) -> List[Tuple[str, str]]:
        side = self._side(recursive, maxdepth)
        return pairs_of(side, path1, path2, self.isdir, only_files=not recursive or maxdepth is not None)

    def _side(self, recursive: bool, maxdepth: Optional[int]) -> Side:
        """Where files come from. What is below a directory may be in several stores: then by URLs, which are alike."""

        def expand(path: Paths) -> List[str]:
            names = self.expand_path(path, recursive, maxdepth)
            return [self.gateway.unstrip(name) for name in names] if self.gateway.locations.nested else names

        return Side(expand, self.isdir, self._is_pattern)
