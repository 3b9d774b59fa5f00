"""Near workers first; the others as the policy says that is wrapped."""

from __future__ import annotations

import socket
from typing import Any, Dict, Optional

import pytest

from alluxiofs import make_policy
from alluxiofs.errors import AlluxioFSError, ConfigurationError
from alluxiofs.interfaces import Worker, WorkerIdentity
from alluxiofs.policies.local_first import LocalFirst
from alluxiofs.testing import HashingPolicyContract, WorkerPolicyContract
from alluxiofs.testing.policies import make_keys, make_workers
from tests.unit.policies.placement import indices, load, names, workers_of


class TestContractWhereNobodyIsNear(HashingPolicyContract):
    policy_class = LocalFirst


class TestContractWithNearWorkers(WorkerPolicyContract):
    policy_class = LocalFirst

    @pytest.fixture
    def settings(self) -> LocalFirst.Settings:
        return LocalFirst.Settings(hostname="worker-2.example", inner={"name": "maglev", "table_size": 5003})


@pytest.mark.parametrize("name", names("local-*.json"))
def test_workers_of_this_host_are_taken_as_alluxio_takes_them(name: str) -> None:
    vectors = load(name)
    workers = workers_of(vectors)
    policy = make_policy("local-first", workers, hostname=vectors["properties"]["alluxio.user.hostname"]["value"])
    for call in vectors["sequence"]:
        ranked = indices(workers, policy.rank(call["key"], call["count"]))
        assert len(ranked) == min(call["count"], len(workers))  # Alluxio fails where there are too few near ones
        if call["workers"] is not None:
            assert ranked == call["workers"]


@pytest.mark.parametrize("inner", ["rendezvous", "consistent-hash", {"name": "maglev", "table_size": 5003}])
def test_the_others_come_as_the_wrapped_policy_ranks_them(inner: Any) -> None:
    workers = make_workers(6)
    policy = make_policy("local-first", workers, hostname="worker-4.example", inner=inner)
    wrapped = (
        make_policy(inner["name"], workers, table_size=5003) if isinstance(inner, dict) else make_policy(inner, workers)
    )
    for key in make_keys(50):
        others = [worker for worker in wrapped.rank(key, 6) if worker.host != "worker-4.example"]
        assert policy.rank(key, 6) == [workers[3], *others]


def test_labels_that_agree_come_before_those_that_do_not() -> None:
    workers = tuple(_labelled(number, zone="ab"[number % 2], rack=str(number % 3)) for number in range(12))
    plain = make_policy("rendezvous", workers)
    policy = make_policy("local-first", workers, hostname="h0", labels={"zone": "b", "rack": "1"}, inner="rendezvous")
    for key in make_keys(30):
        order = [worker for worker in plain.rank(key, 12) if worker.host != "h0"]
        near = [worker for worker in order if worker.labels == {"zone": "b", "rack": "1"}]
        assert len(near) == 2
        assert policy.rank(key, 12) == [workers[0], *near, *(worker for worker in order if worker not in near)]


@pytest.mark.parametrize("host", [socket.gethostname(), "localhost"])
def test_this_host_is_known_without_being_told(host: str) -> None:
    workers = (*make_workers(5), Worker(WorkerIdentity.from_host(host), host))
    assert make_policy("local-first", workers).rank("s3://bucket/key", 1) == [workers[-1]]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inner": "magelv"}, "inner worker policy.*magelv.*maglev"),
        ({"inner": {"name": "maglev", "table": 3}}, "table.*table_size"),
        ({"hostnam": "h"}, "hostnam.*hostname"),
        ({"labels": "zone"}, "labels"),
    ],
)
def test_a_mistake_is_named(settings: Dict[str, Any], words: str) -> None:
    with pytest.raises(AlluxioFSError, match=words):
        make_policy("local-first", make_workers(2), **settings)


def test_without_a_context_it_says_how_to_make_one() -> None:
    with pytest.raises(ConfigurationError, match="make_policy"):
        LocalFirst(make_workers(2))


def _labelled(number: int, zone: Optional[str], rack: str) -> Worker:
    host = f"h{number}"
    return Worker(WorkerIdentity.from_host(host), host, labels={"zone": str(zone), "rack": rack})
