"""The argument ``options``: Alluxio's own property names, for a client that is configured next to Alluxio's others.

Each property sets what an argument or a component's setting sets, and loses against it.
"""

from __future__ import annotations

import warnings
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

import attrs
from attrs import define

from alluxiofs.errors import ConfigurationError, UnknownSettingError, nearest
from alluxiofs.settings.calling import level_of_caller
from alluxiofs.settings.conversion import convert
from alluxiofs.settings.secrets import shown
from alluxiofs.settings.types import Size

__all__ = ["Options", "parse_options"]

_POLICY = "alluxio.user.worker.selection.policy"
_POLICIES = {
    "CONSISTENT": "consistent-hash",
    "JUMP": "jump",
    "KETAMA": "ketama",
    "MAGLEV": "maglev",
    "MULTI_PROBE": "multi-probe",
    "LOCAL": "local-first",
}
# Not a choice of worker by path: it hands out workers round and round over all calls, so that nothing would be found
# again where it was cached.
_REFUSED_POLICY = "REMOTE_ONLY"
_WRITE_TYPES = ("THROUGH", "CACHE_THROUGH")


@define(frozen=True)
class Options:
    """What the properties say; ``None`` and nothing for what they do not.

    Parameters
    ----------
    page_size:
        Bytes.
    policy:
        The name of the policy.
    policy_settings:
        By the name of the policy, then of its setting.
    replicas:
        Workers tried for one path.
    ufs_root:
        URL of the under store behind the cluster.
    """

    page_size: Optional[Size] = None
    policy: Optional[str] = None
    policy_settings: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    replicas: Optional[int] = None
    ufs_root: Optional[str] = None


def parse_options(options: Mapping[str, Any]) -> Options:
    """What the properties say.

    Raises
    ------
    ConfigurationError
        For a value that cannot be used.
    UnknownSettingError
        For a name that does not begin with ``alluxio.``.

    Warns
    -----
    UserWarning
        For a property of Alluxio that has no meaning here.
    """
    found: Dict[str, Any] = {}
    of_policies: Dict[str, Dict[str, Any]] = {}
    for name, value in options.items():
        where = f"option {name!r}"
        if name in _POLICY_SETTINGS:
            policy, setting, parse = _POLICY_SETTINGS[name]
            of_policies.setdefault(policy, {})
            parsed = parse(value, where)
            if of_policies[policy].setdefault(setting, parsed) != parsed:
                both = " and ".join(
                    repr(other) for other in options if _POLICY_SETTINGS.get(other, "")[:2] == (policy, setting)
                )
                raise ConfigurationError(f"options {both} are the same property and say different things")
        elif name in _PROPERTIES:
            field, parse = _PROPERTIES[name]
            found[field] = parse(value, where)
        elif name == _WRITE_TYPE:
            _check_write_type(value, where)
        elif name.startswith("alluxio."):
            known = (*_PROPERTIES, *_POLICY_SETTINGS, _WRITE_TYPE)
            argument = _ARGUMENTS.get(name)
            hint = nearest(name, known) if argument is None else f"; use the argument {argument!r}"
            warnings.warn(f"{where} has no meaning here and is ignored{hint}", stacklevel=level_of_caller())
        else:
            raise UnknownSettingError(
                f"unknown {where}: options are Alluxio's properties, whose names begin with 'alluxio.'"
                f"{nearest(name, (*_PROPERTIES, *_POLICY_SETTINGS))}. Options of the under store's client go into "
                "target_options"
            )
    return Options(policy_settings=of_policies, **found)


def _page_size(value: Any, where: str) -> Size:
    size: Size = convert(value, Size, where)
    if size < 1:
        raise ConfigurationError(f"{where}: {shown(value)} is no page size; it is at least one byte, such as '1MB'")
    return size


def _at_least_one(value: Any, where: str) -> int:
    number: int = convert(value, int, where)
    if number < 1:
        raise ConfigurationError(f"{where}: {number} is too little; it is at least 1")
    return number


def _replicas(value: Any, where: str) -> int:
    number: int = convert(value, int, where)
    if number < 0:
        raise ConfigurationError(f"{where}: {number} is negative")
    return max(1, number)  # as Alluxio: 0 stands for one worker a path


def _text(value: Any, where: str) -> str:
    text: str = convert(value, str, where)
    return text


def _policy(value: Any, where: str) -> str:
    name = _text(value, where).strip().upper()
    if name == _REFUSED_POLICY:
        raise ConfigurationError(
            f"{where}: {_REFUSED_POLICY} is refused: it gives a path to another worker at each call, so that nothing "
            f"is read from where it was cached; take one of {', '.join(_POLICIES)}"
        )
    if name not in _POLICIES:
        raise ConfigurationError(
            f"{where}: {shown(value)} is not a policy of Alluxio{nearest(name, _POLICIES)} "
            f"(there are: {', '.join(_POLICIES)}). Others are chosen with the argument 'policy'"
        )
    return _POLICIES[name]


def _ufs_root(value: Any, where: str) -> str:
    root = _text(value, where).strip()
    scheme, separator, rest = root.partition("://")
    if root.startswith("/"):
        return f"file://{root}"
    if not separator or not scheme:
        raise ConfigurationError(
            f"{where}: {shown(value)} is neither a URL such as 's3://bucket/folder' nor a local path"
        )
    return f"{scheme.lower()}://{rest}"


def _check_write_type(value: Any, where: str) -> None:
    name = _text(value, where).strip().upper()
    if name not in _WRITE_TYPES:
        raise ConfigurationError(
            f"{where}: {shown(value)} is refused: a write that returned could be lost with a worker. A write here is "
            f"in the under store when it returns, which {' and '.join(_WRITE_TYPES)} mean"
        )


_WRITE_TYPE = "alluxio.user.file.writetype.default"

_ARGUMENTS = {
    "alluxio.cluster.name": "cluster_name",
    "alluxio.etcd.password": "etcd_password",
    "alluxio.etcd.username": "etcd_username",
    "alluxio.worker.http.server.port": "worker_http_port",
}
"""What alluxiofs 1.0 took from here, too."""

_PROPERTIES: Dict[str, Tuple[str, Callable[[Any, str], Any]]] = {
    "alluxio.worker.page.store.page.size": ("page_size", _page_size),
    "alluxio.user.file.replication.min": ("replicas", _replicas),
    "alluxio.dora.client.ufs.root": ("ufs_root", _ufs_root),
    _POLICY: ("policy", _policy),
}

_POLICY_SETTINGS: Dict[str, Tuple[str, str, Callable[[Any, str], Any]]] = {
    f"{_POLICY}.consistent.hash.virtual.node.count.per.worker": ("consistent-hash", "virtual_nodes", _at_least_one),
    "alluxio.user.consistent.hash.virtual.node.count.per.worker": ("consistent-hash", "virtual_nodes", _at_least_one),
    "alluxio.user.ketama.hash.replicas": ("ketama", "replicas", _at_least_one),
    "alluxio.user.maglev.hash.lookup.size": ("maglev", "table_size", _at_least_one),
    "alluxio.user.multi.probe.hash.probe.num": ("multi-probe", "probes", _at_least_one),
    "alluxio.user.hostname": ("local-first", "hostname", _text),
}
