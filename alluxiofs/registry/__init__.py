"""Which components there are, where they come from, and how one is chosen and made.

What there is as data is in :mod:`alluxiofs.registry.listing`.
"""

from __future__ import annotations

from alluxiofs.registry.building import Builder, make_policy, silent_telemetry
from alluxiofs.registry.choosing import Chosen, choose
from alluxiofs.registry.points import POINTS, Point, point_named
from alluxiofs.registry.registry import Registry, registry_for

__all__ = [
    "POINTS",
    "Builder",
    "Chosen",
    "Point",
    "Registry",
    "choose",
    "make_policy",
    "point_named",
    "registry_for",
    "silent_telemetry",
]
