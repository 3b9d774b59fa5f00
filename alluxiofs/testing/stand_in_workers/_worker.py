"""One worker of a stand-in cluster, as tests have it in hand."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Optional

from attrs import define, field

from alluxiofs.interfaces import Worker
from alluxiofs.testing.stand_in_workers._core import Seen
from alluxiofs.testing.stand_in_workers.faults import Fault

__all__ = ["Call", "StandInWorker"]

Call = Callable[..., Any]


@define(frozen=True, eq=False)
class StandInWorker:
    """A stand-in worker: what is wrong with it, and what it was asked.

    Routes are named after their end points: ``health``, ``files``, ``info``, ``page`` (reading one), ``write`` (a
    page), ``load``; with dialect ``rest`` also ``node``, ``ufsInfo``, ``data`` (the data port), ``chunk``, ``head``,
    ``tail``, ``mkdir``, ``touch``, ``rm``, ``mv``, ``copy``. All else is ``other``.

    Parameters
    ----------
    worker:
        What a membership says of it.
    """

    worker: Worker
    call: Call = field(repr=False)
    _key: Callable[[str], str] = field(repr=False)

    # --- life -----------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End all connections and refuse new ones. What it holds stays, as on the disks of a real worker."""
        self.call("kill")

    def revive(self) -> None:
        """Answer again after :meth:`kill` or :meth:`hang`, at the same address."""
        self.call("revive")

    def hang(self) -> None:
        """Take connections and requests and answer none of them, until it is revived or killed."""
        self.call("hang")

    # --- faults ---------------------------------------------------------------------------------------------------

    def fail(self, route: str, fault: Fault, times: Optional[int] = None, skip: int = 0, matching: str = "") -> None:
        """Have answers go wrong from now on. The first fault that fits a request is the one it gets.

        Parameters
        ----------
        route:
            Which requests; ``"*"``: all.
        fault:
            One of :mod:`alluxiofs.testing.stand_in_workers.faults`.
        times:
            How many answers go wrong; ``None``: all, until :meth:`recover`.
        skip:
            How many go right before.
        matching:
            A piece of the targets (path and query, as they are sent) of the requests that it is for.
        """
        self.call("fail", route, fault, times, skip, matching)

    def recover(self, route: Optional[str] = None) -> None:
        """Have no answers go wrong any more, of one route or of all."""
        self.call("recover", route)

    @contextlib.contextmanager
    def failing(self, route: str, fault: Fault, matching: str = "") -> Iterator[None]:
        """Have answers of a route go wrong within a ``with`` block; all faults of the route end with it."""
        self.fail(route, fault, matching=matching)
        try:
            yield
        finally:
            self.recover(route)

    # --- record ---------------------------------------------------------------------------------------------------

    @property
    def requests(self) -> Dict[str, int]:
        """How many requests there were, by route, those that went wrong among them."""
        counts: Dict[str, int] = self.call("record")[0]
        return counts

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        opened: int = self.call("record")[1]
        return opened

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        opened: int = self.call("record")[2]
        return opened

    @property
    def seen(self) -> List[Seen]:
        """The requests (``route``, ``method``, ``target``) in their order, the last 100,000 of them."""
        seen: List[Seen] = self.call("seen")
        return seen

    def forget_record(self) -> None:
        """Count from zero."""
        self.call("forget_record")

    # --- what it holds --------------------------------------------------------------------------------------------

    def load(self, name: str) -> None:
        """Hold all pages of a file, whether it is in charge of it or not.

        Raises
        ------
        FileNotFoundError
            If there is no such file in the under store.
        """
        if self.call("load", self._key(name)) is None:
            raise FileNotFoundError(f"{name}: the under store of the stand-in workers has no such file")

    def drop(self, name: Optional[str] = None) -> None:
        """Forget the pages, stat and listing of a path, or all that it holds."""
        self.call("drop", None if name is None else self._key(name))

    def kept_pages(self, name: Optional[str] = None) -> int:
        """How many pages it holds, of one file or of all."""
        count: int = self.call("kept_pages", None if name is None else self._key(name))
        return count
