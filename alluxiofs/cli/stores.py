"""Which arguments of a command are for the store of which path."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping

from alluxiofs.cli.arguments import COMPONENTS
from alluxiofs.cli.failures import UsageError
from alluxiofs.gateway.locations import canonical_url
from alluxiofs.settings.removed import REMOVED

__all__ = ["check_names", "for_scheme", "is_configured", "joined", "names_scheme", "names_workers", "own_client"]

_SAYS_WHICH_STORE = ("target_protocol", "fs", "under_store", "under_stores")
_SAYS_WHICH_WORKERS = ("worker_hosts", "load_balance_domain", "etcd_hosts", "membership")
_ON_THIS_MACHINE = frozenset({"file", "local", "memory"})
_OPTIONS = ("--policy", "--page-store")


def joined(given: Mapping[str, Any], below: Mapping[str, Any]) -> Dict[str, Any]:
    """The arguments of the command line over those of the configuration.

    Options that the configuration has for the client of one protocol are not given to that of another one which the
    command line chooses. Settings of a component join the component that the configuration chooses.

    Raises
    ------
    UsageError
        For settings of a component that nobody names.
    """
    arguments = {**below, **given}
    protocol, configured = given.get("target_protocol"), below.get("target_protocol")
    if protocol is not None and not _means(protocol, configured):
        for name in ("target_options", "under_store"):
            if name in below and name not in given:
                arguments[name] = None  # which says to fsspec, too, that the configuration does not count
    for name in COMPONENTS:
        settings = given.get(name)
        if isinstance(settings, dict) and "name" not in settings:
            arguments[name] = {**_chosen_below(name, list(settings), below.get(name)), **settings}
    return arguments


def _means(protocol: Any, configured: Any) -> bool:
    """Whether options of the configuration are meant for a protocol, too."""
    if configured is None:
        return str(protocol).lower() not in _ON_THIS_MACHINE
    return _canonical(protocol) == _canonical(configured)


def _canonical(protocol: Any) -> str:
    return canonical_url(f"{protocol}://")


def _chosen_below(component: str, settings: Any, choice: Any) -> Dict[str, Any]:
    if isinstance(choice, str):
        choice = _from_json(choice) or {"name": choice}
    if isinstance(choice, dict) and str(choice.get("name") or "none").lower() != "none":
        return choice
    words, option = component.replace("_", " "), f"--{component.replace('_', '-')}"
    example = f"{option} NAME" if option in _OPTIONS else f"-o {component}=NAME"
    first = f"{component}.{settings[0]}" if settings else component
    raise UsageError(
        f"-o {first}: of which {words}? Add {example} ('alluxiofs plugins {component.replace('_', '-')}' lists them)"
    )


def _from_json(text: str) -> Dict[str, Any]:
    """The object that a text is; an empty one if it is none. What is wrong with it is said by whoever converts it."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def is_configured(arguments: Mapping[str, Any]) -> bool:
    """Whether the arguments say where paths are, so that no URL need say it."""
    if any(arguments.get(name) is not None for name in _SAYS_WHICH_STORE):
        return True
    # Options are for a client of a store, and only the URL says which.
    return not arguments.get("target_options") and names_workers(arguments)


def names_workers(arguments: Mapping[str, Any]) -> bool:
    """Whether the arguments say which workers there are."""
    return any(arguments.get(name) is not None for name in _SAYS_WHICH_WORKERS)


def names_scheme(arguments: Mapping[str, Any], scheme: str) -> bool:
    """Whether the arguments name a store for the URLs of a scheme."""
    stores = arguments.get("under_stores") or {}
    prefixes = _from_json(stores) if isinstance(stores, str) else stores
    named = [arguments.get("target_protocol"), *(str(prefix).partition("://")[0] for prefix in prefixes)]
    return any(_canonical(one) == _canonical(scheme) for one in named if one)


def for_scheme(arguments: Mapping[str, Any], scheme: str) -> Dict[str, Any]:
    """The arguments of a filesystem for the URLs of a scheme whose store the arguments do not name.

    Options of the client are those of the store that is named, or, where none is, of stores on other machines.
    """
    mine = {**arguments, **dict.fromkeys((name for name in _SAYS_WHICH_STORE if name in arguments), None)}
    if is_configured(arguments) or scheme in _ON_THIS_MACHINE:
        mine["target_options"] = None
    return {**mine, "target_protocol": scheme}


def own_client(url: str, arguments: Mapping[str, Any]) -> Any:
    """The filesystem of a URL without the gateway before it, made with the options that the arguments have for it."""
    import fsspec

    scheme = url.partition("://")[0]
    mine = arguments if names_scheme(arguments, scheme) else for_scheme(arguments, scheme)
    options = mine.get("target_options") or {}
    return fsspec.filesystem(scheme, **(_from_json(options) if isinstance(options, str) else options))


def check_names(arguments: Mapping[str, Any]) -> None:
    """Raise ``UnknownSettingError`` for an argument that does not exist."""
    from alluxiofs.settings.settings import Settings

    Settings.parse(**dict.fromkeys(name for name in arguments if name not in REMOVED))
