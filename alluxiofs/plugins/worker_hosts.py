"""What users write to name workers, parsed: the argument ``worker_hosts``."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Type

import attrs
from attrs import define

from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError, nearest
from alluxiofs.interfaces import Worker, WorkerIdentity

__all__ = ["parse_workers"]

_FIELDS = ("host", "http_port", "data_port", "identity")
_IDENTIFIER_BYTES = {0: 8, 1: 16}
# What a resolver can be asked for, and no more than that: whether there is such a host is found when it is needed.
_HOST = re.compile(r"[^\s/\\@,:;?#&=|*+!$^~`<>()\[\]{}'\"\x00-\x1f\x7f\ud800-\udfff]+")
_TEXT = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>.*))?", re.DOTALL)
_PORT = re.compile(r"[0-9]{1,5}")
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_UUID = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_LONG = re.compile(r"[0-9A-Fa-f]{16}")
_SHOWN = "worker-"


@define(frozen=True)
class _Described:
    """One worker as it was written; its identity may depend on the others."""

    host: str
    http_port: int
    data_port: int
    identity: Optional[WorkerIdentity] = None
    labels: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.http_port}"


def parse_workers(value: Any, http_port: int = 28080, data_port: int = 29998) -> Tuple[Worker, ...]:
    """The workers that ``value`` names, in its order.

    Parameters
    ----------
    value:
        Text with commas (``"h1, h2:28080, [::1]:28080"``: the port is the HTTP port), or a list or tuple of such, of
        mappings ``{"host", "http_port", "data_port", "identity"}`` of which only the host is needed, or of ready
        :class:`~alluxiofs.interfaces.Worker` values. An identity is a
        :class:`~alluxiofs.interfaces.WorkerIdentity`, text as Alluxio shows it (``worker-<uuid>``,
        ``worker-<number>``) or the hexadecimal digits of its identifier (32, or 16 of a number).
    http_port, data_port:
        Where workers listen that say nothing else.

    Returns
    -------
    tuple of Worker
        The host of an IPv6 address is without brackets. A worker without an identity gets ``from_host(host)`` if no
        other worker has its host, else ``from_host("host:http_port")``.

    Raises
    ------
    ConfigurationError
        If no worker is named or one is named twice, or if a host, port or identity cannot be one; a
        ``SettingTypeError`` or ``UnknownSettingError`` if something is of the wrong type or name.
    """
    http_port, data_port = _port(http_port, "http_port", value), _port(data_port, "data_port", value)
    items = value if isinstance(value, (list, tuple)) else [value]
    described = [one for item in items for one in _describe(item, http_port, data_port)]
    if not described:
        raise _wrong(value, "it names no worker")
    of_host = Counter(one.host for one in described)
    workers: List[Worker] = []
    named: Dict[WorkerIdentity, str] = {}
    for one in described:
        name = one.host if of_host[one.host] == 1 else one.address
        identity = one.identity or WorkerIdentity.from_host(name)
        if identity in named:
            other = "twice" if named[identity] == one.address else f"and {named[identity]} as one worker"
            raise _wrong(value, f"it names {one.address} {other} ({identity})")
        named[identity] = one.address
        workers.append(Worker(identity, one.host, one.http_port, one.data_port, one.labels))
    return tuple(workers)


def _describe(item: Any, http_port: int, data_port: int) -> Iterator[_Described]:
    if isinstance(item, str):
        if "@" in item:
            raise _wrong(item, "a worker is a host, without a user before it")
        for text in item.split(","):
            yield _from_text(text.strip(), item, http_port, data_port)
    elif isinstance(item, Mapping):
        yield _from_mapping(item, http_port, data_port)
    elif isinstance(item, Worker):
        yield _Described(item.host, item.http_port, item.data_port, item.identity, item.labels)
    else:
        raise _wrong(item, f"a worker is text, or a dict of {', '.join(_FIELDS)}", SettingTypeError)


def _from_text(text: str, item: str, http_port: int, data_port: int) -> _Described:
    if "://" in text:
        raise _wrong(
            item, 'a worker is "host" or "host:http_port": without a scheme, which the argument \'scheme\' says'
        )
    match = _TEXT.fullmatch(text)
    if match is None or (text.count(":") > 1 and match["ipv6"] is None):
        raise _wrong(item, 'a worker is "host" or "host:http_port", an IPv6 address in brackets ("[::1]:28080")')
    host = _host(match["host"], item) if match["ipv6"] is None else _ipv6(match["ipv6"], item)
    port = http_port if match["port"] is None else _port(match["port"], "http_port", item)
    return _Described(host, port, data_port)


def _from_mapping(item: Mapping[Any, Any], http_port: int, data_port: int) -> _Described:
    for name in item:
        if name not in _FIELDS:
            text = str(name)
            known = {field: item[field] for field in _FIELDS if field in item}  # the unknown may be a secret
            raise _wrong(known, f"a worker has no {text!r}{nearest(text, _FIELDS)}", UnknownSettingError)
    host = item.get("host")
    if not isinstance(host, str):
        raise _wrong(item, "a worker needs a 'host', which is text", SettingTypeError)
    bare = host.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = _ipv6(bare[1:-1], item)
    else:
        bare = _ipv6(bare, item) if bare.count(":") > 1 else _host(bare, item)
    return _Described(
        bare,
        http_port if item.get("http_port") is None else _port(item["http_port"], "http_port", item),
        data_port if item.get("data_port") is None else _port(item["data_port"], "data_port", item),
        None if item.get("identity") is None else _identity(item["identity"], item),
    )


def _host(host: str, item: Any) -> str:
    if not host:
        raise _wrong(item, "a host is missing")
    if not _HOST.fullmatch(host):
        raise _wrong(item, f"{_hidden(host)!r} is not a host name (no scheme, no port, no path)")
    return host


def _ipv6(text: str, item: Any) -> str:
    address, _, zone = text.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise _wrong(item, f"{text!r} is not an IPv6 address") from error
    if zone and not _HOST.fullmatch(zone):
        raise _wrong(item, f"{text!r} has no zone that could be one")
    return text


def _port(port: Any, name: str, item: Any) -> int:
    if isinstance(port, str) and _PORT.fullmatch(port.strip()):
        port = int(port)
    if isinstance(port, bool) or not isinstance(port, (int, str)):
        raise _wrong(item, f"{name}={port!r} is not a number", SettingTypeError)
    if isinstance(port, str) or not 1 <= port <= 65535:
        raise _wrong(item, f"{name}={port!r} is not a port (1 to 65535)")
    return port


def _identity(identity: Any, item: Any) -> WorkerIdentity:
    if isinstance(identity, WorkerIdentity):
        if not 0 <= identity.version < 1 << 31:
            raise _wrong(item, f"{identity!r}: versions of identities are whole numbers from 0 to {(1 << 31) - 1}")
        if len(identity.identifier) != _IDENTIFIER_BYTES.get(identity.version, len(identity.identifier)):
            raise _wrong(item, f"{identity!r}: version 1 has 16 bytes (a UUID), version 0 has 8 (a number)")
        return identity
    if not isinstance(identity, str):
        raise _wrong(item, f"identity={identity!r} is neither a WorkerIdentity nor text", SettingTypeError)
    shown = identity.startswith(_SHOWN)
    text = identity[len(_SHOWN) :] if shown else identity
    if shown and _NUMBER.fullmatch(text) and -(1 << 63) <= int(text) < 1 << 63:
        return WorkerIdentity(0, int(text).to_bytes(8, "big", signed=True))
    if _UUID.fullmatch(text):
        return WorkerIdentity(1, bytes.fromhex(text.replace("-", "")))
    if not shown and _LONG.fullmatch(text):
        return WorkerIdentity(0, bytes.fromhex(text))
    raise _wrong(
        item, f"identity={identity!r} is neither worker-<uuid>, worker-<number> nor 32 or 16 hexadecimal digits"
    )


def _hidden(text: str) -> str:
    """The text without what may be a password: whatever stands before an ``@``."""
    return re.sub(r"[^\s'\"]+@", "***@", text)


def _wrong(value: Any, why: str, kind: Type[ConfigurationError] = ConfigurationError) -> ConfigurationError:
    return kind(f"worker_hosts={_hidden(repr(value))}: {why}")
