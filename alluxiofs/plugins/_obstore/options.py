"""What the under store is made of, out of the options of the protocol's own client.

Each option is translated, or refused with what to use instead. Those that only tune the client's own files and its
memory of listings mean nothing to any under store, and to this one neither.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, Iterable, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from attrs import define, field

from alluxiofs.errors import ConfigurationError, UnknownSettingError, nearest
from alluxiofs.settings.secrets import hidden_text

__all__ = ["Configuration", "Options", "http_options", "trusted"]

_WITHOUT_MEANING = frozenset(
    {
        "cache_regions",
        "cache_timeout",
        "default_block_size",
        "default_cache_type",
        "default_fill_cache",
        "listings_expiry_time",
        "max_paths",
        "skip_instance_cache",
        "use_listings_cache",
    }
)
_ELSEWHERE = "leave under_store out, and the protocol's own under store takes it"
_CONNECTING = "10s"
_SILENCE = "300s"  # for calls that nobody waits for any more; what waits has its deadline
_EVER = "1day"  # of a body of any size


@define(frozen=True)
class Configuration:
    """How to make the library's stores.

    Parameters
    ----------
    store:
        Arguments of a store, but for its bucket.
    client:
        Of its HTTP client; a ``Path`` stands for what is in the file.
    credentials:
        Asked for credentials when there are none that are valid; ``None`` leaves that to the library.
    endpoint:
        Where requests go, if that was said.
    in_host:
        Whether the bucket is a part of the host's name.
    secrets:
        Texts that no message may have in it.
    """

    store: Mapping[str, Any] = field(repr=False)
    client: Mapping[str, Any] = field(repr=False)
    credentials: Optional[Callable[[], Mapping[str, Any]]] = field(default=None, repr=False)
    endpoint: str = ""
    in_host: bool = False
    secrets: Tuple[str, ...] = field(default=(), repr=False)


class Options:
    """Options that are taken one by one; what is left at the end is unknown, or cannot be had here.

    Parameters
    ----------
    given:
        By the user. ``None`` counts as not given.
    where:
        Before the name of an option, in messages.
    """

    def __init__(self, given: Mapping[str, Any], where: str = "target_options") -> None:
        self._left: Dict[str, Any] = dict(given)
        self._known: set[str] = set()
        self.where = where

    def take(self, *names: str) -> Any:
        """The value of an option by any of its names; ``None`` if there is none."""
        self._known.update(names)
        found = [value for value in (self._left.pop(name, None) for name in names) if value is not None]
        return found[0] if found else None

    def inner(self, name: str) -> Options:
        """The options within an option."""
        value = self.take(name) or {}
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{self.where}: {name} is a mapping, not {type(value).__name__}")
        return Options(value, f"{self.where}: {name}")

    def end(self, cannot: Iterable[str] = (), without_meaning: FrozenSet[str] = _WITHOUT_MEANING) -> None:
        """That nothing is left.

        Parameters
        ----------
        cannot:
            Names that the protocol's own client knows.
        without_meaning:
            Names that make no difference to an under store.

        Raises
        ------
        ConfigurationError
            For what cannot be had here.
        UnknownSettingError
            For what nobody knows.
        """
        refused = frozenset(cannot)
        for name, value in self._left.items():
            if name in without_meaning:
                continue
            if name in refused:
                if value is None or value is False:  # what is not done anyway
                    continue
                raise ConfigurationError(f"{self.where}: under_store='obstore' cannot do {name!r}: {_ELSEWHERE}")
            known = {*self._known, *without_meaning}
            raise UnknownSettingError(f"{self.where}: there is no option {name!r}{nearest(name, known)}")

    def refuse(self, name: str, why: str) -> ConfigurationError:
        """The error about the value of an option."""
        return ConfigurationError(f"{self.where}: {name}: {why}")


def http_options(endpoint: str) -> Dict[str, Any]:
    """Options of the HTTP client for an address.

    Raises
    ------
    ConfigurationError
        For an address that does not say how to speak to it.
    """
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        raise ConfigurationError(
            f"target_options: endpoint_url {hidden_text(endpoint)!r} has no scheme: write http:// or https:// before it"
        )
    return {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": _CONNECTING,
        "read_timeout": _SILENCE,
        "timeout": _EVER,
    }


def trusted(options: Options, name: str, value: Any) -> Dict[str, Any]:
    """Options of the HTTP client for which certificates to trust.

    Parameters
    ----------
    options, name:
        Where it was said, for messages.
    value:
        ``False``: any; a path: those in the file too; else those that the system trusts.
    """
    if value is False:
        return {"allow_invalid_certificates": True}
    if value is None or value is True:
        return {}
    if not isinstance(value, (str, os.PathLike)):
        raise options.refuse(name, "True, False or the path of a file of certificates")
    path = Path(os.fspath(value))
    if not path.is_file():
        raise options.refuse(name, f"there is no file {str(path)!r}")
    return {"root_certificate": path}
