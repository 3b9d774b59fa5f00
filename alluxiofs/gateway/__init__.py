"""The assembled read and write path: locations, pages, versions, replicas, failover, fallback."""

from __future__ import annotations

from alluxiofs.gateway.gateway import Gateway
from alluxiofs.gateway.parts import Limits, Metadata, Mount, Parts
from alluxiofs.gateway.reading import OpenFile

__all__ = ["Gateway", "Limits", "Metadata", "Mount", "OpenFile", "Parts"]
