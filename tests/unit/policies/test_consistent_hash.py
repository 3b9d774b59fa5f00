"""The ring is Alluxio's, to the byte; where Alluxio gives up it goes on."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmh3 import hash as murmur3

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.interfaces import Worker, WorkerIdentity
from alluxiofs.policies.consistent_hash import ConsistentHash
from alluxiofs.policies.ring import WHO
from alluxiofs.testing import HashingPolicyContract
from alluxiofs.testing.policies import make_workers
from tests.unit.policies.placement import check_ring, indices, load, names, workers_of


class TestContract(HashingPolicyContract):
    policy_class = ConsistentHash


class TestContractWithFewVirtualNodes(HashingPolicyContract):
    policy_class = ConsistentHash
    largest_share = 3.0  # five points a worker balance badly

    @pytest.fixture
    def settings(self) -> ConsistentHash.Settings:
        return ConsistentHash.Settings(virtual_nodes=5)


@pytest.mark.parametrize("name", names("consistent-*.json"))
class TestAsAlluxio:
    def test_every_key_has_the_workers_that_alluxio_chooses(self, name: str) -> None:
        vectors = load(name)
        workers = workers_of(vectors)
        policy = ConsistentHash(workers, ConsistentHash.Settings(vectors["virtual_nodes"]))
        for vector in vectors["vectors"]:
            assert indices(workers, policy.rank(vector["key"], vectors["count"])) == vector["workers"], vector["key"]
            assert indices(workers, policy.rank(vector["key"], 1)) == vector["workers"][:1]

    def test_the_ring_has_the_points_that_alluxios_has(self, name: str) -> None:
        vectors = load(name)
        policy = ConsistentHash(workers_of(vectors), ConsistentHash.Settings(vectors["virtual_nodes"]))
        check_ring(policy.ring, vectors)


def test_workers_that_come_and_go_leave_the_others_where_alluxio_has_them() -> None:
    change = load("change-consistent.json")
    workers = workers_of(change)
    keys = [vector["key"] for vector in load("consistent-uuid-n10-v1.json")["vectors"]]
    for step in change["steps"]:
        members = tuple(workers[index] for index in step["members"])
        policy = ConsistentHash(members, ConsistentHash.Settings(5))
        assert [indices(workers, policy.rank(key, 1))[0] for key in keys] == step["first"]


@settings(deadline=None)
@given(key=st.text(max_size=40), size=st.integers(1, 60), virtual_nodes=st.integers(1, 3))
def test_all_workers_are_ranked_however_few_points_they_have(key: str, size: int, virtual_nodes: int) -> None:
    workers = make_workers(size)
    policy = ConsistentHash(workers, ConsistentHash.Settings(virtual_nodes))
    everyone = policy.rank(key, size + 1)
    assert len(everyone) == size
    assert set(everyone) == set(workers)
    for count in (1, size // 2, size):
        assert policy.rank(key, count) == everyone[:count]


@settings(deadline=None)
@given(
    key=st.text(max_size=40),
    size=st.integers(1, 5),
    virtual_nodes=st.sampled_from([1, 2, 5, 500]),
    count=st.integers(1, 3),
)
def test_the_first_attempts_are_looked_up_as_the_others(key: str, size: int, virtual_nodes: int, count: int) -> None:
    """They have a shorter way: it ends at the smallest point that is not below the hash, round the end of the ring."""
    policy = ConsistentHash(make_workers(size), ConsistentHash.Settings(virtual_nodes))
    points = [(int(packed) // WHO, int(packed) % WHO) for packed in policy.ring[:-1]]
    expected = []
    for attempt in range(1, 101):
        hashed = murmur3(key.encode("utf-8", "replace") + attempt.to_bytes(4, "little"))
        _, who = next((one for one in points if one[0] >= hashed), points[0])
        expected.append(policy.workers[size - 1 - who])
    distinct = list(dict.fromkeys(expected))[:count]
    assert policy.rank(key, count)[: len(distinct)] == distinct


@settings(deadline=None)
@given(key=st.text(max_size=40), gone=st.integers(0, 19), virtual_nodes=st.sampled_from([1, 5, 100]))
def test_a_worker_that_goes_takes_only_its_own_keys_along(key: str, gone: int, virtual_nodes: int) -> None:
    workers = make_workers(20)
    chosen = ConsistentHash.Settings(virtual_nodes)
    before = ConsistentHash(workers, chosen).rank(key, 1)[0]
    after = ConsistentHash(workers[:gone] + workers[gone + 1 :], chosen).rank(key, 1)[0]
    assert after == before or before == workers[gone]


def test_a_worker_all_whose_points_are_taken_is_still_the_last_resort() -> None:
    # Two workers of one identity are one to Alluxio; the ring hides the first of them on every point.
    identity = WorkerIdentity.from_host("h")
    hidden, shown = Worker(identity, "hidden"), Worker(identity, "shown")
    policy = ConsistentHash((hidden, shown), ConsistentHash.Settings(10))
    assert policy.rank("s3://bucket/key", 1) == [shown]
    assert policy.rank("s3://bucket/key", 2) == [shown, hidden]


def test_the_order_of_the_membership_matters_only_where_points_meet() -> None:
    workers = make_workers(10)
    forwards, backwards = ConsistentHash(workers), ConsistentHash(workers[::-1])
    for number in range(200):
        assert forwards.rank(f"s3://bucket/{number}", 3) == backwards.rank(f"s3://bucket/{number}", 3)


@pytest.mark.parametrize("virtual_nodes", [0, -1])
def test_too_few_virtual_nodes_are_an_error_that_names_them(virtual_nodes: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"virtual_nodes={virtual_nodes}.*consistent-hash.*at least 1"):
        ConsistentHash.Settings(virtual_nodes=virtual_nodes)


@pytest.mark.parametrize("virtual_nodes", ["2000", 1.5, True, None])
def test_virtual_nodes_of_another_type_are_an_error_that_names_them(virtual_nodes: object) -> None:
    with pytest.raises(SettingTypeError, match="virtual_nodes"):
        ConsistentHash.Settings(virtual_nodes=virtual_nodes)  # type: ignore[arg-type]


def test_a_ring_of_a_hundred_workers_is_built_in_a_fraction_of_a_second() -> None:
    workers = make_workers(100)

    def seconds() -> float:
        began = time.perf_counter()
        ConsistentHash(workers)
        return time.perf_counter() - began

    assert any(seconds() < 0.5 for _ in range(20))  # 0.08 s on a machine that has nothing else to do
