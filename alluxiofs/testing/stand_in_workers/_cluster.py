"""A cluster of stand-in workers."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
from collections import Counter
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from alluxiofs.interfaces import Worker, WorkerIdentity
from alluxiofs.testing.stand_in_workers._core import Core, Plan
from alluxiofs.testing.stand_in_workers._dialects import DIALECTS
from alluxiofs.testing.stand_in_workers._master import Master, Stage
from alluxiofs.testing.stand_in_workers._paths import Root
from alluxiofs.testing.stand_in_workers._ports import free_ports
from alluxiofs.testing.stand_in_workers._process import WorkerProcess, start_processes
from alluxiofs.testing.stand_in_workers._registration import etcd_key, etcd_record
from alluxiofs.testing.stand_in_workers._remote import RemoteMaster, Served
from alluxiofs.testing.stand_in_workers._under_store import Stored, UnderFilesystem, UnderFolder, UnderStorage
from alluxiofs.testing.stand_in_workers._worker import Call, StandInWorker

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from alluxiofs.testing.stand_in_workers.faults import Fault

__all__ = ["StandInCluster"]

_PAGE_SIZE = "alluxio.worker.page.store.page.size"


class StandInCluster:
    """Workers that speak as Alluxio's do, over a folder of files. For tests and benchmarks: it is no cache.

    They hold copies of what they were once asked for, and go on serving them when the file has changed, as real
    workers do; :meth:`drop` makes them forget. Started and stopped by a ``with`` block::

        with StandInCluster("/data/lake", workers=2, dialect="pages") as cluster:
            cluster.load("dir/b.bin")
            fs = fsspec.filesystem("alluxiofs", target_protocol="file", **cluster.arguments)
            fs.cat(cluster.url("dir/b.bin"))

    Parameters
    ----------
    store:
        The under store: a folder of this machine, or an fsspec filesystem.
    workers:
        How many.
    dialect:
        ``"pages"``: the open-source worker (313). ``"rest"``: the newer one, with its data port.
    folder:
        Where in an fsspec filesystem the files are.
    root:
        How the cluster names the under store; its own URL otherwise.
    page_size:
        Of the workers, in bytes or as text (``"1MB"``).
    virtual_nodes:
        Of the ring that says which worker is in charge of a path.
    host:
        Where they listen, an address of this machine.
    first_port:
        The HTTP ports are this one and those behind it, then come the data ports; otherwise any that are free.
    identities:
        Of the workers; otherwise those that a client gives to the hosts of :attr:`worker_hosts`.
    mount:
        With dialect ``rest``: where the under store is mounted.
    redirect_data:
        With dialect ``rest``: whether the data port of a worker that is not in charge sends to the one that is.
    master:
        Whether there is a master, which load jobs need.
    job_seconds, job_rest:
        Seconds that a load job takes at least, and after its end cannot be submitted again.
    processes:
        Whether each worker has a process of its own: for measuring clients, which then have theirs for themselves.
    certificate:
        Files of a certificate and its key: the workers speak TLS.
    """

    def __init__(
        self,
        store: Union[str, os.PathLike[str], AbstractFileSystem],
        *,
        workers: int = 2,
        dialect: str = "pages",
        folder: str = "",
        root: Optional[str] = None,
        page_size: Union[int, str] = "1MB",
        virtual_nodes: int = 2000,
        host: str = "127.0.0.1",
        first_port: Optional[int] = None,
        identities: Optional[Sequence[WorkerIdentity]] = None,
        mount: str = "/mnt",
        redirect_data: bool = False,
        master: bool = True,
        job_seconds: float = 0.2,
        job_rest: float = 1.0,
        processes: bool = False,
        certificate: Optional[Tuple[str, str]] = None,
    ) -> None:
        from alluxiofs.settings.types import Size

        if dialect not in DIALECTS:
            raise ValueError(f"dialect={dialect!r}: stand-in workers speak {' and '.join(map(repr, DIALECTS))}")
        if workers < 1 or (identities is not None and len(identities) != workers):
            raise ValueError(f"workers={workers}: at least one is needed, and as many identities if there are any")
        under: UnderStorage = (
            UnderFolder(store) if isinstance(store, (str, os.PathLike)) else UnderFilesystem(store, folder)
        )
        if processes and isinstance(under, UnderFilesystem) and "memory" in str(under.fs.protocol):
            raise ValueError("processes=True: what is in the memory of this process, no other has")
        self._plan = Plan(
            under,
            Root((root or under.url).rstrip("/")),
            dialect,
            int(Size(page_size)),
            virtual_nodes,
            mount,
            redirect_data,
            certificate,
        )
        self._host = host
        self._members = self._numbered(workers, first_port, identities)
        self._jobs_take = (job_seconds, job_rest) if master else None
        self._master: Optional[Master] = None
        self._seen_master: Any = None
        self._has_processes = processes
        self._processes: List[WorkerProcess] = []
        self._running = contextlib.ExitStack()
        self._workers: List[StandInWorker] = []

    def _numbered(
        self, count: int, first_port: Optional[int], identities: Optional[Sequence[WorkerIdentity]]
    ) -> Sequence[Worker]:
        from alluxiofs.plugins.worker_hosts import parse_workers

        free = free_ports(self._host, 2 * count) if first_port is None else range(first_port, first_port + 2 * count)
        ports = sorted(free)
        described: List[Dict[str, Any]] = [
            {"host": self._host, "http_port": ports[index], "data_port": ports[count + index]} for index in range(count)
        ]
        for one, identity in zip(described, identities or ()):
            one["identity"] = identity
        return parse_workers(described)

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> StandInCluster:
        """Start the workers; returns the cluster."""
        from alluxiofs import make_policy

        self._policy = make_policy("consistent-hash", self._members, virtual_nodes=self._plan.virtual_nodes)
        if self._jobs_take is not None:
            self._master = Master(self._plan, self._load, *self._jobs_take)
        calls = self._processes_started() if self._has_processes else self._threads_started()
        self._workers = [StandInWorker(member, call, self._key_of) for member, call in zip(self._members, calls)]
        for member, call in zip(self._members, calls):
            call("meet", self._members, calls)
            call("obey", self._seen_master)
            call("listen", self._host, (member.http_port, member.data_port))
        return self

    def _threads_started(self) -> List[Call]:
        cores = [Core(self._plan, number) for number in range(len(self._members))]
        for core in cores:
            self._running.callback(core.close)
        if self._master is not None:
            self._seen_master = self._master
            self._running.callback(self._master.close)
        return [_caller(core) for core in cores]

    def _processes_started(self) -> List[Call]:
        key = secrets.token_bytes(16)
        if self._master is not None:
            served = Served(self._master, key)
            self._seen_master = RemoteMaster(served.remote)
            self._running.callback(self._master.close)
            self._running.callback(served.close)
        self._processes = start_processes(self._plan, len(self._members), key)
        for process in self._processes:
            self._running.callback(process.stop)
        remotes = [process.call() for process in self._processes]
        for remote in remotes:
            self._running.callback(remote.close)
        return list(remotes)

    def stop(self) -> None:
        """Stop them; nothing that they held is left."""
        self._workers, self._processes = [], []
        self._running.close()

    def __enter__(self) -> StandInCluster:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # --- what a client needs --------------------------------------------------------------------------------------

    @property
    def members(self) -> Sequence[Worker]:
        """The workers as a membership has them."""
        return self._members

    @property
    def worker_hosts(self) -> List[Dict[str, Any]]:
        """For the argument ``worker_hosts`` of a filesystem."""
        return [
            {
                "host": member.host,
                "http_port": member.http_port,
                "data_port": member.data_port,
                "identity": str(member.identity),
            }
            for member in self._members
        ]

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What a filesystem must be told of the cluster: its workers, its dialect and its page size."""
        return {
            "worker_hosts": self.worker_hosts,
            "transport": {"name": "alluxio", "dialect": self._plan.dialect},
            "policy": {"name": "consistent-hash", "virtual_nodes": self._plan.virtual_nodes},
            "options": {_PAGE_SIZE: str(self._plan.page_size)},
        }

    def etcd_records(self, cluster_name: str = "DefaultAlluxioCluster") -> Dict[str, bytes]:
        """Keys and values by which etcd knows the workers: to be put there, under a lease."""
        return {etcd_key(member, cluster_name): etcd_record(member) for member in self._members}

    @property
    def page_size(self) -> int:
        return self._plan.page_size

    def url(self, name: str = "") -> str:
        """The full URL of a file of the under store: what workers are asked for, and what is hashed."""
        return self._plan.root.url_of(name)

    # --- workers --------------------------------------------------------------------------------------------------

    @property
    def workers(self) -> Sequence[StandInWorker]:
        """The workers, in the order of :attr:`worker_hosts`."""
        return self._workers

    def in_charge(self, name: str) -> StandInWorker:
        """The worker in charge of a file.

        Raises
        ------
        ConnectionRefusedError
            If the cluster was stopped.
        """
        owner = self._policy.rank(self._key_of(name), 1)[0]
        for worker in self._workers:
            if worker.worker.identity == owner.identity:
                return worker
        raise ConnectionRefusedError("the stand-in cluster was stopped")

    def load(self, *names: str) -> None:
        """Have files, by their names in the under store or their URLs, held by the workers in charge of them."""
        for name in names:
            self.in_charge(name).load(name)

    def load_all(self) -> None:
        """Have all files of the under store held by the workers in charge of them."""
        self.load(*self._below(""))

    def drop(self, name: Optional[str] = None) -> None:
        """Have all workers forget a path, or all that they hold."""
        for worker in self._workers:
            worker.drop(name)

    def fail(self, route: str, fault: Fault, times: Optional[int] = None) -> None:
        """Have answers of all workers go wrong; ``times`` counts for each of them."""
        for worker in self._workers:
            worker.fail(route, fault, times)

    def recover(self) -> None:
        """Have all workers alive, and no answer go wrong."""
        for worker in self._workers:
            worker.recover()
            worker.revive()

    @property
    def requests(self) -> Dict[str, int]:
        """How many requests all workers got, by route."""
        total: Counter[str] = Counter()
        for worker in self._workers:
            total.update(worker.requests)
        return dict(total)

    @property
    def connections(self) -> int:
        """How many connections were opened to all workers."""
        return sum(worker.connections for worker in self._workers)

    def forget_record(self) -> None:
        """Count from zero."""
        for worker in self._workers:
            worker.forget_record()

    def deaths(self) -> Iterator[Tuple[StandInWorker, int]]:
        """Wait for workers whose processes end by themselves (``processes=True``), until there are no more.

        Yields
        ------
        StandInWorker, int
            Each as it ends, with the exit code of its process; less than 0: the signal that ended it.
        """
        with selectors.DefaultSelector() as selector:
            for worker, process in zip(self._workers, self._processes):
                selector.register(process.life, selectors.EVENT_READ, (worker, process))
            while selector.get_map():
                for key, _ in selector.select():
                    selector.unregister(key.fileobj)
                    worker, process = key.data
                    yield worker, process.code()

    # --- load jobs ------------------------------------------------------------------------------------------------

    def hold_jobs(self, at: str = "submitted") -> None:
        """Have load jobs wait: before anything is ``"submitted"`` to workers, or when everything is ``"loaded"``."""
        self._jobs.hold(Stage(at))

    def release_jobs(self) -> None:
        """Have load jobs go on."""
        self._jobs.hold(None)

    def await_jobs(self, at: Optional[str] = None) -> None:
        """Wait until all load jobs have ended, or wait at ``"loaded"`` (see :meth:`hold_jobs`).

        Raises
        ------
        TimeoutError
            After half a minute.
        """
        self._jobs.await_stage(None if at is None else Stage(at))

    def settle_jobs(self) -> None:
        """Wait until all load jobs have ended, and have their paths be such that can be submitted again at once."""
        self._jobs.await_stage()
        self._jobs.forget_ends()

    def kill_master(self) -> None:
        """Have workers find no master any more: what they are asked of load jobs they never answer."""
        for worker in self._workers:
            worker.call("obey", None)

    def revive_master(self) -> None:
        """Have workers find the master again."""
        for worker in self._workers:
            worker.call("obey", self._seen_master)

    @property
    def _jobs(self) -> Master:
        if self._master is None:
            raise ValueError("this cluster was made without a master, and has no load jobs")
        return self._master

    def _load(self, url: str, metadata_only: bool) -> Optional[Tuple[int, int]]:
        found: Optional[Tuple[int, int]] = self.in_charge(url).call("load", url, metadata_only)
        return found

    def _key_of(self, name: str) -> str:
        return self._plan.root.url_of(name)

    def _below(self, name: str) -> List[str]:
        found: List[str] = []
        children: List[Stored] = self._plan.store.list(name)
        for child in children:
            found += [child.name] if child.is_file else self._below(child.name)
        return [one for one in found if self._plan.any_name or not ("?" in one or "\\" in one)]


def _caller(core: Core) -> Call:
    return lambda name, *arguments: getattr(core, name)(*arguments)
