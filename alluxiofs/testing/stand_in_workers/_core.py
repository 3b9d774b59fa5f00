"""One stand-in worker: what it holds, what is wrong with it, what it was asked."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from attrs import define, field

from alluxiofs.testing.stand_in_workers._metadata import Metadata
from alluxiofs.testing.stand_in_workers._metrics import Metrics
from alluxiofs.testing.stand_in_workers._pages import Pages
from alluxiofs.testing.stand_in_workers._paths import Root, file_id
from alluxiofs.testing.stand_in_workers._server import Server
from alluxiofs.testing.stand_in_workers._under_store import asked

if TYPE_CHECKING:
    from alluxiofs.interfaces import Worker
    from alluxiofs.testing.stand_in_workers._messages import Request
    from alluxiofs.testing.stand_in_workers._under_store import Stored, UnderStorage
    from alluxiofs.testing.stand_in_workers.faults import Fault

__all__ = ["Core", "Peers", "Plan", "Seen"]

_REMEMBERED = 100_000
"""As many requests are remembered, the last ones."""


class Seen(NamedTuple):
    """A request that a worker got."""

    route: str
    method: str
    target: str
    headers: Mapping[str, str]
    """By their names in small letters."""


@define(frozen=True)
class Plan:
    """How the workers of a cluster are made; all of them alike."""

    store: UnderStorage
    root: Root
    dialect: str
    page_size: int
    virtual_nodes: int
    mount: str
    redirect_data: bool
    certificate: Optional[Tuple[str, str]]

    @property
    def any_name(self) -> bool:
        """Whether files may have any name: open-source workers cannot have some."""
        return self.dialect == "rest"


@define
class _Scripted:
    route: str
    fault: Fault
    times: Optional[int]
    skip: int
    matching: str

    def takes(self, route: str, target: str) -> bool:
        """Whether this request is one that goes wrong; counts those that it is for."""
        if self.route not in ("*", route) or self.matching not in target or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@define(eq=False)
class Core:
    """The worker itself, in this process or in one of its own. What is public here is what the cluster may call."""

    plan: Plan
    number: int
    pages: Pages = field(init=False)
    metadata: Metadata = field(init=False)
    metrics: Metrics = field(factory=Metrics, init=False)
    peers: Peers = field(init=False)
    master: Any = field(default=None, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _script: List[_Scripted] = field(factory=list, init=False)
    _files: Set[str] = field(factory=set, init=False)
    """The files that were ever loaded: an id does not tell what directory its file is in."""
    _counts: Dict[str, int] = field(factory=Counter, init=False)
    _connections: int = field(default=0, init=False)
    _seen: Deque[Seen] = field(factory=lambda: deque(maxlen=_REMEMBERED), init=False)
    _servers: List[Server] = field(factory=list, init=False)
    _alive: bool = field(default=True, init=False)
    _awake: threading.Event = field(factory=threading.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.pages = Pages(self.plan.page_size)
        self.metadata = Metadata(self.plan.store, self.plan.root, self.plan.any_name)
        self.peers = Peers(self)
        self._awake.set()

    # --- life -----------------------------------------------------------------------------------------------------

    def listen(self, host: str, ports: Tuple[int, int]) -> None:
        """Begin to answer: on the port of the HTTP server, and with dialect ``rest`` on the data port too."""
        from alluxiofs.testing.stand_in_workers._dialects import handlers_of

        for port, handler in zip(ports, handlers_of(self)):
            server = Server(host, port, self, handler)
            server.start()
            self._servers.append(server)

    def kill(self) -> None:
        """Answer nobody, and end all connections; what is held stays."""
        self._alive = False
        for server in self._servers:
            server.stop()
        self._awake.set()

    def revive(self) -> None:
        """Answer as before, at the same ports."""
        self._alive = True
        self._awake.set()
        for server in self._servers:
            server.start()

    def hang(self) -> None:
        """Take connections and requests, and answer none of them."""
        self._awake.clear()

    def obey(self, master: Any) -> None:
        """Have this master, or none."""
        self.master = master

    def close(self) -> None:
        self.kill()
        for server in self._servers:
            server.close()
        self.pages.close()

    def meet(self, members: Sequence[Worker], calls: Sequence[Callable[..., Any]]) -> None:
        """Learn of all workers of the cluster, this one among them."""
        self.peers.meet(members, calls)

    # --- script and record ----------------------------------------------------------------------------------------

    def fail(self, route: str, fault: Fault, times: Optional[int], skip: int, matching: str) -> None:
        with self._lock:
            self._script.append(_Scripted(route, fault, times, skip, matching))

    def recover(self, route: Optional[str]) -> None:
        with self._lock:
            self._script = [one for one in self._script if route not in (None, one.route)]

    def record(self) -> Tuple[Dict[str, int], int, int]:
        """Requests by route, connections opened, connections open."""
        with self._lock:
            return dict(self._counts), self._connections, sum(server.open_connections for server in self._servers)

    def seen(self) -> List[Seen]:
        with self._lock:
            return list(self._seen)

    def forget_record(self) -> None:
        with self._lock:
            self._counts.clear()
            self._seen.clear()
            self._connections = 0

    # --- what it holds --------------------------------------------------------------------------------------------

    def load(self, key: str, metadata_only: bool = False) -> Optional[Tuple[int, int]]:
        """Hold a file: its bytes, and how many of them were held already; ``None`` if it cannot be read."""
        found = self.metadata.info(key)
        if found is None or not found.is_file or ("\\" in found.name and not self.plan.any_name):
            return None
        if metadata_only:
            return found.length, 0
        self._files.add(key)
        with asked(), self.plan.store.open(found.name) as source:
            return self.pages.load(file_id(key), source)

    def drop(self, key: Optional[str]) -> None:
        """Hold nothing of a path any more, or nothing at all."""
        self.metadata.forget(key)
        self.pages.drop(None if key is None else file_id(key))
        if key is not None:
            for below in [one for one in self._files if one.startswith(key + "/")]:
                self.pages.drop(file_id(below))

    def drop_for_peer(self, key: str) -> None:
        """What another worker asks of this one when it has changed the path."""
        self._check_alive()
        self.drop(key)

    def kept_pages(self, key: Optional[str]) -> int:
        return self.pages.count(None if key is None else file_id(key))

    def info(self, key: str) -> Optional[Stored]:
        """What another worker asks of this one, which is in charge of the path."""
        self._check_alive()
        return self.metadata.info(key)

    def files(self, key: str) -> Tuple[Stored, ...]:
        self._check_alive()
        return self.metadata.files(key)

    def _check_alive(self) -> None:
        if not self._alive:
            raise ConnectionRefusedError("this worker is dead")

    # --- for the server -------------------------------------------------------------------------------------------

    def connected(self) -> None:
        with self._lock:
            self._connections += 1

    def noted(self, route: str, request: Request) -> Optional[Fault]:
        """Count a request, and find what is to go wrong with it."""
        if not self._awake.is_set():
            self._awake.wait()
        with self._lock:
            self._counts[route] = self._counts.get(route, 0) + 1
            self._seen.append(Seen(route, request.method, request.target, request.headers))
            for one in self._script:
                if one.takes(route, request.target):
                    return one.fault
        return None


class Peers:
    """All workers of the cluster, as one of them knows them."""

    def __init__(self, own: Core) -> None:
        self._own = own
        self._call: Dict[str, Callable[..., Any]] = {}
        self._policy: Any = None

    def meet(self, members: Sequence[Worker], calls: Sequence[Callable[..., Any]]) -> None:
        """Learn who there is, and how each is called; and with that who is in charge of what."""
        from alluxiofs import make_policy

        self._policy = make_policy("consistent-hash", members, virtual_nodes=self._own.plan.virtual_nodes)
        self._call = {str(member.identity): call for member, call in zip(members, calls)}
        self._call[str(self.own.identity)] = lambda name, *arguments: getattr(self._own, name)(*arguments)

    @property
    def own(self) -> Worker:
        """The worker itself."""
        worker: Worker = self._policy.workers[self._own.number]
        return worker

    def in_charge(self, key: str) -> Worker:
        """The worker in charge of a path."""
        worker: Worker = self._policy.rank(key, 1)[0]
        return worker

    def info(self, key: str) -> Optional[Stored]:
        found: Optional[Stored] = self._ask("info", key)
        return found

    def files(self, key: str) -> Tuple[Stored, ...]:
        found: Tuple[Stored, ...] = self._ask("files", key)
        return found

    def forget(self, key: str) -> None:
        """Have all workers that are alive hold nothing of a path any more."""
        for call in self._call.values():
            try:
                call("drop_for_peer", key)
            except ConnectionError:
                pass  # a dead worker hears of nothing, and will serve what it has when it is back

    def _ask(self, what: str, key: str) -> Any:
        try:
            return self._call[str(self.in_charge(key).identity)](what, key)
        except ConnectionError:  # it is dead: then this worker looks for itself
            return getattr(self._own.metadata, what)(key)
