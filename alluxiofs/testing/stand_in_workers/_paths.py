"""What a worker makes of a path that it is asked for: the key that names the file, and its name below the root."""

from __future__ import annotations

import hashlib
import re
from typing import List, Optional, Tuple

from attrs import define, field

__all__ = ["Root", "file_id"]

_SCHEME = re.compile(r"([^/:]+):")
_UNDONE = (("%2F", "/"), ("%3A", ":"), ("%3F", "?"))


def file_id(url: str) -> str:
    """The id of a file in the addresses of its pages."""
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()


def undo_escapes(value: str) -> str:
    """A value of a query as a worker of dialect ``pages`` reads it: three escapes are undone, all else is literal."""
    for escape, character in _UNDONE:
        value = value.replace(escape, character)
    return value


@define(frozen=True)
class Root:
    """The root of the under store, as the cluster names it.

    Parameters
    ----------
    url:
        ``file:///data/lake``, without a slash at the end.
    """

    url: str
    _parts: Tuple[str, str, str] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        scheme, authority, path = _split(self.url)
        object.__setattr__(self, "_parts", (scheme, authority, "" if path == "/" else path))

    def key(self, path: str) -> str:
        """The full URL of a path: one that is not below the root is taken as relative to it, scheme and all."""
        scheme, authority, rest = _split(path)
        own_scheme, own_authority, own_path = self._parts
        below = rest == own_path or rest.startswith(own_path + "/")
        if (scheme, authority) == (own_scheme, own_authority) and below:
            return self._joined(rest)
        before = (f"{scheme}:" if scheme else "") + (f"//{authority}" if authority else "")
        return self._joined(_resolved(f"{own_path}/{before}/{rest}"))

    def name(self, key: str) -> Optional[str]:
        """The name below the root of a key, empty for the root itself; ``None`` if it is elsewhere."""
        top = self._joined(self._parts[2]).rstrip("/")
        if key.rstrip("/") == top:
            return ""
        return key[len(top) + 1 :] if key.startswith(top + "/") else None

    def url_of(self, name: str) -> str:
        """The full URL of a name below the root, as it is; of a URL below the root, that URL."""
        top = self._joined(self._parts[2])
        if name == top or name.startswith(top + "/"):
            return name.rstrip("/")
        name = name.strip("/")
        return f"{top}/{name}" if name else top

    def _joined(self, path: str) -> str:
        scheme, authority, _ = self._parts
        return f"{scheme}://{authority}{path}" if scheme else path


def _split(text: str) -> Tuple[str, str, str]:
    found = _SCHEME.match(text)
    scheme = found[1] if found else ""
    rest = text[found.end() :] if found else text
    authority = ""
    if found and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
    return scheme, authority, _resolved(rest)


def _resolved(path: str) -> str:
    absolute = path.startswith(("/", "\\"))
    parts: List[str] = []
    for part in path.replace("\\", "/").split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return ("/" if absolute else "") + "/".join(parts)
