"""What all components share: a name, settings, a context, a life.

A component is a class that a plugin gives out of a hook. It is made by the assembly, once per distinct settings and
process, and used from many threads at once.

Life
----
``__init__(…, settings, context)`` opens nothing: no connection, no thread, no file. The first operation does.
``close()`` gives back what is held and may be called twice; nothing is called after it. After a fork the child never
touches the parent's component: the assembly makes a new one there, and the old one is dropped without ``close()``.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Optional

import attrs
from attrs import define

from alluxiofs.errors import DeadlineExceededError

if TYPE_CHECKING:
    from alluxiofs.interfaces.telemetry import Telemetry

__all__ = ["INTERFACE_VERSION", "Component", "Context", "Deadline", "secret"]

INTERFACE_VERSION = 1
"""The version of the interfaces in this package. A plugin class may say ``interface_version = 1``: what it was written
for. Registration refuses one that this package does not know, and says what to install."""

SECRET = "alluxiofs.secret"
_PROGRESS = 2**20


def secret(default: Any = attrs.NOTHING) -> Any:
    """An attrs field for a ``Settings`` class whose value is shown nowhere: no repr, log, error or ``describe()``."""
    return attrs.field(
        default=default, repr=lambda value: "None" if value is None else "'***'", metadata={SECRET: True}
    )


@define(eq=False)
class Deadline:
    """How long one operation may go on without getting anywhere.

    Parameters
    ----------
    at:
        The ``time.monotonic()`` value at which it ends.
    stall:
        Seconds that a wait within it may go without a byte.
    span:
        Seconds from the last progress to the end.
    """

    at: float
    stall: float
    span: float
    _whole: Optional[Deadline] = attrs.field(default=None, repr=False)
    _moved: int = attrs.field(default=0, init=False, repr=False)

    @classmethod
    def after(cls, seconds: float, stall: Optional[float] = None) -> Deadline:
        """A deadline ``seconds`` from now; ``stall`` is as long if it is not given."""
        return cls(time.monotonic() + seconds, seconds if stall is None else stall, seconds)

    def share(self, attempts: int) -> Deadline:
        """For the next one of so many attempts, which share what is left. Its progress is that of the whole."""
        now = time.monotonic()
        seconds = max(0.0, self.at - now) / attempts
        return Deadline(now + seconds, self.stall, seconds, self)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - time.monotonic())

    def wait(self) -> float:
        """Seconds that the next wait may take: the stall limit, or what is left if that is less.

        Raises
        ------
        DeadlineExceededError
            If nothing is left.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise DeadlineExceededError("the deadline of the operation has passed")
        return min(left, self.stall)

    def progress(self) -> None:
        """Something was got: the time starts anew. Called for what is worth it (an entry of a listing), so that a
        source that sends a byte now and then does not go on for ever."""
        self.at = time.monotonic() + self.span
        if self._whole is not None:
            self._whole.progress()

    def moved(self, count: int) -> None:
        """So many bytes came. A MiB of them, whatever the page size, is progress; less is none, yet."""
        self._moved += count
        if self._moved >= _PROGRESS:
            self._moved = 0
            self.progress()


@define(frozen=True)
class Context:
    """What a component gets from the assembly to work with.

    Parameters
    ----------
    logger:
        A child of the logger ``alluxiofs``, named after the extension point.
    telemetry:
        Where to record. Never ``None``: without telemetry it is one that does nothing.
    clock:
        Seconds since the epoch; tests put their own in.
    build:
        ``build(point, choice, **arguments)`` makes an inner component: ``context.build("policy", "maglev",
        workers=workers)``. ``choice`` is a name, a dict with ``name`` and settings, or an object, as users give it.
    """

    logger: logging.Logger
    telemetry: Telemetry
    clock: Callable[[], float] = time.time
    build: Callable[..., Any] = attrs.field(default=None, repr=False)


class Component:
    """The base of everything that a plugin gives. Not used by itself: subclass one of the extension points.

    Attributes
    ----------
    name:
        How users choose it: lower case, words joined with ``-``.
    Settings:
        A frozen attrs class, each field with a default where one is sensible. Fields are of these types (and
        ``Optional`` of them): ``str``, ``int``, ``float``, ``bool``, ``bytes``, ``Size`` (``"20MB"``), ``Seconds``
        (``"30s"``), ``enum.Enum``, and ``tuple``, ``list`` or ``dict`` of them. Values are converted from text
        (environment, URL, configuration) and checked before anything else happens.
    interface_version:
        What the class was written for.
    """

    name: ClassVar[str]
    interface_version: ClassVar[int] = INTERFACE_VERSION

    @define(frozen=True)
    class Settings:
        """No settings."""

    settings: Any
    context: Context

    def __init__(self, settings: Any, context: Context) -> None:
        self.settings = settings
        self.context = context

    def describe(self) -> dict[str, Any]:
        """What to show of it in ``fs.describe()`` beyond name, class, package and settings; JSON-able, no secrets."""
        return {}

    def close(self) -> None:
        """Give back what is held. May be called twice."""
