"""The telemetry of those who want none."""

from __future__ import annotations

from alluxiofs.interfaces import Telemetry

__all__ = ["NoTelemetry"]


class NoTelemetry(Telemetry):
    """Records nothing: the default."""

    name = "none"
