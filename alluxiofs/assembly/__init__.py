"""Settings and plugins become a gateway."""

from __future__ import annotations

from alluxiofs.assembly.assembling import gateway_for

__all__ = ["gateway_for"]
