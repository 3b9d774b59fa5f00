"""What there is: listing, finding, and what is known of one file."""

from __future__ import annotations

from datetime import datetime, timezone
from glob import has_magic
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from alluxiofs.errors import Kind, NotSupportedError, kind_of
from alluxiofs.operations.arguments import check_depth, refuse_misspelt
from alluxiofs.operations.base import GatewayFileSystem, Path

if TYPE_CHECKING:
    from alluxiofs.interfaces import Entry, Location

__all__ = ["Listing"]

Info = Dict[str, Any]
OnError = Union[str, Callable[[OSError], None]]

_ABSENT = (FileNotFoundError, NotADirectoryError)


class Listing(GatewayFileSystem):
    """Looks at names and at what is known of them. Every operation takes ``refresh=True``: see what is there now,
    instead of what was believed for up to ``metadata_ttl`` seconds."""

    def info(self, path: Path, refresh: bool = False, **others: Any) -> Info:
        """What is known of one file or directory.

        Parameters
        ----------
        path:
            In any spelling.
        refresh:
            See what is there now.

        Returns
        -------
        dict
            ``name``, ``type`` (``"file"`` or ``"directory"``), ``size`` (bytes), ``ufs_path`` (the under store's full
            URL), ``created`` and ``modified`` (``datetime``, UTC), ``mtime`` (the latter as seconds since the epoch),
            ``owner``, ``group``, ``mode`` (permission bits), ``version`` (text that is another one when the content is
            another), and what else the source says under its own names. ``None`` for what is not known.

        Raises
        ------
        FileNotFoundError
            If there is nothing of this name. A failure to find out raises something else.
        """
        if others:
            refuse_misspelt(self.info, others)
        location = self._locate(path)
        return self._info_of(location, self.gateway.stat(location, refresh))

    def ls(self, path: Path, detail: bool = False, refresh: bool = False, **others: Any) -> List[Any]:
        """The children of a directory, or a file itself.

        Parameters
        ----------
        path:
            In any spelling.
        detail:
            Give dicts as :meth:`info` does, instead of names.
        refresh:
            See what is there now.

        Raises
        ------
        FileNotFoundError
            If there is nothing of this name.
        """
        if others:
            refuse_misspelt(self.ls, others)
        location = self._locate(path)
        entries = self.gateway.list(location, refresh)
        if detail:
            child = self.gateway.child
            return [self._info_of(child(location, entry.name), entry) for entry in entries]
        return list(self.gateway.locations.paths_of(location, [entry.name for entry in entries]))

    def exists(self, path: Path, refresh: bool = False, **others: Any) -> bool:
        """Whether there is a file or directory of this name. A failure to find out raises."""
        if others:
            refuse_misspelt(self.exists, others)
        return self._kind(path, refresh) is not None

    def lexists(self, path: Path, refresh: bool = False, **others: Any) -> bool:
        """The same as :meth:`exists`: links are the under store's affair."""
        if others:
            refuse_misspelt(self.lexists, others)
        return self._kind(path, refresh) is not None

    def isfile(self, path: Path, refresh: bool = False) -> bool:
        """Whether this is a file. A failure to find out raises."""
        return self._kind(path, refresh) == "file"

    def isdir(self, path: Path, refresh: bool = False) -> bool:
        """Whether this is a directory. A failure to find out raises."""
        return self._kind(path, refresh) == "directory"

    def walk(
        self,
        path: Path,
        maxdepth: Optional[int] = None,
        topdown: bool = True,
        on_error: OnError = "omit",
        detail: bool = False,
        refresh: bool = False,
        **others: Any,
    ) -> Iterator[Tuple[str, Any, Any]]:
        """Go through the directories below a path, as ``os.walk`` does.

        Parameters
        ----------
        path, maxdepth, topdown:
            As in fsspec.
        on_error:
            What becomes of a directory that cannot be listed because it is gone or denied: ``"omit"`` it, ``"raise"``,
            or a function to call with the error. A failure (nobody answers …) is raised unless there is a function.
        detail:
            Give dicts of name and :meth:`info`, instead of lists of names.
        refresh:
            See what is there now.
        """
        if others:
            refuse_misspelt(self.walk, others)
        check_depth(maxdepth)
        top: str = self._strip_protocol(path)
        try:
            listing = self.ls(top, detail=True, refresh=refresh)
        except OSError as error:
            if callable(on_error):
                on_error(error)
            elif on_error == "raise" or kind_of(error) is not Kind.ANSWER:
                raise
            return
        directories: Dict[str, Info] = {}
        files: Dict[str, Info] = {}
        above_mounts = self.gateway.locations.is_above_mounts(self._locate(top))
        for info in listing:
            name = info["name"]
            if info["type"] == "directory" and name != top:
                # Of two mounts the last parts may be the same.
                directories[name if above_mounts else name.rsplit("/", 1)[-1]] = info
            elif info["type"] != "directory":
                files["" if name == top else name.rsplit("/", 1)[-1]] = info
        paths = {name: info["name"] for name, info in directories.items()}
        shown: Any = directories if detail else list(directories)
        here = (top, shown, files if detail else list(files))
        if topdown:
            yield here
        if maxdepth is None or maxdepth > 1:
            # What is left in `shown` by now: the caller may have taken names out, to leave them be.
            for name in _without_links(shown, directories):
                below = paths.get(name, f"{top}/{name}")
                depth = None if maxdepth is None else maxdepth - 1
                yield from self.walk(below, depth, topdown, on_error, detail, refresh)
        if not topdown:
            yield here

    def find(
        self,
        path: Path,
        maxdepth: Optional[int] = None,
        withdirs: bool = False,
        detail: bool = False,
        prefix: str = "",
        refresh: bool = False,
        **others: Any,
    ) -> Any:
        """All files below a path, in order; of a file itself.

        Parameters
        ----------
        path:
            In any spelling. Where there is nothing, nothing is found.
        maxdepth:
            The most levels to go down.
        withdirs:
            Directories too, the path itself among them.
        detail:
            Give a dict of name and :meth:`info`, instead of names.
        prefix:
            Only what begins with this, below ``path``.
        refresh:
            See what is there now.

        Raises
        ------
        OSError
            If some directory could not be listed: what is returned is complete.
        """
        if others:
            refuse_misspelt(self.find, others)
        check_depth(maxdepth)
        root = self._strip_protocol(path)
        found = self._found_at_once(root, withdirs, refresh)
        if found is None:
            found = self._found_by_walking(root, maxdepth, withdirs, refresh)
        elif maxdepth is not None:
            found = {name: info for name, info in found.items() if self._depth(root, name) <= maxdepth}
        if (withdirs and root and self.isdir(root)) or (not found and self.isfile(root)):
            found[root] = self.info(root)
        if prefix:
            start = f"{root.rstrip('/')}/{prefix}" if root else prefix
            found = {name: info for name, info in found.items() if name.startswith(start)}
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    def glob(self, path: Path, maxdepth: Optional[int] = None, **kwargs: Any) -> Any:
        """The names that a pattern stands for, by fsspec's rules; ``**`` goes down ``maxdepth`` levels at the most."""
        if kwargs:
            refuse_misspelt(self.glob, kwargs)
        check_depth(maxdepth)
        return super().glob(self._text(path), maxdepth=maxdepth, **kwargs)

    def du(
        self,
        path: Path,
        total: bool = True,
        maxdepth: Optional[int] = None,
        withdirs: bool = False,
        **kwargs: Any,
    ) -> Union[int, Dict[str, int]]:
        """Bytes in the files below a path: their sum, or, without ``total``, a dict of name and size."""
        if kwargs:
            refuse_misspelt(self.du, kwargs)
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        sizes: Dict[str, int] = {name: info["size"] or 0 for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    def expand_path(
        self,
        path: Any,
        recursive: bool = False,
        maxdepth: Optional[int] = None,
        assume_literal: bool = False,
        refresh: bool = False,
        **others: Any,
    ) -> List[str]:
        """The names that a path, pattern, directory or list of these stands for.

        A name with ``*``, ``?`` or ``[`` in it that exists as it is written stands for itself; else it is a pattern.

        Raises
        ------
        FileNotFoundError
            If nothing is found.
        """
        if others:
            refuse_misspelt(self.expand_path, others)
        check_depth(maxdepth)
        given = [self._strip_protocol(one) for one in path] if isinstance(path, (list, tuple, set)) else None
        names = [self._strip_protocol(path)] if given is None else given
        expanded: set[str] = set()
        for name in names:
            if assume_literal or not self._is_pattern(name, refresh):
                if recursive:
                    below = self.find(name, maxdepth=maxdepth, withdirs=True, refresh=refresh)
                    expanded.update(below)
                    if not below and not self.exists(name, refresh=refresh):
                        continue
                expanded.add(name)
                continue
            matches = self.glob(name, maxdepth=maxdepth, refresh=refresh)
            expanded.update(matches)
            # The pattern has gone down one level already.
            if recursive and matches and (maxdepth is None or maxdepth > 1):
                deeper = None if maxdepth is None else maxdepth - 1
                expanded.update(self.expand_path(matches, True, deeper, assume_literal=True, refresh=refresh))
        if not expanded:
            raise FileNotFoundError(2, "nothing is found under this name", str(path))
        return sorted(expanded)

    def created(self, path: Path) -> datetime:
        """When a file was made, in UTC. ``NotSupportedError`` where the store does not say."""
        return self._time(path, "created")

    def modified(self, path: Path) -> datetime:
        """When a file was last changed, in UTC. ``NotSupportedError`` where the store does not say."""
        return self._time(path, "modified")

    def sign(self, path: Path, expiration: int = 100, **others: Any) -> str:
        """A URL by which anyone can read the file for ``expiration`` seconds, where the under store has such."""
        if others:
            refuse_misspelt(self.sign, others)
        return self.gateway.sign(self._locate(path), expiration)

    # --- what these stand on ----------------------------------------------------------------------------------

    def _info_of(self, location: Location, entry: Entry) -> Info:
        modified = entry.modified
        return {
            **entry.extra,
            "name": self.gateway.path_of(location),
            "size": entry.size,
            "type": entry.kind,
            "ufs_path": location.url,
            "created": _utc(entry.created),
            "modified": _utc(modified),
            "mtime": modified,
            "owner": entry.owner,
            "group": entry.group,
            "mode": entry.mode,
            "version": entry.version.text() if entry.is_file else None,
        }

    def _kind(self, path: Path, refresh: bool) -> Optional[str]:
        try:
            return self.gateway.stat(self._locate(path), refresh).kind
        except _ABSENT:
            return None

    def _is_pattern(self, name: str, refresh: bool = False) -> bool:
        """Whether a name is to be expanded: it has wildcards in it, and nothing is called just so."""
        return has_magic(name) and self._kind(name, refresh) is None

    def _time(self, path: Path, which: str) -> datetime:
        moment: Optional[datetime] = self.info(path)[which]
        if moment is None:
            raise NotSupportedError(f"the under store does not say when {self._strip_protocol(path)!r} was {which}")
        return moment

    def _found_at_once(self, root: str, withdirs: bool, refresh: bool) -> Optional[Dict[str, Info]]:
        """Everything below, out of one listing, where the store has such and it has all that is wanted in it."""
        location = self._locate(root)
        if withdirs and self._has_directories(location):
            return None  # a listing of all files has no empty directories
        try:
            entries = self.gateway.list_recursive(location, refresh)
        except _ABSENT:
            return {}
        if entries is None:
            return None
        found: Dict[str, Info] = {}
        for entry in entries:
            child = self.gateway.child(location, entry.name)
            info = self._info_of(child, entry)
            found[info["name"]] = info
            if withdirs:
                self._add_directories(found, root, child)
        return found

    def _has_directories(self, location: Location) -> bool:
        mount = self.gateway.locations.mount_of(location)
        return mount is None or mount.store.capabilities.directories

    def _add_directories(self, found: Dict[str, Info], root: str, location: Location) -> None:
        """The directories between a root and a file below it: in an object store they are nothing but names."""
        from alluxiofs.interfaces import Entry

        start = f"{root.rstrip('/')}/" if root else ""
        name = self._parent(self.gateway.path_of(location))
        while name.startswith(start) and name != root and name not in found:
            directory = self._locate(name)
            found[name] = self._info_of(directory, Entry(directory.name, "directory", 0))
            name = self._parent(name)

    def _found_by_walking(self, root: str, maxdepth: Optional[int], withdirs: bool, refresh: bool) -> Dict[str, Info]:
        found: Dict[str, Info] = {}

        def only_absence(error: OSError) -> None:
            if not isinstance(error, _ABSENT):
                raise error

        for _, directories, files in self.walk(root, maxdepth, detail=True, refresh=refresh, on_error=only_absence):
            if withdirs:
                files = {**files, **directories}
            found.update((info["name"], info) for info in files.values())
        return found

    @staticmethod
    def _depth(root: str, name: str) -> int:
        """How many levels a name is below a root; 0 for the root itself."""
        if name == root:
            return 0
        below = name[len(root.rstrip("/")) + 1 :] if root.rstrip("/") else name.lstrip("/")
        return below.count("/") + 1


def _without_links(names: Iterable[str], directories: Mapping[str, Info]) -> List[str]:
    """The directories to go down into: a link leads elsewhere, or in a circle, and not below the path it is in."""
    return [name for name in names if not directories.get(name, {}).get("islink")]


def _utc(seconds: Optional[float]) -> Optional[datetime]:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
