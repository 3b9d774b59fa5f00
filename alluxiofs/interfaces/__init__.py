"""What a plugin implements, one module an extension point, and the values that pass between them.

A plugin author reads :mod:`alluxiofs.hookspecs` first, then the module of the point in question.
"""

from __future__ import annotations

from alluxiofs.interfaces.claims import Claim, Claims
from alluxiofs.interfaces.component import INTERFACE_VERSION, Component, Context, Deadline, secret
from alluxiofs.interfaces.loading import LoadJobs, LoadOptions, LoadProgress, LoadState
from alluxiofs.interfaces.membership import Membership, Snapshot
from alluxiofs.interfaces.page_store import KeptFile, KeptPage, PageStore
from alluxiofs.interfaces.policy import WorkerPolicy
from alluxiofs.interfaces.telemetry import Call, Event, Telemetry, recorded, state_of
from alluxiofs.interfaces.transport import Examined, Transport, TransportCapabilities
from alluxiofs.interfaces.under_store import Target, UnderStore, UnderStoreCapabilities, Writer
from alluxiofs.interfaces.values import Entry, Location, Version, Worker, WorkerIdentity, Workers

__all__ = [
    "INTERFACE_VERSION",
    "Call",
    "Claim",
    "Claims",
    "Component",
    "Context",
    "Deadline",
    "Entry",
    "Event",
    "Examined",
    "KeptFile",
    "KeptPage",
    "LoadJobs",
    "LoadOptions",
    "LoadProgress",
    "LoadState",
    "Location",
    "Membership",
    "PageStore",
    "Snapshot",
    "Target",
    "Telemetry",
    "Transport",
    "TransportCapabilities",
    "UnderStore",
    "UnderStoreCapabilities",
    "Version",
    "Worker",
    "WorkerIdentity",
    "WorkerPolicy",
    "Workers",
    "Writer",
    "recorded",
    "secret",
    "state_of",
]
