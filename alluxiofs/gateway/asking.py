"""Who is asked: which store a path is in, and which workers come before it."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

from alluxiofs.errors import ConfigurationError, TemporaryError, UnavailableError
from alluxiofs.gateway.line import Line, Side
from alluxiofs.gateway.locations import Locations
from alluxiofs.gateway.parts import Limits, Metadata, Parts
from alluxiofs.gateway.placement import Placement
from alluxiofs.interfaces import Deadline, Location, UnderStore, Worker
from alluxiofs.logs import fields

__all__ = ["Asking"]

T = TypeVar("T")

_MOST_SIDES = 10_000


class Asking:
    """Paths, and for each the workers and the under store in the order in which they are asked.

    Parameters
    ----------
    parts, limits:
        See :class:`alluxiofs.gateway.read_path.ReadPath`.
    """

    def __init__(self, parts: Parts, limits: Limits) -> None:
        self.parts = parts
        self.limits = limits
        self.logger = parts.logger
        self.locations = Locations(parts.mounts)
        self.line = Line(limits, parts.telemetry, parts.logger)
        self._placement = Placement(parts.membership, parts.policy)
        self._known_sides: Dict[Tuple[str, int], Side] = {}
        self._behind_workers: Optional[UnderStore] = None

    # --- paths ------------------------------------------------------------------------------------------------

    @property
    def root_marker(self) -> str:
        """The path of the root directory."""
        return self.locations.root_marker

    def locate(self, path: str) -> Location:
        """The location of a path in any spelling. ``InvalidPathError`` (a ``ValueError``) if it cannot be one."""
        return self.locations.locate(path)

    def path_of(self, location: Location) -> str:
        """How a location is shown to users, who can pass it back in."""
        return self.locations.path_of(location)

    def child(self, location: Location, name: str) -> Location:
        """The location of an entry's name, in the same store (of the root above mounts: in theirs)."""
        return self.locations.child(location, name)

    def parent(self, path: str) -> str:
        """The path of the directory that a path is in; the root's is the root."""
        return self.path_of(self.locations.parent(self.locate(path)))

    def unstrip(self, path: str) -> str:
        """The full canonical URL of a path."""
        return self.locate(path).url

    def store_of(self, location: Location) -> UnderStore:
        """The under store that owns a location; without any, the storage behind the workers where they can change it.

        Raises
        ------
        ConfigurationError
            If no under store is configured.
        """
        mount = self.locations.mount_of(location)
        if self.locations.is_above_mounts(location):
            raise ConfigurationError("the root holds the prefixes of under_stores and nothing else: name a path in one")
        if mount is None and self._behind_workers is None:
            self._behind_workers = self.parts.transport.store_behind(self._ask_workers)
        store = self._behind_workers if mount is None else mount.store
        if store is None:
            raise ConfigurationError(
                f"no under store is configured for {location.url!r}: name one with target_protocol="
            )
        return store

    # --- who is asked -----------------------------------------------------------------------------------------

    def _under_store_decides(self, location: Location) -> bool:
        """Whether the under store's stat is what counts."""
        if self.locations.mount_of(location) is None:
            return False
        if not self.parts.transport.capabilities.workers or self.limits.metadata is Metadata.UNDER_STORE:
            return True
        return self.limits.metadata is Metadata.AUTO and self.parts.transport.capabilities.stale_metadata

    def _sides_for_metadata(self, location: Location, operation: str) -> List[Side]:
        mount = self.locations.mount_of(location)
        if mount is not None and self._under_store_decides(location):
            return [Side(mount.store.name)]
        return self._sides(location, operation)

    def _sides(self, location: Location, operation: str, by: Optional[Deadline] = None) -> List[Side]:
        transport, mount = self.parts.transport, self.locations.mount_of(location)
        fallback = mount is not None and self.limits.fallback
        if not transport.capabilities.workers:
            if mount is None:
                raise ConfigurationError(f"no under store is configured for {location.url!r}, and no workers are named")
            return [self._side_of(mount.store.name, None)]
        sides: List[Side] = []
        if getattr(transport.capabilities, operation):
            count = self.limits.replicas if fallback else None
            name, known = transport.name, self._known_sides
            for worker in self._workers(location.url, count, fallback, by):
                side = known.get((name, id(worker)))  # as _side_of does, but for a call
                sides.append(side if side is not None and side.worker is worker else self._side_of(name, worker))
            if fallback and not sides:
                self.line.tell("fallback", "no_membership")
        if mount is not None and fallback:
            sides.append(self._side_of(mount.store.name, None))
        if not sides:
            raise UnavailableError(f"no worker can be asked for {location.url!r}, and there is no under store to go to")
        return sides

    def _side_of(self, component: str, worker: Optional[Worker]) -> Side:
        """One object for each: in the path of every read."""
        key = (component, id(worker))
        side = self._known_sides.get(key)
        if side is None or side.worker is not worker:  # that of one who is gone, whose place in memory another has now
            if len(self._known_sides) >= _MOST_SIDES:
                self._known_sides.clear()
            side = self._known_sides[key] = Side(component, worker)
        return side

    def workers_of(self, location: Location) -> Sequence[Worker]:
        """All live workers, in the order in which they are asked for a path."""
        return self._placement.rank(location.url, None, self.new_deadline())

    def _workers(
        self, url: str, count: Optional[int], fallback: bool, by: Optional[Deadline] = None
    ) -> Sequence[Worker]:
        try:
            return self._placement.rank(url, count, by or self.new_deadline())
        except TemporaryError as error:
            if not fallback:
                raise
            more = fields(path=url, reason="no_membership")
            self.logger.info("no workers are known, going to the under store: %s", error, extra=more)
            return ()

    def _ask_workers(self, method: str, url: str, question: Callable[[Worker, Deadline], T]) -> T:
        """Put a question to the workers in charge of a URL: what :class:`AskWorkers` is."""
        name = self.parts.transport.name
        workers = {Side(name, worker): worker for worker in self._workers(url, None, fallback=False)}
        if not workers:
            raise UnavailableError(f"no workers are alive that could be asked for {url!r}, and there is no under store")

        def asked(side: Side, deadline: Deadline) -> T:
            return question(workers[side], deadline)

        return self.line.ask(method, list(workers), asked, about=url, repeatable=False)

    def new_deadline(self) -> Deadline:
        """For an operation that begins now."""
        return Deadline.after(self.limits.deadline, self.limits.timeout)
