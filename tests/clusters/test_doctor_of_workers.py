"""``alluxiofs doctor`` ends soon, however many workers do not answer, and whatever they do not answer."""

from __future__ import annotations

import ast
import contextlib
import itertools
import re
import socket
import threading
from pathlib import Path
from typing import Any, Dict, List

import pytest

from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.clusters.certificates import Authority
from tests.clusters.doctors import FILES, Doctor, cluster, doctor, lake, told
from tests.clusters.etcd import etcd
from tests.clusters.test_membership_etcd_faults import Endpoint, running
from tests.servers import free_port

__all__ = ["cluster", "doctor", "lake"]

MANY = 12


def test_many_that_are_silent_are_waited_for_together(doctor: Doctor) -> None:
    """One after the other they would take a minute."""
    all_asked = threading.Barrier(MANY)
    asked: List[bool] = []

    def wait_for_the_others(server: socket.socket) -> None:
        with contextlib.suppress(OSError, threading.BrokenBarrierError):
            connection, _ = server.accept()
            with connection:
                all_asked.wait(30)
                asked.append(True)
        server.close()

    servers = [socket.create_server(("127.0.0.1", free_port())) for _ in range(MANY)]
    threads = [threading.Thread(target=wait_for_the_others, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    hosts = ",".join(f"127.0.0.1:{server.getsockname()[1]}" for server in servers)
    found = doctor(target_protocol="memory", worker_hosts=hosts)
    for thread in threads:
        thread.join()
    assert len(asked) == MANY
    wrong = [one for one in found if one["what"] == "worker"]
    assert [one["facts"]["worker"] for one in wrong] == hosts.split(","), "each is told, in its order"
    assert {one["grade"] for one in wrong} == {"wrong"}


def test_that_not_all_are_looked_at_is_told(doctor: Doctor) -> None:
    port = free_port()
    found = doctor(target_protocol="memory", worker_hosts=",".join(f"127.0.1.{one}:{port}" for one in range(1, 102)))
    told_so = [one for one in found if one["what"] == "worker"]
    assert (told_so[0]["grade"], told_so[0]["text"]) == ("told", "the first 100 of 101 are looked at")
    assert len(told_so) == 101


def test_a_worker_that_is_silent_about_a_file_is_asked_about_no_other(
    doctor: Doctor, cluster: StandInCluster, lake: Path
) -> None:
    cluster.workers[0].load("file-0.bin")  # whoever is in charge of it: the others hold at least one
    cluster.workers[1].fail("page", faults.Stall())
    found = {one["what"]: one for one in doctor(str(lake), **told(cluster, timeout="4s"))}
    assert cluster.workers[1].requests["page"] == 1
    assert found["virtual nodes"]["facts"]["files"] > 0, "the others tell enough"
    assert found["worker"]["grade"] == "warning"
    assert f":{cluster.members[1].http_port}: answers for its health, and not what it holds" in found["worker"]["text"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tls_on_one_side_only_is_named(doctor: Doctor, lake: Path, tmp_path_factory: Any, scheme: str) -> None:
    own = Authority(tmp_path_factory.mktemp("authority")).certificate("127.0.0.1")
    with StandInCluster(lake, workers=1, certificate=(own.cert, own.key) if scheme == "http" else None) as cluster:
        hosts = f"127.0.0.1:{cluster.members[0].http_port}"
        what, _, advice = doctor.wrong(
            str(lake), target_protocol="file", worker_hosts=hosts, scheme=scheme, timeout="2s"
        )
    assert what == "worker"
    words = {"http": "it speaks TLS: set scheme='https'", "https": "it speaks HTTP without TLS"}
    assert advice.startswith(words[scheme])


def test_a_file_that_is_not_there_needs_no_advice(doctor: Doctor) -> None:
    port = free_port()
    workers = {"worker_hosts": f"127.0.0.1:{port}", "scheme": "https", "ca_certs": "/nowhere/ca.pem"}
    etcd = {"etcd_hosts": f"127.0.0.1:{port}", "etcd_tls": {"ca": "/nowhere/ca.pem"}}
    for arguments in (workers, etcd):
        _, text, advice = doctor.wrong(target_protocol="memory", **arguments)
        assert "/nowhere/ca.pem" in text
        assert advice == ""


def test_a_number_of_virtual_nodes_that_nobody_would_guess(doctor: Doctor, lake: Path) -> None:
    """With one near to it most files fit, too: what is advised is one with which all of them do."""
    with StandInCluster(lake, workers=3, page_size=4096, virtual_nodes=37) as cluster:
        cluster.load_all()
        _, _, advice = doctor.wrong(str(lake), **told(cluster, policy={"name": "consistent-hash", "virtual_nodes": 1}))
        found = re.match(r"set policy=(\{.*?\}): 12 of 12 fit with it \(", advice)
        assert found is not None, advice
        advised = ast.literal_eval(found[1])
        said = {one["what"]: one for one in doctor(str(lake), **told(cluster, policy=advised))}
        assert said["virtual nodes"]["facts"]["as_expected"] == FILES


def some_of_each(cluster: StandInCluster, count: int) -> List[str]:
    """So many names of files, of which each worker is in charge of as many as the others.

    Who is in charge of a given name is up to the ports: of a dozen, all may be another's.
    """
    names: Dict[str, List[str]] = {}
    for name in (f"file-{number}.bin" for number in range(1000)):
        names.setdefault(str(cluster.in_charge(name).worker.identity), []).append(name)
    each = count // len(cluster.workers)
    return list(itertools.chain(*(of_one[:each] for of_one in names.values())))


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_one_name_for_all_workers(doctor: Doctor, lake: Path, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host == "workers.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with StandInCluster(lake, workers=3, page_size=4096, dialect=dialect) as cluster:
        for file in lake.iterdir():
            file.unlink()
        for name in some_of_each(cluster, FILES):
            (lake / name).write_bytes(bytes(9000))
        cluster.load_all()
        first = cluster.members[0]
        arguments = {name: value for name, value in told(cluster).items() if name != "worker_hosts"}
        arguments.update(worker_http_port=first.http_port, worker_data_port=first.data_port)
        found = {one["what"]: one for one in doctor(str(lake), **arguments, load_balance_domain="workers.example")}
    assert doctor.code == 0
    if dialect == "rest":
        assert found["placement"]["text"].startswith("workers.example stands for 3 workers or more")
    else:
        assert found["placement"]["grade"] == "told"
        assert "headless service" in found["placement"]["advice"]


def test_what_etcd_has_is_told(doctor: Doctor, cluster: StandInCluster, lake: Path, tmp_path_factory: Any) -> None:
    with etcd(tmp_path_factory.mktemp("etcd")) as server:
        server.become(cluster.members)
        arguments = {**told(cluster), "etcd_hosts": server.host}
        del arguments["worker_hosts"]
        server.put("/ServiceDiscovery/DefaultAlluxioCluster/odd", b'{"Identity": {}}')
        found = [one for one in doctor(str(lake), **arguments) if one["what"] == "membership"]
        assert doctor.code == 0
        assert [one["grade"] for one in found] == ["warning", "ok"]
        assert found[1]["facts"] == {"workers": 3}
        warned = found[0]
        assert "/ServiceDiscovery/DefaultAlluxioCluster/odd: it has no 'WorkerNetAddress'" in warned["text"]
        what, text, advice = doctor.wrong(str(lake), **arguments, cluster_name="Other")
        assert (what, text) == ("membership", "etcd: it has no workers")
        assert "alluxio.cluster.name" in advice


def test_a_user_whom_etcd_does_not_know(doctor: Doctor) -> None:
    refusal = b'{"code":3,"message":"etcdserver: authentication failed, invalid user ID or password"}'
    endpoint = Endpoint(says=(400, refusal))
    with running(endpoint):
        what, text, advice = doctor.wrong(
            target_protocol="memory", etcd_hosts=endpoint.host, etcd_username="reader", etcd_password="a-canary"
        )
    assert (what, "canary" in text) == ("membership", False)
    assert advice.startswith("set etcd_username and etcd_password")
