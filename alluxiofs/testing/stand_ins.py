"""The stand-ins as a plugin, to be chosen by their names: ``plugins=[alluxiofs.testing.stand_ins]``."""

from __future__ import annotations

from typing import Sequence, Type

from alluxiofs.hookspecs import hookimpl
from alluxiofs.interfaces import Membership, Telemetry, Transport
from alluxiofs.testing.in_process_transport import InProcessTransport
from alluxiofs.testing.recording_telemetry import RecordingTelemetry
from alluxiofs.testing.scripted_membership import ScriptedMembership

__all__ = ["alluxiofs_memberships", "alluxiofs_telemetry", "alluxiofs_transports"]


@hookimpl
def alluxiofs_memberships() -> Sequence[Type[Membership]]:
    """The membership ``scripted``."""
    return [ScriptedMembership]


@hookimpl
def alluxiofs_transports() -> Sequence[Type[Transport]]:
    """The transport ``in-process``."""
    return [InProcessTransport]


@hookimpl
def alluxiofs_telemetry() -> Sequence[Type[Telemetry]]:
    """The telemetry ``recording``."""
    return [RecordingTelemetry]
