"""Which operation something is a part of, for telemetry that traces."""

from __future__ import annotations

import contextlib
from contextvars import Context, ContextVar, copy_context
from typing import Iterator

from alluxiofs.interfaces import Telemetry

__all__ = ["apart", "is_within", "operation"]

_within: ContextVar[bool] = ContextVar("alluxiofs_within_an_operation", default=False)

is_within = _within.get
"""Whether this is a part of an operation that has a span."""


@contextlib.contextmanager
def operation(telemetry: Telemetry, name: str) -> Iterator[None]:
    """A span for an operation, but for one that is a part of another."""
    if not telemetry.traces or is_within():
        yield
        return
    token = _within.set(True)
    try:
        with telemetry.span(name):
            yield
    finally:
        _within.reset(token)


def apart() -> Context:
    """What to run something in that may outlast the operation in which it begins: it is none of its parts, and yet told
    of as begun there."""
    context = copy_context()
    context.run(_within.set, False)
    return context
