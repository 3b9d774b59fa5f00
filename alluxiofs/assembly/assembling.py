"""Settings and registry become a gateway: the only place where hooks are called.

Nothing here connects, starts a thread or touches a file; components do that with their first operation.
"""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from attrs import define

from alluxiofs.assembly.description import Description, describe_component
from alluxiofs.assembly.sharing import Shared
from alluxiofs.assembly.stores import ChosenStore, choose_stores, warn_of_another_root
from alluxiofs.assembly.telemetry import JoinedTelemetry
from alluxiofs.assembly.workers import choose_membership, choose_transport
from alluxiofs.errors import ConfigurationError
from alluxiofs.gateway import Gateway, Limits, Metadata, Mount, Parts
from alluxiofs.interfaces import Component, Location, PageStore, Telemetry, UnderStore, WorkerPolicy, Workers
from alluxiofs.logs import LOGGER_NAME, LogConfig, setup_logger
from alluxiofs.registry import Builder, Chosen, Registry, choose, point_named, registry_for, silent_telemetry
from alluxiofs.settings import Automatic, Choice, Settings
from alluxiofs.settings.canonical import canonical
from alluxiofs.settings.secrets import hidden_text

__all__ = ["gateway_for"]

_ON_THIS_MACHINE = frozenset({"file", "local", "memory"})
# What is in another file, or in the URL: when that has changed cannot be told, so that no page is found again.
_IN_SOMETHING_ELSE = frozenset({"data", "git", "libarchive", "reference", "tar", "zip"})
# What a filesystem that is named by its protocol stands in front of is not known; of a ready one it is.
_IN_FRONT_OF_ANOTHER = frozenset({"dask", "dir"})

_shared = Shared()


def gateway_for(settings: Settings) -> Gateway:
    """See :func:`alluxiofs.assembly.gateway_for`."""
    return _shared.gateway(settings.key, functools.partial(_assemble, settings))


@define(frozen=True)
class _Selection:
    """All components of a gateway, chosen and checked, none made yet."""

    stores: Tuple[ChosenStore, ...]
    membership: Optional[Chosen]
    transport: Chosen
    policy: Chosen
    page_store: Optional[Chosen]
    telemetry: Tuple[Chosen, ...]


def _select(settings: Settings, registry: Registry) -> _Selection:
    stores = choose_stores(settings, registry)
    membership = choose_membership(settings, registry)
    transport = choose_transport(settings, registry, workers=membership is not None)
    if not stores and not transport.capabilities.workers:
        raise ConfigurationError(
            "no under store and no workers are named, so there is nothing to read from: use 'target_protocol', 'fs', "
            "'under_stores' or 'worker_hosts'"
        )
    policy = choose(registry, point_named("policy"), settings.policy)
    telemetry = tuple(choose(registry, point_named("telemetry"), choice) for choice in settings.telemetry)
    # Without a word of the user it depends on the under stores, which are not made yet.
    wanted = None if isinstance(settings.page_store, Automatic) else settings.page_store
    page_store = None if wanted is None else choose(registry, point_named("page_store"), wanted)
    return _Selection(stores, membership, transport, policy, page_store, telemetry)


def _assemble(settings: Settings) -> Tuple[Gateway, Sequence[Component]]:
    registry = registry_for(settings.plugins, settings.disable_plugins)
    selection = _select(settings, registry)
    logger = _logger(settings)
    silent = silent_telemetry(registry, logger)
    members = [_shared_telemetry(chosen, Builder(registry, logger, silent)) for chosen in selection.telemetry]
    telemetry: Telemetry = JoinedTelemetry(members, logger) if members else silent
    builder = Builder(registry, logger, telemetry)

    mounts = tuple(Mount(store.prefix, _make_store(store, builder)) for store in selection.stores)
    warn_of_another_root(settings, [mount.store for mount in mounts])
    kept = selection.page_store
    if settings.page_store is Automatic.AUTOMATIC:
        kept = _default_page_store(registry, selection, mounts)
    page_store = None if kept is None else _shared_page_store(kept, builder, settings.page_size)
    transport = builder.make(selection.transport, store_of=_StoreOf(mounts))
    membership = builder.make(selection.membership) if selection.membership else None
    if membership is not None:
        transport.meet(lambda: membership.known().workers)

    made = [
        (selection.transport, transport),
        (selection.membership, membership),
        (kept, page_store),
        *zip(selection.telemetry, members),
        *((store.chosen, mount.store) for store, mount in zip(selection.stores, mounts)),
    ]
    parts = Parts(
        mounts=mounts,
        transport=transport,
        policy=_PolicyFor(selection.policy, builder),
        telemetry=telemetry,
        page_size=int(settings.page_size),
        logger=logger,
        membership=membership,
        page_store=page_store,
        describe=_describe(selection, mounts, transport, membership, kept, page_store, members),
        remake=functools.partial(gateway_for, settings),
    )
    # What a user gave is the user's to close.
    own = [component for chosen, component in made if chosen is not None and component and chosen.given is None]
    return Gateway(parts, _limits(settings)), own


def _limits(settings: Settings) -> Limits:
    return Limits(
        replicas=settings.replicas,
        fallback=settings.fallback,
        metadata=Metadata(settings.metadata),
        metadata_ttl=settings.metadata_ttl,
        metadata_capacity=settings.metadata_capacity,
        timeout=settings.timeout,
        deadline=settings.deadline,
        retries=settings.retries,
    )


def _logger(settings: Settings) -> logging.Logger:
    if settings.logger is None:
        return logging.getLogger(LOGGER_NAME)
    if isinstance(settings.logger, LogConfig):
        return setup_logger(settings.logger)
    logger: logging.Logger = settings.logger
    return logger


# --- components -------------------------------------------------------------------------------------------------


class _StoreOf:
    """Which under store owns a location: what transports are given."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        self._stores = {mount.prefix: mount.store for mount in mounts}

    def __call__(self, location: Location) -> UnderStore:
        try:
            return self._stores[location.store]
        except KeyError:
            raise ConfigurationError(f"no under store is configured for {location.url!r}") from None


@define(frozen=True)
class _PolicyFor:
    """Gives the policy for a snapshot of workers: one for all gateways of the process that have the same, for a ring of
    many workers takes a tenth of a second, and megabytes."""

    chosen: Chosen
    builder: Builder

    def __call__(self, workers: Workers) -> WorkerPolicy:
        key = (self.chosen.cls, canonical(self.chosen.settings), workers)
        return _shared.component(key, lambda: self._made(workers))

    def _made(self, workers: Workers) -> WorkerPolicy:
        policy: WorkerPolicy = self.builder.make(self.chosen, workers=workers)
        return policy


def _make_store(store: ChosenStore, builder: Builder) -> UnderStore:
    made: UnderStore = builder.make(store.chosen, target=store.target)
    return made


def _shared_telemetry(chosen: Chosen, builder: Builder) -> Telemetry:
    key = (chosen.cls, canonical(chosen.settings))
    made: Any = chosen.given or _shared.component(key, lambda: builder.make(chosen))
    telemetry: Telemetry = made
    return telemetry


def _shared_page_store(chosen: Chosen, builder: Builder, page_size: int) -> PageStore:
    key = (chosen.cls, canonical(chosen.settings), page_size)
    made: Any = chosen.given or _shared.component(key, lambda: builder.make(chosen, page_size=page_size))
    page_store: PageStore = made
    if page_store.page_size != page_size:
        raise ConfigurationError(
            f"argument 'page_store': the object has pages of {page_store.page_size} bytes, and the option "
            f"'alluxio.worker.page.store.page.size' is {page_size}"
        )
    return page_store


def _default_page_store(registry: Registry, selection: _Selection, mounts: Sequence[Mount]) -> Optional[Chosen]:
    """Pages on disk take the place of workers that are not there, if the data is not on this machine anyway."""
    if selection.membership is not None or not any(_is_worth_keeping(mount.store) for mount in mounts):
        return None
    # On Windows a file that is open cannot be replaced or removed, which the store on disk relies on.
    return choose(registry, point_named("page_store"), Choice("memory" if sys.platform == "win32" else "disk"))


def _is_worth_keeping(store: UnderStore) -> bool:
    """Whether pages of a store are found again by whoever opens its files next, and cost more to read anew."""
    protocol = store.target.protocol
    in_front = protocol in _IN_FRONT_OF_ANOTHER and store.target.client is None
    return store.capabilities.remote and not (in_front or protocol in _ON_THIS_MACHINE | _IN_SOMETHING_ELSE)


# --- description ------------------------------------------------------------------------------------------------


def _describe(
    selection: _Selection,
    mounts: Sequence[Mount],
    transport: Component,
    membership: Optional[Component],
    kept: Optional[Chosen],
    page_store: Optional[Component],
    telemetry: List[Telemetry],
) -> Description:
    def one(chosen: Optional[Chosen], component: Optional[Component] = None) -> Callable[[], Any]:
        return (lambda: None) if chosen is None else describe_component(chosen, component)

    def protocol(store: ChosenStore) -> Dict[str, Any]:
        return {} if store.target is None else {"protocol": store.target.protocol}

    stores = {
        mount.prefix: describe_component(store.chosen, mount.store, protocol(store))
        for store, mount in zip(selection.stores, mounts)
    }
    recorders = [one(chosen, component) for chosen, component in zip(selection.telemetry, telemetry)]
    default = stores.pop("", one(None))
    members: Dict[str, Callable[[], Any]] = {
        "policy": one(selection.policy),
        "membership": one(selection.membership, membership),
        "transport": one(selection.transport, transport),
        "under_store": default,
        "under_stores": lambda: {hidden_text(prefix): describe() for prefix, describe in stores.items()},
        "page_store": one(kept, page_store),
        "telemetry": lambda: [describe() for describe in recorders],
    }
    return Description(members)
