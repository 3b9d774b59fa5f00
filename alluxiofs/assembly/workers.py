"""From arguments to the membership and the transport."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from alluxiofs.errors import ConfigurationError
from alluxiofs.plugins.worker_hosts import parse_workers
from alluxiofs.registry import Chosen, Registry, choose, point_named
from alluxiofs.settings import Choice, HiddenDict, Settings

__all__ = ["choose_membership", "choose_transport"]


def _static(settings: Settings) -> Dict[str, Any]:
    return {"workers": parse_workers(settings.worker_hosts, settings.worker_http_port, settings.worker_data_port)}


_DISCOVERIES: Mapping[str, Tuple[str, Callable[[Settings], Dict[str, Any]]]] = {
    "worker_hosts": ("static", _static),
    "load_balance_domain": (
        "dns",
        lambda settings: {
            "domain": settings.load_balance_domain,
            "http_port": settings.worker_http_port,
            "data_port": settings.worker_data_port,
        },
    ),
    "etcd_hosts": (
        "etcd",
        lambda settings: {
            "hosts": settings.etcd_hosts,
            "port": settings.etcd_port,
            "username": settings.etcd_username,
            "password": settings.etcd_password,
            "tls": settings.etcd_tls,
            "cluster_name": settings.cluster_name,
        },
    ),
}
"""What each argument that says how workers are found stands for: a membership, and its settings."""


def choose_membership(settings: Settings, registry: Registry) -> Optional[Chosen]:
    """The membership that the arguments name; ``None`` if they name no workers.

    Raises
    ------
    ConfigurationError
        If ``membership`` and another argument name two of them.
    """
    choice = settings.membership
    for argument, (name, settings_of) in _DISCOVERIES.items():
        if getattr(settings, argument) is None:
            continue
        implied = settings_of(settings)
        if choice is not None and choice.name != name:
            other = "an object" if choice.name is None else repr(choice.name)
            raise ConfigurationError(
                f"argument {argument!r} stands for membership {name!r}, and argument 'membership' is {other}: workers "
                "are found in one way only"
            )
        choice = Choice(name, HiddenDict({**implied, **(choice.settings if choice else {})}))
    if choice is None:
        return None
    ports = {"http_port": settings.worker_http_port, "data_port": settings.worker_data_port}
    return choose(registry, point_named("membership"), choice, ports)


def choose_transport(settings: Settings, registry: Registry, workers: bool) -> Chosen:
    """The transport that the arguments name: without one ``alluxio`` if there are workers, else ``direct``."""
    choice = settings.transport or Choice("alluxio" if workers else "direct")
    offered = {
        "scheme": settings.scheme,
        "ca_certs": settings.ca_certs,
        "client_cert": settings.client_cert,
        "headers": settings.headers,
        "max_connections": settings.max_connections,
        "load_on_miss": settings.load_on_miss,
        "page_size": settings.page_size,
    }
    chosen = choose(registry, point_named("transport"), choice, offered)
    if chosen.capabilities.workers and not workers:
        raise ConfigurationError(
            f"transport {chosen.cls.name!r} speaks to workers, and none are named: use 'worker_hosts', "
            "'load_balance_domain', 'etcd_hosts' or 'membership'"
        )
    return chosen
