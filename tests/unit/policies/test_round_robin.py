"""Round robin: everybody in turn, whoever asks and about whatever."""

from __future__ import annotations

from collections import Counter

from alluxiofs.policies.round_robin import RoundRobin
from alluxiofs.testing import RankingContract
from alluxiofs.testing.guards import at_once
from alluxiofs.testing.policies import make_workers


class TestContract(RankingContract):
    policy_class = RoundRobin


def test_each_question_goes_to_the_next_worker() -> None:
    workers = make_workers(3)
    policy = RoundRobin(workers)
    assert [policy.rank("s3://bucket/key", 1)[0] for _ in range(7)] == [*workers, *workers, workers[0]]


def test_who_comes_next_stands_behind() -> None:
    workers = make_workers(3)
    policy = RoundRobin(workers)
    policy.rank("s3://bucket/key", 1)
    assert policy.rank("s3://bucket/other", 3) == [workers[1], workers[2], workers[0]]


def test_threads_take_turns() -> None:
    workers = make_workers(4)
    policy = RoundRobin(workers)
    asked = at_once(*[lambda: [policy.rank("s3://bucket/key", 1)[0].host for _ in range(100)]] * 8)
    assert set(Counter(host for hosts in asked for host in hosts).values()) == {200}
