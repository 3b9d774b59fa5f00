"""Highest random weight: the order of the workers does not matter, and nobody moves without need."""

from __future__ import annotations

from typing import List

from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.interfaces import Worker, WorkerIdentity
from alluxiofs.policies.rendezvous import Rendezvous
from alluxiofs.testing import HashingPolicyContract
from alluxiofs.testing.policies import make_workers


class TestContract(HashingPolicyContract):
    policy_class = Rendezvous
    largest_share = 1.15


@settings(deadline=None)
@given(key=st.text(max_size=40), order=st.permutations(range(8)))
def test_the_order_of_the_membership_does_not_matter(key: str, order: List[int]) -> None:
    workers = make_workers(8)
    assert Rendezvous(tuple(workers[index] for index in order)).rank(key, 8) == Rendezvous(workers).rank(key, 8)


@settings(deadline=None)
@given(key=st.text(max_size=40), gone=st.integers(0, 19))
def test_without_a_worker_the_others_keep_their_order(key: str, gone: int) -> None:
    workers = make_workers(20)
    before = Rendezvous(workers).rank(key, 20)
    after = Rendezvous(workers[:gone] + workers[gone + 1 :]).rank(key, 20)
    assert after == [worker for worker in before if worker != workers[gone]]


def test_the_weights_are_these_in_every_release() -> None:
    # A change of the hash or of what goes into it would empty every cache: it must not happen unseen.
    workers = (*make_workers(4), Worker(WorkerIdentity(0, (7).to_bytes(8, "big")), "worker-7.example"))
    policy = Rendezvous(workers)
    ranked = [
        [workers.index(worker) for worker in policy.rank(key, 5)] for key in ("", "s3://bucket/key", "file:///文")
    ]
    assert ranked == [[2, 0, 4, 3, 1], [1, 2, 4, 3, 0], [1, 0, 3, 4, 2]]
