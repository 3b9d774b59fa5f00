"""The extension points by the words that users and messages have for them."""

from __future__ import annotations

from typing import Any, Tuple, Type

from attrs import define

from alluxiofs.interfaces import Membership, PageStore, Telemetry, Transport, UnderStore, WorkerPolicy

__all__ = ["POINTS", "Point", "point_named"]


@define(frozen=True)
class Point:
    """One extension point.

    Parameters
    ----------
    name:
        As in ``describe()`` and ``context.build``.
    hook:
        The hook that gives its classes.
    interface:
        What its classes derive from.
    words:
        In a sentence: ``"worker policy"``.
    """

    name: str
    hook: str
    interface: Type[Any]
    words: str


POINTS: Tuple[Point, ...] = (
    Point("policy", "alluxiofs_worker_policies", WorkerPolicy, "worker policy"),
    Point("membership", "alluxiofs_memberships", Membership, "membership"),
    Point("transport", "alluxiofs_transports", Transport, "transport"),
    Point("under_store", "alluxiofs_under_stores", UnderStore, "under store"),
    Point("page_store", "alluxiofs_page_stores", PageStore, "page store"),
    Point("telemetry", "alluxiofs_telemetry", Telemetry, "telemetry"),
)
"""All of them."""

_BY_NAME = {point.name: point for point in POINTS}


def point_named(name: str) -> Point:
    """The point of this name; ``KeyError`` if there is none."""
    return _BY_NAME[name]
