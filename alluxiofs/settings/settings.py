"""All arguments of a filesystem as one frozen value."""

from __future__ import annotations

import enum
import os
from typing import Any, Dict, Hashable, Mapping, Optional, Tuple, Union

import attrs
from attrs import define

from alluxiofs.errors import ConfigurationError, UnknownSettingError, nearest
from alluxiofs.settings.arguments import ARGUMENTS, UnderStoreArgument
from alluxiofs.settings.canonical import canonical
from alluxiofs.settings.choices import Choice
from alluxiofs.settings.hints import of_argument
from alluxiofs.settings.options import Options
from alluxiofs.settings.removed import REMOVED, RENAMED, warn_of_removed, warn_of_renamed
from alluxiofs.settings.secrets import HiddenDict, Secret, hidden
from alluxiofs.settings.types import Seconds, Size

__all__ = ["DISABLE_PLUGINS", "FSSPEC_ARGUMENTS", "Automatic", "Settings"]

DISABLE_PLUGINS = "ALLUXIOFS_DISABLE_PLUGINS"
"""The environment variable with names of plugins to block."""

FSSPEC_ARGUMENTS = frozenset(
    {
        "asynchronous",
        "batch_size",
        "fo",
        "listings_expiry_time",
        "loop",
        "max_paths",
        "skip_instance_cache",
        "use_listings_cache",
    }
)
"""What fsspec passes to any filesystem. None of it changes what is assembled (listings live for ``metadata_ttl``)."""

_POLICY = Choice("consistent-hash")
_DISCOVERIES = ("worker_hosts", "load_balance_domain", "etcd_hosts")


class Automatic(enum.Enum):
    """The user said nothing, and what is right depends on the rest."""

    AUTOMATIC = "automatic"


@define(frozen=True, eq=False)
class Settings:
    """Every argument of a filesystem, converted and checked. Secrets are hidden in its ``repr``.

    The attributes are the arguments of the documentation, but for ``options``, which have gone into the others, and
    ``page_size`` and ``ufs_root``, which come from there. Two settings are equal if their arguments are.
    """

    target_protocol: Optional[str] = None
    target_options: Mapping[str, Any] = attrs.field(factory=HiddenDict)
    fs: Any = attrs.field(default=None, repr=lambda fs: type(fs).__name__)
    under_store: Optional[Choice] = None
    under_stores: Mapping[str, UnderStoreArgument] = attrs.field(factory=dict, repr=lambda stores: repr(hidden(stores)))
    worker_hosts: Any = attrs.field(default=None, repr=lambda hosts: repr(hidden(hosts)))
    load_balance_domain: Optional[str] = None
    etcd_hosts: Optional[Tuple[str, ...]] = attrs.field(default=None, repr=lambda hosts: repr(hidden(hosts)))
    etcd_port: int = 2379
    etcd_username: Optional[str] = None
    etcd_password: Optional[Secret] = None
    etcd_tls: Mapping[str, str] = attrs.field(factory=HiddenDict)
    cluster_name: str = "DefaultAlluxioCluster"
    worker_http_port: int = 28080
    worker_data_port: int = 29998
    scheme: str = "http"
    ca_certs: Optional[str] = None
    client_cert: Optional[Tuple[str, ...]] = None
    headers: Mapping[str, str] = attrs.field(factory=HiddenDict, repr=lambda headers: repr(sorted(headers)))
    policy: Choice = _POLICY
    membership: Optional[Choice] = None
    transport: Optional[Choice] = None
    page_store: Union[Choice, Automatic, None] = Automatic.AUTOMATIC
    telemetry: Tuple[Choice, ...] = ()
    page_size: Size = attrs.field(default=Size("1MB"))
    ufs_root: Optional[str] = attrs.field(default=None, repr=lambda root: repr(hidden(root)))
    replicas: int = 2
    fallback: bool = True
    metadata: str = "auto"
    metadata_ttl: Seconds = attrs.field(default=Seconds(10))
    metadata_capacity: Size = attrs.field(default=Size("64MB"))
    timeout: Seconds = attrs.field(default=Seconds(30))
    deadline: Seconds = attrs.field(default=Seconds(60))
    retries: int = 2
    max_connections: int = 32
    load_on_miss: bool = False
    plugins: Tuple[Any, ...] = ()
    disable_plugins: Tuple[str, ...] = ()
    logger: Any = None

    key: Hashable = attrs.field(init=False, repr=False)
    """Hashable, and equal for equal settings: what filesystems of one configuration are shared under."""

    @key.default
    def _key(self) -> Hashable:
        return tuple(canonical(getattr(self, name)) for name in _FIELDS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @classmethod
    def parse(cls, **arguments: Any) -> Settings:
        """The settings that keyword arguments say.

        An argument that is ``None`` is one that was not given, but for ``page_store``, where it means none.

        Raises
        ------
        UnknownSettingError
            For an argument that does not exist; the message has the nearest name.
        SettingTypeError
            For a value of the wrong type.
        ConfigurationError
            For a value that cannot be used, or two arguments that exclude each other.

        Warns
        -----
        FutureWarning
            For an argument of alluxiofs 1.0 or 1.1 that is no longer there.
        """
        values: Dict[str, Any] = {}
        for name, value in _with_renamed(arguments).items():
            parse = ARGUMENTS.get(name)
            if parse is None:
                if value is not None or name not in REMOVED:
                    _not_an_argument(name)
            elif name == "page_store" and _is_none(value):
                values[name] = None
            elif value is not None:
                values[name] = parse(value, f"argument {name!r}")
        options: Options = values.pop("options", None) or Options()
        _apply_options(values, options)
        _check_together(values)
        blocked = [name.strip() for name in os.environ.get(DISABLE_PLUGINS, "").split(",") if name.strip()]
        if blocked:
            values["disable_plugins"] = tuple(dict.fromkeys((*values.get("disable_plugins", ()), *blocked)))
        return cls(**values)


_FIELDS = tuple(field.name for field in attrs.fields(Settings) if field.init)


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in ("none", ""))


def _with_renamed(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments, those of alluxiofs 1 that are options now among the options."""
    renamed = {name: value for name, value in arguments.items() if name in RENAMED and value is not None}
    options = arguments.get("options") or {}
    if not renamed or not isinstance(options, Mapping):
        return {name: value for name, value in arguments.items() if name not in RENAMED}
    for name, value in renamed.items():
        warn_of_renamed(name)
        options = {RENAMED[name]: value, **options}
    return {**{name: value for name, value in arguments.items() if name not in RENAMED}, "options": options}


def _not_an_argument(name: str) -> None:
    if name in REMOVED:
        warn_of_removed(name)
    elif name not in FSSPEC_ARGUMENTS:
        hint = of_argument(name) or (
            f"{nearest(name, ARGUMENTS)} (options of the under store's client go into target_options)"
        )
        raise UnknownSettingError(f"unknown argument {name!r}{hint}")


def _apply_options(values: Dict[str, Any], options: Options) -> None:
    """Put in what the options say where no argument says it."""
    if options.page_size is not None:
        values["page_size"] = options.page_size
    if options.replicas is not None:
        values.setdefault("replicas", options.replicas)
    if options.policy is not None:
        values.setdefault("policy", Choice(options.policy))
    policy: Choice = values.get("policy", _POLICY)
    if policy.name is not None and policy.name in options.policy_settings:
        settings = HiddenDict({**options.policy_settings[policy.name], **policy.settings})
        values["policy"] = Choice(policy.name, settings)
    named = ("target_protocol", "fs", "under_store", "under_stores")
    if options.ufs_root is not None:
        values["ufs_root"] = options.ufs_root
        if not any(name in values for name in named):
            values["target_protocol"] = options.ufs_root.partition("://")[0]


def _check_together(values: Mapping[str, Any]) -> None:
    if "fs" in values:
        for other in ("target_protocol", "target_options"):
            if values.get(other):
                raise ConfigurationError(f"arguments 'fs' and {other!r} exclude each other: 'fs' is the under store")
    if values.get("target_options") and not ("target_protocol" in values or "under_store" in values):
        raise ConfigurationError(
            "argument 'target_options' needs 'target_protocol', which says what client they are for"
        )
    given = [name for name in _DISCOVERIES if name in values]
    if len(given) > 1:
        raise ConfigurationError(f"arguments {' and '.join(map(repr, given))}: workers are found in one way only")
