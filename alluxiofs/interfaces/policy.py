"""Extension point: which worker serves a path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Optional, Sequence

from alluxiofs.interfaces.component import Component, Context
from alluxiofs.interfaces.values import Worker, Workers

__all__ = ["WorkerPolicy"]


class WorkerPolicy(Component, ABC):
    """Ranks the workers for a path. Pure: it does no I/O, and the same workers and key give the same answer in every
    process and on every Python. (One that does not place by path, such as ``round-robin``, may give other workers each
    time it is asked.)

    It is made anew for each snapshot of the membership, so it may build tables in ``__init__``.

    Parameters
    ----------
    workers:
        A frozen snapshot, distinct identities, in the membership's order.
    settings:
        An instance of the class's ``Settings``.
    context:
        For policies that wrap another one (``context.build``); ``None`` outside of any filesystem.
    """

    workers: Workers

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        # A policy that is made by hand has no context; only one that builds another needs it.
        super().__init__(self.Settings() if settings is None else settings, context)  # type: ignore[arg-type]
        self.workers = workers

    @abstractmethod
    def rank(self, key: str, count: int) -> Sequence[Worker]:
        """The workers to ask for ``key``, best first.

        Parameters
        ----------
        key:
            The full URL of the file.
        count:
            How many are wanted, at least 1.

        Returns
        -------
        Sequence[Worker]
            ``count`` distinct workers, fewer only if there are fewer; the answer for a smaller count is the beginning
            of the answer for a larger one.
        """
