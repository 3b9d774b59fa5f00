"""Paths become locations at the door, and locations paths again. Pure: no I/O."""

from __future__ import annotations

import re
from typing import List, Optional, Sequence, Tuple

from alluxiofs.errors import ConfigurationError, InvalidPathError, nearest
from alluxiofs.gateway.parts import Mount
from alluxiofs.interfaces import Location
from alluxiofs.settings.secrets import hidden_text

__all__ = ["Locations", "canonical_url", "take_off_own_scheme"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ALIASES = {"s3a": "s3", "gcs": "gs", "local": "file"}
_OWN = ("alluxiofs://", "alluxio://")


def take_off_own_scheme(path: str) -> str:
    """The path without one ``alluxiofs://`` or ``alluxio://`` before it."""
    for prefix in _OWN:
        if path[: len(prefix)].lower() == prefix:
            return path[len(prefix) :]
    return path


def canonical_url(url: str) -> str:
    """A URL with the canonical name of its scheme (``s3a`` -> ``s3``), for the URL is what gets hashed."""
    found = _SCHEME.match(url)
    if found is None:
        return url
    scheme = found.group(1).lower()
    return f"{_ALIASES.get(scheme, scheme)}://{url[found.end() :]}"


class Locations:
    """Knows which under store owns a path.

    Parameters
    ----------
    mounts:
        The under stores; at most one with the empty prefix, which is the default.
    """

    def __init__(self, mounts: Sequence[Mount]) -> None:
        self._default: Optional[Mount] = next((mount for mount in mounts if not mount.prefix), None)
        for mount in mounts:
            _check_scheme(mount)
        # Prefixes in the stores' own spelling, the longest first.
        named = [(mount, _in(mount, mount.prefix).url) for mount in mounts if mount.prefix]
        self._named: Tuple[Tuple[Mount, str], ...] = tuple(sorted(named, key=lambda pair: len(pair[1]), reverse=True))
        self._by_prefix = {mount.prefix: mount for mount in mounts}
        self._default_schemes = frozenset(self._default.store.schemes()) if self._default else frozenset()
        above = [url for _, url in self._named]
        self._prefixes = tuple(above)
        self._default_root: Optional[str] = None
        if self._named and self._default is not None:
            self._default_root = self._default.store.url(self._default.store.root)
            above.append(self._default_root)
        self.nested = any(_is_below(url, one) for one in above for _, url in self._named)
        """Whether prefixes are within the space of another store: of a directory some may be in one, some in others."""

    @property
    def root_marker(self) -> str:
        """The path of the root directory."""
        return self._default.store.root if self._default else ""

    def is_above_mounts(self, location: Location) -> bool:
        """Whether this is the root of a gateway that has prefixes and no default store: the directory of them all."""
        return not location.url

    def mounted_urls(self) -> List[str]:
        """The URLs of what is in that directory."""
        return [url for _, url in self._named]

    def mounted_below(self, url: str) -> List[str]:
        """The URLs of the prefixes of other stores that are below a directory of one: they hide what that one has
        there."""
        return [mounted for _, mounted in self._named if _is_below(mounted, url)] if self.nested else []

    def mount_of(self, location: Location) -> Optional[Mount]:
        """The mount of a location; ``None`` where no under store is configured."""
        return self._by_prefix.get(location.store)

    def locate(self, path: str) -> Location:
        """The location of a path in any spelling.

        Raises
        ------
        InvalidPathError
            For a NUL, a path that leaves its root, or one that no configured store owns.
        """
        if "\0" in path:
            raise InvalidPathError(f"path {_shown(path)} has a NUL in it")
        path = take_off_own_scheme(path)
        found = _SCHEME.match(path)
        if found is None:
            if self._default is None:
                if self._named and not path.strip("/"):
                    return Location("", "", "")
                raise InvalidPathError(f"path {_shown(path)} is not a full URL, and there is no default under store")
            return self._by_url(_in(self._default, path))
        if self._named:
            mounted = self._mounted(path, found.group(1).lower())
            if mounted is not None:
                return mounted
        if self._default is not None:
            if found.group(1).lower() in self._default_schemes:
                return _in(self._default, path)
            scheme, own = found.group(1), sorted(self._default_schemes)
            raise InvalidPathError(
                f"path {_shown(path)}: no under store serves {scheme}://; the one configured serves "
                f"{', '.join(own)}{nearest(scheme, own)}"
            )
        if self._named:
            prefixes = ", ".join(hidden_text(prefix) for _, prefix in self._named)
            raise InvalidPathError(f"path {_shown(path)} is below none of the prefixes of under_stores: {prefixes}")
        url = canonical_url(path)
        head, _, rest = url.partition("://")
        url = f"{head}://{rest.rstrip('/') or '/'}" if rest.startswith("/") else f"{head}://{rest.rstrip('/')}"
        return Location("", url, url)

    def _by_url(self, location: Location) -> Location:
        """What the URL of a location names, wherever the location was come by: a name and its URL lead to one file."""
        scheme = location.url.partition("://")[0]
        mounted = self._mounted(location.url, scheme) if self._named else None
        if mounted is None and self._default is not None and location.store and self._default_root is not None:
            # Above its own prefix, to which a parent leads.
            return _in(self._default, location.url) if _is_at_or_below(location.url, self._default_root) else location
        return mounted or location

    def _mounted(self, path: str, scheme: str) -> Optional[Location]:
        """Where a URL is, by the longest prefix that it is at or below."""
        for mount, prefix in self._named:
            if scheme not in mount.store.schemes():
                continue
            try:
                location = _in(mount, path)
            except InvalidPathError:
                # Of another host, say, whose URLs are another mount's.
                if _is_at_or_below(canonical_url(path), prefix):
                    raise
                continue
            if _is_at_or_below(location.url, prefix):
                return location
        return None

    def path_of(self, location: Location) -> str:
        """The path that users see for a location, and can pass back in: bare in the default store, else the URL."""
        if self._default is not None and location.store == "":
            return location.name
        return location.url

    def paths_of(self, location: Location, names: Sequence[str]) -> Sequence[str]:
        """The paths of what is listed of a location, which are names of its store at or below it."""
        if self._default is not None and location.store == "" and not self.mounted_below(location.url):
            return names
        return [self.path_of(self.child(location, name)) for name in names]

    def child(self, location: Location, name: str) -> Location:
        """The location of a name of the same store; above mounts, of one of theirs."""
        mount = self.mount_of(location)
        if self.is_above_mounts(location):
            return self.locate(name)
        if mount is None:
            return Location(location.store, name, name)
        found = Location(location.store, name, mount.store.url(name))
        if self.nested and (location.store or found.url.startswith(self._prefixes)):  # else, as mostly, it has no other
            return self._by_url(found)
        return found

    def parent(self, location: Location) -> Location:
        """The location of the directory that a location is in; a root is its own parent."""
        mount = self.mount_of(location)
        if mount is None:
            head, separator, rest = location.url.partition("://")
            up = rest.rsplit("/", 1)[0] if "/" in rest else rest
            return Location(location.store, head + separator + up, head + separator + up)
        return self.child(location, mount.store.parent(location.name))


def _check_scheme(mount: Mount) -> None:
    scheme, schemes = mount.prefix.partition("://")[0], mount.store.schemes()
    if mount.prefix and scheme not in schemes:
        raise ConfigurationError(
            f"argument 'under_stores', at {_shown(mount.prefix)}: under store {mount.store.name!r} serves "
            f"{', '.join(schemes)}, not {scheme}://"
        )


def _is_below(url: str, directory: str) -> bool:
    return url != directory and url.startswith(directory if directory.endswith("/") else directory + "/")


def _is_at_or_below(url: str, directory: str) -> bool:
    return url == directory or _is_below(url, directory)


def _in(mount: Mount, path: str) -> Location:
    name = mount.store.strip(path)
    return Location(mount.prefix, name, mount.store.url(name))


def _shown(path: str) -> str:
    return repr(hidden_text(path))
