"""Extension point: which workers are alive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Callable

from attrs import define

from alluxiofs.interfaces.component import Component, Deadline
from alluxiofs.interfaces.values import Workers

__all__ = ["Membership", "Snapshot"]


@define(frozen=True)
class Snapshot:
    """The workers at one moment. A new one replaces it as a whole.

    Parameters
    ----------
    workers:
        Distinct identities, in the order that placement depends on.
    generation:
        Goes up by one with each change; equal generations of one membership mean equal workers.
    """

    workers: Workers
    generation: int = 0


class Membership(Component, ABC):
    """Knows the live workers, and tells when they change."""

    @abstractmethod
    def snapshot(self, deadline: Deadline) -> Snapshot:
        """The workers as known now.

        The first call may connect and wait within the deadline. Later ones are cheap (no I/O: it is called once per
        operation): what changes is found in the background, or looked up when a limit of age has passed. A source that
        is lost keeps the last snapshot, and says so in the log.

        Raises
        ------
        TemporaryError
            If no snapshot was ever had, and the source cannot be asked.
        """

    def known(self) -> Snapshot:
        """The workers as known without asking anybody: what ``fs.describe()`` shows. None are, unless it says so."""
        return Snapshot(())

    def subscribe(self, changed: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have ``changed`` called with each new snapshot, from whatever thread finds it; returns what ends that.

        A membership that never changes has nothing to tell, which is the default.
        """
        return lambda: None
