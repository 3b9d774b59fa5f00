"""What a gateway is assembled from."""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Tuple

import attrs
from attrs import define

from alluxiofs.interfaces import (
    Membership,
    PageStore,
    Telemetry,
    Transport,
    UnderStore,
    WorkerPolicy,
    Workers,
)
from alluxiofs.settings.secrets import hidden_text

if TYPE_CHECKING:
    from alluxiofs.gateway.gateway import Gateway

__all__ = ["Limits", "Metadata", "Mount", "Parts"]


class Metadata(enum.Enum):
    """Whom to believe about what a file is."""

    AUTO = "auto"
    WORKER = "worker"
    UNDER_STORE = "under_store"


@define(frozen=True)
class Limits:
    """The numbers that bound what a gateway does; see the arguments of these names in the documentation.

    Parameters
    ----------
    replicas:
        Workers tried before the under store.
    fallback:
        Whether to go to the under store when the workers fail.
    metadata, metadata_ttl, metadata_capacity:
        Whose stat decides, for how many seconds one is believed, and how many bytes those that are may take.
    timeout, deadline:
        Seconds an attempt may go without a byte; seconds an operation may go without progress.
    retries:
        More attempts after the last in line.
    """

    replicas: int = 2
    fallback: bool = True
    metadata: Metadata = Metadata.AUTO
    metadata_ttl: float = 10.0
    metadata_capacity: int = 64 * 2**20
    timeout: float = 30.0
    deadline: float = 60.0
    retries: int = 2


@define(frozen=True)
class Mount:
    """One under store and the URL prefix that leads to it; the empty prefix is the default store's.

    ``prefix`` is canonical: no slash at its end.
    """

    prefix: str = attrs.field(repr=lambda prefix: repr(hidden_text(prefix)))
    store: UnderStore


@define(frozen=True)
class Parts:
    """The components of one gateway, made by the assembly.

    Parameters
    ----------
    mounts:
        The under stores. Empty: names are full URLs, and there is nothing to fall back to.
    transport, membership:
        ``membership`` is ``None`` for a transport without workers.
    policy:
        Makes the policy for a snapshot of workers.
    page_store:
        ``None``: no pages are kept.
    page_size:
        Bytes.
    telemetry:
        One object; several are joined before they come here.
    logger:
        The package's, or the user's.
    describe:
        The description of what was assembled, without what only the gateway knows.
    remake:
        Gives the gateway of these parts' settings in this process: how an open file finds a new one after a fork.
    """

    mounts: Tuple[Mount, ...]
    transport: Transport
    policy: Callable[[Workers], WorkerPolicy]
    telemetry: Telemetry
    page_size: int
    logger: logging.Logger
    membership: Optional[Membership] = None
    page_store: Optional[PageStore] = None
    describe: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    remake: Optional[Callable[[], Gateway]] = attrs.field(default=None, repr=False)
