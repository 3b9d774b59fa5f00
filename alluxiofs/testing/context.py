"""What a component is made with, for tests that have no filesystem around it."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Optional

from alluxiofs.interfaces import Context, Telemetry

__all__ = ["make_context"]


def _cannot_build(point: str, choice: Any, **_: Any) -> Any:
    raise NotImplementedError(f"no {point} {choice!r} can be built here: this context has no plugins behind it")


def make_context(
    telemetry: Optional[Telemetry] = None,
    clock: Callable[[], float] = time.time,
    build: Callable[..., Any] = _cannot_build,
) -> Context:
    """A context as the assembly gives one, with the parts that a test cares for.

    Parameters
    ----------
    telemetry:
        One that does nothing, if left out.
    clock:
        Seconds since the epoch.
    build:
        What ``context.build`` does; it fails if left out.
    """
    if telemetry is None:
        telemetry = Telemetry(Telemetry.Settings(), None)  # type: ignore[arg-type]  # it records nothing, not even here
    return Context(logging.getLogger("alluxiofs.testing"), telemetry, clock, build)
