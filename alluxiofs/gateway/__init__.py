"""The assembled read and write path: locations, pages, versions, replicas, failover, fallback.

Names are imported when they are first used: the class that fsspec imports needs the threads alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alluxiofs.gateway.gateway import Gateway
    from alluxiofs.gateway.parts import Limits, Metadata, Mount, Parts
    from alluxiofs.gateway.reading import OpenFile

__all__ = ["Gateway", "Limits", "Metadata", "Mount", "OpenFile", "Parts"]

_WHERE = {
    "Gateway": "gateway",
    "Limits": "parts",
    "Metadata": "parts",
    "Mount": "parts",
    "OpenFile": "reading",
    "Parts": "parts",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
