"""From arguments to under stores."""

from __future__ import annotations

import sys
import warnings
from typing import Any, Dict, Iterable, Iterator, Mapping, Optional, Sequence, Tuple, Type
from urllib.parse import urlsplit

from attrs import define
from fsspec import AbstractFileSystem
from fsspec.registry import known_implementations

from alluxiofs.errors import ConfigurationError, UnknownComponentError, nearest
from alluxiofs.gateway.locations import canonical_url
from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.registry import Chosen, Registry, choose, point_named
from alluxiofs.settings import Choice, HiddenDict, Settings
from alluxiofs.settings.calling import level_of_caller
from alluxiofs.settings.secrets import hidden_text

__all__ = ["ChosenStore", "choose_stores", "warn_of_another_root"]

_AT_A_HOST = frozenset({"hdfs", "webhdfs"})
_POINT = point_named("under_store")


@define(frozen=True)
class ChosenStore:
    """An under store that was chosen, not made yet.

    Parameters
    ----------
    prefix:
        Of the URLs that lead to it; empty for the default store.
    chosen:
        Its class and settings.
    target:
        What it stands for; ``None`` for a store that was given as an object.
    """

    prefix: str
    chosen: Chosen
    target: Optional[Target]


def choose_stores(settings: Settings, registry: Registry) -> Tuple[ChosenStore, ...]:
    """The under stores that the arguments name; the default one first, if there is one.

    Raises
    ------
    ConfigurationError
        For a protocol that nobody serves, or two prefixes that are the same.
    """
    stores = [*_default(settings, registry), *_prefixed(settings, registry)]
    prefixes = [store.prefix for store in stores]
    for prefix in prefixes:
        if prefixes.count(prefix) > 1:
            raise ConfigurationError(f"argument 'under_stores': prefix {prefix!r} is there twice, in two spellings")
    return tuple(stores)


def _default(settings: Settings, registry: Registry) -> Iterator[ChosenStore]:
    if settings.fs is not None:
        declared = settings.fs.protocol
        protocol = declared if isinstance(declared, str) else str(declared[0])
        # An under store that does without the client would do without what a subclass of it overrides, too.
        served = protocol if _is_plain(settings.fs, protocol) else "*"
        chosen = _choose(registry, settings.under_store, served, "argument 'fs'", settings.fs)
        yield ChosenStore("", chosen, Target(protocol, client=settings.fs))
    elif settings.target_protocol is not None:
        protocol = settings.target_protocol
        chosen = _choose(registry, settings.under_store, protocol, "argument 'target_protocol'")
        options = {**_address(settings.ufs_root or "", protocol), **settings.target_options}
        yield ChosenStore("", chosen, Target(protocol, HiddenDict(options)))
    elif settings.under_store is not None:
        chosen = choose(registry, _POINT, settings.under_store)
        yield ChosenStore("", chosen, None if chosen.given else _own_target(chosen, settings.target_options))


def _address(root: str, protocol: str) -> Dict[str, Any]:
    """Options that lead the client of a store to where the root of the cluster is: host, port and user of an HDFS. The
    addresses of other stores are not in their URLs."""
    parts = urlsplit(root)
    if parts.scheme != protocol or protocol not in _AT_A_HOST:
        return {}
    try:
        port = parts.port
    except ValueError:  # what is taken for the port may be a part of a password
        shown = hidden_text(root)
        raise ConfigurationError(
            f"option 'alluxio.dora.client.ufs.root': {shown!r} is no URL: look at its port"
        ) from None
    found = {"host": parts.hostname, "port": port, "user": parts.username}
    return {name: value for name, value in found.items() if value is not None}


def warn_of_another_root(settings: Settings, stores: Iterable[UnderStore]) -> None:
    """Warn whoever names a root of the cluster that is in none of the under stores that are named: an argument beats an
    option, but what is asked of the workers then is nothing they have."""
    if settings.ufs_root is None:
        return
    scheme = canonical_url(settings.ufs_root).partition("://")[0]
    schemes = sorted({one for store in stores for one in store.schemes()})
    if schemes and scheme not in schemes:
        warnings.warn(
            f"option 'alluxio.dora.client.ufs.root': {hidden_text(settings.ufs_root)!r} is in none of the under stores "
            f"that the arguments name, which serve {', '.join(schemes)}; the arguments count",
            stacklevel=level_of_caller(),
        )


def _is_plain(client: AbstractFileSystem, protocol: str) -> bool:
    """Whether a client is of the very class that fsspec has for its protocol, or of one that fsspec has none for."""
    known = known_implementations.get(protocol)
    if known is None:
        return True
    module, _, name = known["class"].rpartition(".")
    return type(client) is getattr(sys.modules.get(module), name, None)


def _prefixed(settings: Settings, registry: Registry) -> Iterator[ChosenStore]:
    for prefix, store in settings.under_stores.items():
        where = f"argument 'under_stores', at {prefix!r}"
        chosen = _choose(registry, store.under_store, store.protocol, where)
        scheme, _, rest = canonical_url(prefix).partition("://")
        yield ChosenStore(f"{scheme}://{rest.rstrip('/') or rest[:1]}", chosen, Target(store.protocol, store.options))


def _choose(
    registry: Registry,
    choice: Optional[Choice],
    protocol: str,
    where: str,
    client: Optional[AbstractFileSystem] = None,
) -> Chosen:
    """The under store for a protocol; ``client``: the one there is for it, whatever fsspec's registry says."""
    if choice is not None:
        chosen = choose(registry, _POINT, choice, where=where if "under_stores" in where else None)
        if not chosen.given:
            _check_served(chosen, (protocol,) if client is None else _declared(type(client)), where)
        return chosen
    registered = registry.serving(_POINT, protocol)
    if registered is None or ("*" in registered.protocols and client is None and protocol not in registered.protocols):
        _check_known(registry, protocol, where)
    if registered is None:
        raise UnknownComponentError(f"{where}: no under store serves {protocol!r}")
    return choose(registry, _POINT, Choice(registered.name))


def _declared(kind: Type[AbstractFileSystem]) -> Sequence[str]:
    """The protocols of a client's class, and of those that it is a special one of."""
    declared = [vars(base).get("protocol", ()) for base in kind.__mro__]
    return [one for each in declared for one in ([each] if isinstance(each, str) else each)]


def _check_served(chosen: Chosen, protocols: Sequence[str], where: str) -> None:
    """That a store that was named can do something with one of the protocols; one for ``"*"`` can with any."""
    served = chosen.cls.protocols
    if served and not {"*", *protocols} & set(served):
        raise ConfigurationError(
            f"{where}: under store {chosen.cls.name!r} serves {', '.join(served)}, not {protocols[0]!r}"
        )


def _check_known(registry: Registry, protocol: str, where: str) -> None:
    from fsspec.registry import registry as registered

    clients = {*known_implementations, *registered}
    if protocol in clients:
        return
    own = {served for one in registry.all(_POINT).values() for served in one.protocols if served != "*"}
    raise UnknownComponentError(
        f"{where}: nobody serves the protocol {protocol!r}{nearest(protocol, sorted(clients | own))} (neither fsspec "
        f"nor an under store; under stores serve {', '.join(sorted(own))})"
    )


def _own_target(chosen: Chosen, options: Mapping[str, Any]) -> Target:
    """The target of a store that was chosen by its name alone: the first protocol that it says it serves."""
    own = [protocol for protocol in chosen.cls.protocols if protocol != "*"]
    if not own:
        raise ConfigurationError(
            f"argument 'under_store': {chosen.cls.name!r} serves many protocols; say which with 'target_protocol'"
        )
    return Target(own[0], options)
