"""How each keyword argument is read: its type, its limits and what else is refused."""

from __future__ import annotations

import json
import logging
import os
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import attrs
from attrs import define

from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError, nearest
from alluxiofs.logs import LogConfig
from alluxiofs.settings.choices import Choice, parse_choice, parse_choices
from alluxiofs.settings.conversion import convert
from alluxiofs.settings.options import parse_options
from alluxiofs.settings.secrets import HiddenDict, Secret, shown
from alluxiofs.settings.types import Seconds, Size

__all__ = ["ARGUMENTS", "Parse", "UnderStoreArgument"]

Parse = Callable[[Any, str], Any]
"""``parse(value, where)``: the value as the type of its argument; ``where`` begins the message of an error."""

_OWN_PROTOCOLS = ("alluxiofs", "alluxio")
_TLS_FILES = ("ca", "cert", "key")
_UNDER_STORE_KEYS = ("protocol", "options", "under_store")


@define(frozen=True)
class UnderStoreArgument:
    """One of ``under_stores``.

    Parameters
    ----------
    protocol, options:
        As ``target_protocol`` and ``target_options``.
    under_store:
        As the argument of this name.
    """

    protocol: str
    options: Mapping[str, Any] = attrs.field(factory=HiddenDict)
    under_store: Optional[Choice] = None


def _of(kind: Any, at_least: Optional[float] = None, above: Optional[float] = None) -> Parse:
    def parse(value: Any, where: str) -> Any:
        converted = convert(value, kind, where)
        if at_least is not None and converted < at_least:
            raise ConfigurationError(f"{where}: {shown(value)} is too little; it is at least {at_least}")
        if above is not None and converted <= above:
            raise ConfigurationError(f"{where}: {shown(value)} is too little; it is more than {above}")
        return converted

    return parse


def _one_of(*names: str) -> Parse:
    def parse(value: Any, where: str) -> str:
        text: str = convert(value, str, where)
        if text.lower() not in names:
            there = " or ".join(map(repr, names))
            raise ConfigurationError(f"{where}: {shown(text)} is neither of {there}{nearest(text.lower(), names)}")
        return text.lower()

    return parse


def _text(value: Any, where: str) -> str:
    text: str = convert(value, str, where)
    if not text.strip():
        raise ConfigurationError(f"{where}: it is an empty text")
    return text


def _texts(value: Any, where: str) -> Tuple[str, ...]:
    texts: Tuple[str, ...] = convert(value, Tuple[str, ...], where)
    if not texts or not all(text.strip() for text in texts):
        raise ConfigurationError(f"{where}: {shown(value)} names nothing")
    return texts


def _secret(value: Any, where: str) -> Secret:
    return Secret(convert(value, str, where, secret=True))


def _port(value: Any, where: str) -> int:
    port: int = convert(value, int, where)
    if not 1 <= port <= 65535:
        raise ConfigurationError(f"{where}: {port} is not a port (1 to 65535)")
    return port


def _protocol(value: Any, where: str) -> str:
    protocol = _text(value, where).strip().lower()
    if protocol in _OWN_PROTOCOLS:
        raise ConfigurationError(f"{where}: {protocol!r} is this filesystem itself; it names the store behind it")
    if "://" in protocol:
        raise ConfigurationError(
            f"{where}: {shown(protocol)} is a URL; the protocol of it is {protocol.split(':')[0]!r}"
        )
    return protocol


def _client_options(value: Any, where: str) -> HiddenDict:
    # What the options of a client mean is not known here, so none of their values is in the message.
    if isinstance(value, Mapping):
        for name in value:
            convert(name, str, f"{where}, a name in it")
    return HiddenDict(convert(value, Dict[str, Any], where, secret=True))


def _headers(value: Any, where: str) -> HiddenDict:
    # Each is a secret, so neither names nor values are in the message.
    return HiddenDict(convert(value, Dict[str, str], where, secret=True))


def _client(value: Any, where: str) -> Any:
    from fsspec import AbstractFileSystem

    if not isinstance(value, AbstractFileSystem):
        raise SettingTypeError(f"{where}: {shown(value)} is not an fsspec filesystem (fsspec.filesystem(…) makes one)")
    if getattr(value, "asynchronous", False):
        raise ConfigurationError(
            f"{where}: it was made with asynchronous=True, and can only be used from its event loop"
        )
    return value


def _page_store(value: Any, where: str) -> Choice:
    if isinstance(value, bool):
        raise SettingTypeError(
            f"{where}: {value} chooses nothing; None keeps no pages, 'disk' and 'memory' keep them there"
        )
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else ""
    if isinstance(path, str) and ("/" in path or path.startswith(("~", "."))) and not path.lstrip().startswith("{"):
        choice = json.dumps({"name": "disk", "path": path}, ensure_ascii=False)
        raise ConfigurationError(f"{where}: {shown(path)} is a path and no name; to keep pages there, give {choice}")
    return parse_choice(value, where)


def _under_stores(value: Any, where: str) -> Dict[str, UnderStoreArgument]:
    stores: Dict[str, Any] = convert(value, Dict[str, Any], where)
    return {prefix: _under_store_at(prefix, store, f"{where}, at {shown(prefix)}") for prefix, store in stores.items()}


def _under_store_at(prefix: str, value: Any, where: str) -> UnderStoreArgument:
    if not prefix.partition("://")[1] or prefix.startswith("://"):
        raise ConfigurationError(f"{where}: it is the prefix of URLs, such as 's3://bucket'")
    given: Dict[str, Any] = convert(value, Dict[str, Any], where)
    for name in given:
        if name not in _UNDER_STORE_KEYS:
            there = ", ".join(_UNDER_STORE_KEYS)
            raise UnknownSettingError(
                f"{where}: unknown {name!r}{nearest(name, _UNDER_STORE_KEYS)} (there are: {there})"
            )
    choice = given.get("under_store")
    return UnderStoreArgument(
        _protocol(given.get("protocol") or prefix.partition("://")[0], f"{where}, 'protocol'"),
        _client_options(given.get("options") or {}, f"{where}, 'options'"),
        None if choice is None else parse_choice(choice, f"{where}, 'under_store'"),
    )


def _etcd_tls(value: Any, where: str) -> HiddenDict:
    files: Dict[str, Any] = convert(value, Dict[str, Any], where, secret=True)
    for name in files:
        if name not in _TLS_FILES:
            there = ", ".join(_TLS_FILES)
            raise UnknownSettingError(f"{where}: unknown {name!r}{nearest(name, _TLS_FILES)} (there are: {there})")
    return HiddenDict({name: convert(file, str, f"{where}, {name!r}", name == "key") for name, file in files.items()})


def _client_cert(value: Any, where: str) -> Tuple[str, ...]:
    files = _texts(value, where)
    if len(files) > 2:
        raise ConfigurationError(
            f"{where}: it is a file, or a certificate's file and its key's, not {len(files)} files"
        )
    return files


def _worker_hosts(value: Any, where: str) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(value)  # what follows must not change with the caller's list
    if isinstance(value, str):
        return value
    raise SettingTypeError(f'{where}: {shown(value)} is neither text ("h1,h2:28080") nor a list of text or dicts')


def _logger(value: Any, where: str) -> Any:
    if not isinstance(value, (logging.Logger, LogConfig)):
        raise SettingTypeError(f"{where}: {shown(value)} is neither a logging.Logger nor an alluxiofs.LogConfig")
    return value


def _plugins(value: Any, where: str) -> Tuple[Any, ...]:
    if isinstance(value, str):
        raise SettingTypeError(
            f"{where}: {shown(value)} is text. Pass the modules or objects themselves (import them first); installed "
            "packages need not be named here"
        )
    plugins = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for plugin in plugins:
        if plugin is None or isinstance(plugin, (str, bytes, int, float)):
            raise SettingTypeError(
                f"{where}: {shown(plugin)} is no module or object with hooks; import the module first"
            )
        if type(plugin).__hash__ is None:
            raise SettingTypeError(f"{where}: {shown(plugin)} is not hashable, which objects with hooks must be")
    return plugins


ARGUMENTS: Dict[str, Parse] = {
    "target_protocol": _protocol,
    "target_options": _client_options,
    "fs": _client,
    "under_store": parse_choice,
    "under_stores": _under_stores,
    "worker_hosts": _worker_hosts,
    "load_balance_domain": _text,
    "etcd_hosts": _texts,
    "etcd_port": _port,
    "etcd_username": _text,
    "etcd_password": _secret,
    "etcd_tls": _etcd_tls,
    "cluster_name": _text,
    "worker_http_port": _port,
    "worker_data_port": _port,
    "scheme": _one_of("http", "https"),
    "ca_certs": _text,
    "client_cert": _client_cert,
    "headers": _headers,
    "policy": parse_choice,
    "membership": parse_choice,
    "transport": parse_choice,
    "page_store": _page_store,
    "telemetry": parse_choices,
    "options": lambda value, where: parse_options(convert(value, Dict[str, Any], where)),
    "replicas": _of(int, at_least=1),
    "fallback": _of(bool),
    "metadata": _one_of("auto", "worker", "under_store"),
    "metadata_ttl": _of(Seconds),
    "metadata_capacity": _of(Size),
    "timeout": _of(Seconds, above=0),
    "deadline": _of(Seconds, above=0),
    "retries": _of(int, at_least=0),
    "max_connections": _of(int, at_least=1),
    "load_on_miss": _of(bool),
    "plugins": _plugins,
    "disable_plugins": _texts,
    "logger": _logger,
}
"""The arguments of the filesystem."""
