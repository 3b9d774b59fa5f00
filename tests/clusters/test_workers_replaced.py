"""Workers in whose place others answer, and workers that are gone."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, Set

import attrs
import pytest

from alluxiofs.errors import BadAnswerError, DeadlineExceededError, UnavailableError
from alluxiofs.interfaces import Deadline, Location, Worker, WorkerIdentity
from alluxiofs.plugins._alluxio.owners import Owners
from alluxiofs.plugins._alluxio.page_sizes import PageSizeError
from alluxiofs.plugins._alluxio.peer import Peers
from alluxiofs.plugins._http.connection import ClosedWithoutAnswerError
from alluxiofs.plugins._http.pool import Pool, Pools
from alluxiofs.testing import make_context
from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.clusters.test_wire import DATA as ANSWER
from tests.clusters.test_wire import ask, get, pool, server
from tests.clusters.test_wire_many import ask_all
from tests.clusters.transports import (
    DATA,
    PAGE,
    MakeCluster,
    MakeTransport,
    Reader,
    at,
    make_cluster,
    make_transport,
    soon,
)
from tests.faults import FaultProxy, FaultServer, Reply, close

__all__ = ["make_cluster", "make_transport", "pool", "server"]


@pytest.mark.parametrize("dialect", ["pages", "rest"])
@pytest.mark.parametrize("count", [1, 2])
def test_another_worker_answers_what_the_first_has_closed_on(
    make_transport: MakeTransport, tmp_path: Path, dialect: str, count: int
) -> None:
    (tmp_path / "b.bin").write_bytes(DATA)
    with StandInCluster(tmp_path, workers=1, dialect=dialect, page_size=PAGE) as first, StandInCluster(
        tmp_path, workers=1, dialect=dialect, page_size=2 * PAGE
    ) as second:
        for cluster in (first, second):
            cluster.workers[0].load("b.bin")
        (before,), (after,) = first.members, second.members
        with FaultProxy(before.host, before.http_port) as proxy:
            reader = Reader(make_transport(dialect=dialect, version_age=60), first)
            # Nobody listens at the port for data, so that pages are asked for.
            reader.worker = attrs.evolve(before, http_port=proxy.port, data_port=1)
            assert reader.read(PAGE, PAGE) == DATA[PAGE : 2 * PAGE]
            proxy.forward_to(after.host, after.http_port)
            proxy.fault(close())
            with pytest.raises(PageSizeError):
                reader.read(PAGE, count * PAGE)


def test_a_question_that_is_answered_when_it_is_repeated_shows_that_the_server_may_be_another(
    server: FaultServer, pool: Pool
) -> None:
    for question in (
        lambda: ask(pool, repeatable=True),
        lambda: pool.fetch(get(), memoryview(bytearray(len(ANSWER))), Deadline.after(10), repeatable=True),
        lambda: ask_all(pool, 3, repeatable=True),
    ):
        question()
        lost = pool.lost
        server.fault(close())
        question()
        assert pool.lost == lost + 1
        server.fault(close(), times=2)
        with pytest.raises(ClosedWithoutAnswerError):
            question()
        assert pool.lost == lost + 1, "what is never answered shows nothing of the server"
    ask(pool)
    lost = pool.lost
    server.fault(close())
    with pytest.raises(BadAnswerError):
        ask(pool, len(ANSWER) - 1, repeatable=True)
    assert pool.lost == lost + 1


def test_an_empty_directory_is_there_though_the_question_for_it_was_closed_on(
    make_cluster: MakeCluster, make_transport: MakeTransport, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    cluster, transport = make_cluster(), make_transport(dialect="pages")
    (worker,), location = cluster.members, at(cluster, "empty")
    for _ in range(2):
        assert not transport.stat(worker, location, soon()).is_file, "over a connection that is kept from now on"
        cluster.workers[0].fail("info", faults.Close(), times=1)
    assert list(transport.list(worker, location, soon())) == []


def test_a_server_for_which_nobody_stands_any_more_is_forgotten() -> None:
    gone: Set[int] = set()
    pools = Pools(None, 1)
    peers = Peers(pools, {}, make_context().telemetry, lambda known: {peer for peer in known if peer.http_port in gone})
    first, second = peers.of("h", 1, 9), peers.of("h", 2, 9)
    gone.add(1)
    peers.of("h", 3, 9)
    assert peers.of("h", 2, 9) is second
    assert pools.to("h", 1) is not first.http
    assert pools.to("h", 9) is second.data, "which others of the host have, too"
    assert peers.of("h", 1, 9) is not first


def test_a_large_cluster_is_met_in_no_time(make_transport: MakeTransport) -> None:
    class Counted(tuple):  # type: ignore[type-arg]
        looked_at = 0

        def __iter__(self) -> Iterator[Worker]:
            Counted.looked_at += 1
            return super().__iter__()

    members = Counted(Worker(WorkerIdentity.from_host(name), name) for name in map("host-{}".format, range(50)))
    transport = make_transport(dialect="pages")
    transport.meet(lambda: members)
    for worker in list(members):
        with pytest.raises(DeadlineExceededError):
            transport.stat(worker, Location("", "file:///a", "file:///a"), Deadline.after(0))
    assert Counted.looked_at <= 2, "by each member once, not by all for each"


def test_those_who_waited_for_an_owner_in_vain_ask_side_by_side(server: FaultServer) -> None:
    waiters = 3
    asked, answer, meet = threading.Event(), threading.Event(), threading.Barrier(waiters)
    waits = threading.Semaphore(0)

    class Telling(Deadline):
        def wait(self) -> float:
            waits.release()
            return super().wait()

    told = json.dumps({"Host": "other", "HttpServerPort": 1}).encode()

    def say(_: object) -> Reply:
        if not asked.is_set():
            asked.set()
            answer.wait(60)
            return Reply(503, b"busy")
        meet.wait(60)
        return Reply(200, told)

    server.route("/v1/node", say)
    peers = Peers(Pools(None, 8), {}, make_context().telemetry, lambda _: set())
    owners = Owners(peers.of, tuple)
    peer, location = peers.of(server.host, server.port, 1), Location("", "file:///a", "file:///a")
    owners.note(peer, Worker(WorkerIdentity.from_host(server.host), server.host, labels={"domain": server.host}))
    with ThreadPoolExecutor(1 + waiters) as threads:
        first = threads.submit(owners.owner_of, peer, location, Deadline.after(100))
        assert asked.wait(60)
        others = [threads.submit(owners.owner_of, peer, location, Telling.after(100)) for _ in range(waiters)]
        assert all(waits.acquire(timeout=60) for _ in others)
        answer.set()
        assert isinstance(first.exception(), UnavailableError)
        assert {other.result().host for other in others} == {"other"}
    peers.close()
