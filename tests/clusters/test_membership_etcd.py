"""Workers that are found in a real etcd, followed as they come and go, and kept when etcd is lost."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from alluxiofs.errors import ConfigurationError, UnavailableError
from alluxiofs.interfaces import Deadline, Membership, Snapshot, Worker, WorkerIdentity, Workers
from alluxiofs.plugins._etcd.records import parse_records
from alluxiofs.plugins.membership_etcd import EtcdMembership
from alluxiofs.testing import ChangingMembershipContract, make_context
from alluxiofs.testing.guards import at_once, eventually
from tests.clusters.etcd import Etcd, etcd, key_of, make_worker, record_of
from tests.servers import free_port

WORKERS = tuple(make_worker(number) for number in (3, 1, 2, 10))
IN_ORDER = tuple(sorted(WORKERS, key=lambda worker: str(worker.identity)))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def server(running: Etcd) -> Etcd:
    running.become(WORKERS)
    return running


def membership(*hosts: str, **settings: Any) -> EtcdMembership:
    return EtcdMembership(EtcdMembership.Settings(list(hosts), **settings), make_context())


class TestContract(ChangingMembershipContract):
    @pytest.fixture
    def make(self, server: Etcd) -> Callable[[], Membership]:
        return lambda: membership(server.host)

    @pytest.fixture
    def workers(self) -> Workers:
        return IN_ORDER

    @pytest.fixture
    def change(self, server: Etcd) -> Callable[[Membership, Workers], None]:
        return lambda _, workers: server.become(workers)


def test_a_worker_is_gone_when_its_lease_is(server: Etcd) -> None:
    lease = server.lease(600)
    server.register(make_worker(4), lease)
    found = membership(server.host)
    try:
        assert make_worker(4) in found.snapshot(Deadline.after(30)).workers
        server.revoke(lease)  # as etcd itself does when the time is over: a short one may be before it is looked at
        assert eventually(lambda: found.known().workers == IN_ORDER, 60)
    finally:
        found.close()


def test_no_worker_is_a_snapshot_of_none(server: Etcd) -> None:
    found = membership(server.host, cluster_name="NobodyHasThisName")
    assert found.snapshot(Deadline.after(10)) == Snapshot(())
    found.close()


def test_a_broken_record_is_passed_over_and_named_once(server: Etcd, caplog: pytest.LogCaptureFixture) -> None:
    server.put("/ServiceDiscovery/DefaultAlluxioCluster/worker-odd", b'{"Identity": 3}')
    found = membership(server.host)
    with caplog.at_level(logging.WARNING):
        assert found.snapshot(Deadline.after(10)).workers == IN_ORDER
        server.register(make_worker(5))
        assert eventually(lambda: make_worker(5) in found.known().workers, 60)
    assert [record.message for record in caplog.records if "worker-odd" in record.message] == [
        record.message for record in caplog.records
    ]
    assert len(caplog.records) == 1
    found.close()


def test_an_endpoint_that_is_down_is_passed_over(server: Etcd) -> None:
    found = membership(f"127.0.0.1:{free_port()}", f"http://{server.host}/")
    assert found.snapshot(Deadline.after(10)).workers == IN_ORDER
    found.close()


def test_an_etcd_that_was_never_there_is_unavailable_and_not_asked_by_everybody() -> None:
    found = membership(f"127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableError, match="etcd cannot be asked"):
        found.snapshot(Deadline.after(5))
    with pytest.raises(UnavailableError, match="a moment ago"):  # that it is said so, and not asked
        found.snapshot(Deadline.after(5))
    found.close()


def test_a_lost_etcd_keeps_the_last_workers_says_so_and_is_found_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with etcd(tmp_path) as server:
        server.become(WORKERS)
        found = membership(server.host)
        told: List[Snapshot] = []
        found.subscribe(told.append)
        with caplog.at_level(logging.INFO):
            first = found.snapshot(Deadline.after(10))
            server.stop()
            assert eventually(lambda: any("etcd is lost" in record.message for record in caplog.records), 60)
            assert found.snapshot(Deadline.after(0)) is first
            server.start()
            server.become(WORKERS[1:])
            assert eventually(lambda: len(found.known().workers) == len(WORKERS) - 1, 60)
            assert eventually(lambda: "etcd is there again" in caplog.messages, 60)
        assert [record.levelname for record in caplog.records if "lost" in record.message] == ["WARNING"]
        assert told[-1] == found.known()
        found.close()


def test_a_user_and_password_are_used_and_a_wrong_one_is_denied(tmp_path: Path) -> None:
    with etcd(tmp_path) as server:
        server.become(WORKERS)
        server.ask("/v3/auth/role/add", {"name": "root"})
        server.ask("/v3/auth/user/add", {"name": "root", "password": "a-canary"})
        server.ask("/v3/auth/user/grant", {"user": "root", "role": "root"})
        server.ask("/v3/auth/enable", {})
        found = membership(server.host, username="root", password="a-canary")
        assert found.snapshot(Deadline.after(10)).workers == IN_ORDER
        server.token = server.ask("/v3/auth/authenticate", {"name": "root", "password": "a-canary"})["token"]
        server.become(WORKERS[1:])
        assert eventually(lambda: len(found.known().workers) == len(WORKERS) - 1, 60)
        found.close()
        for settings in ({"username": "root", "password": "canary-wrong"}, {}):
            refused = membership(server.host, **settings)
            for _ in range(2):  # the second time is no other than the first
                with pytest.raises(PermissionError, match="etcd_username") as caught:
                    refused.snapshot(Deadline.after(10))
                assert "canary" not in str(caught.value)
            refused.close()


def test_a_user_where_etcd_knows_none_is_no_obstacle(server: Etcd) -> None:
    found = membership(server.host, username="somebody", password="x")
    assert found.snapshot(Deadline.after(10)).workers == IN_ORDER
    found.close()


def test_silence_has_everything_read_again(server: Etcd) -> None:
    found = membership(server.host, refresh=0.2)
    found.snapshot(Deadline.after(10))
    time.sleep(0.5)  # two silences
    server.become(WORKERS[1:])
    assert eventually(lambda: len(found.known().workers) == len(WORKERS) - 1, 60)
    found.close()


def test_threads_that_ask_first_start_one_follower(server: Etcd) -> None:
    found = membership(server.host)
    assert len({id(snapshot) for snapshot in at_once(*[lambda: found.snapshot(Deadline.after(10))] * 8)}) == 1
    found.close()


def test_records_as_real_workers_write_them() -> None:
    value = (
        b'{"Identity":{"version":1,"identifier":"11111111222243338444555555555501"},"WorkerNetAddress":{"Host":'
        b'"worker-1.example","ContainerHost":"","RpcPort":29999,"DataPort":29997,"SecureRpcPort":0,"NettyDataPort":'
        b'29997,"WebPort":30000,"DomainSocketPath":"","HttpServerPort":28080},"State":"AUTHORIZED","GenerationNumber":'
        b'-1,"ServiceEntityName":"worker-11111111-2222-4333-8444-555555555501"}'
    )
    identity = WorkerIdentity(1, bytes.fromhex("11111111222243338444555555555501"))
    assert parse_records([("k", value)]) == ([Worker(identity, "worker-1.example", 28080, 29997)], [])


def test_two_keys_of_one_identity_are_one_worker() -> None:
    worker = make_worker(1)
    workers, wrong = parse_records([(key_of(worker), record_of(worker)), ("/other", record_of(worker))])
    assert workers == [worker]
    assert len(wrong) == 1


def record(version: int = 1, **address: Any) -> bytes:
    """What a worker says of itself, some of it otherwise."""
    data = json.loads(record_of(make_worker(1)))
    data["Identity"]["version"] = version
    data["WorkerNetAddress"].update(address)
    return json.dumps(
        {**data, "WorkerNetAddress": {k: v for k, v in data["WorkerNetAddress"].items() if v is not None}}
    ).encode()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(b"", "no record of a worker", id="nothing"),
        pytest.param(b"null", "no record of a worker", id="null"),
        pytest.param(b"[]", "no record of a worker", id="a list"),
        pytest.param(b"[" * 100_000, "no record of a worker", id="lists without end"),
        pytest.param(b"\xff", "no record of a worker", id="no text"),
        pytest.param(b"{}", "it has no 'Identity'", id="an object"),
        pytest.param(b'{"Identity":{"version":1,"identifier":"zz"},"WorkerNetAddress":{}}', "hexadecimal", id="digits"),
        pytest.param(record(version=-1), "versions of identities are whole numbers", id="a version below 0"),
        pytest.param(record(version=1 << 40), "versions of identities are whole numbers", id="a version of 40 bits"),
        pytest.param(record(version=0), "version 0 has 8", id="bytes of another version"),
        pytest.param(record(HttpServerPort=None), "it has no 'HttpServerPort'", id="no port"),
        pytest.param(record(HttpServerPort=0), "http_port=0 is not a port", id="port 0"),
        pytest.param(record(Host=""), "a host is missing", id="no host"),
        pytest.param(record(Host="h\r\nx: y"), "is not a host name", id="a host of two lines"),
        pytest.param(record(Host="\ud800"), "is not a host name", id="a host that is no text"),
    ],
)
def test_what_is_no_record_is_said_with_its_key(value: bytes, words: str) -> None:
    good = make_worker(2)
    workers, wrong = parse_records([("/the/key", value), (key_of(good), record_of(good))])
    assert workers == [good]
    (said,) = wrong
    assert said.startswith("/the/key: ")
    assert words in said
    assert "worker_hosts" not in said, "nobody has set that"


@pytest.mark.parametrize(
    ("hosts", "endpoints"),
    [
        ("h1,h2:1", ["http://h1:2379", "http://h2:1"]),
        (["h1", "https://h2"], ["http://h1:2379", "https://h2:2379"]),
        ("http://h1:1/ , [::1]:2", ["http://h1:1", "http://[::1]:2"]),
    ],
)
def test_endpoints_may_be_written_in_many_ways(hosts: Any, endpoints: List[str]) -> None:
    assert list(EtcdMembership.Settings(hosts).endpoints()) == endpoints


def test_with_tls_endpoints_are_https() -> None:
    assert list(EtcdMembership.Settings("h", tls={"ca": "x"}).endpoints()) == ["https://h:2379"]


@pytest.mark.parametrize("hosts", ["", [], "h:x", "h:99999", "user:pass@h", "ftp://h", "h/path"])
def test_what_is_no_endpoint_is_an_error_without_secrets(hosts: Any) -> None:
    with pytest.raises(ConfigurationError, match="etcd_hosts") as caught:
        EtcdMembership.Settings(hosts)
    assert "pass" not in str(caught.value)
