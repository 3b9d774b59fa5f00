"""The contract of worker policies."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
from typing import Any, ClassVar, Dict, List, Sequence, Tuple, Type

import pytest

from alluxiofs.interfaces import Component, Context, Worker, WorkerIdentity, WorkerPolicy, Workers
from alluxiofs.registry import Builder, point_named, registry_for, silent_telemetry
from alluxiofs.testing.components import ComponentContract
from alluxiofs.testing.guards import at_once, no_io

__all__ = ["HashingPolicyContract", "RankingContract", "WorkerPolicyContract"]

ODD_KEYS = (
    "",
    "/",
    " ",
    "s3://bucket/key",
    "s3://bucket/a b/%41#?&+=*[x]",
    "file:///data/ünïcödé/文件/𝄞",
    "file:///undecodable/\udce9",
    "s3://bucket/" + "long/" * 1000,
)


def make_workers(count: int, first: int = 1) -> Workers:
    """Workers ``worker-1.example`` and so on, as a static membership has them."""
    hosts = [f"worker-{number}.example" for number in range(first, first + count)]
    return tuple(Worker(WorkerIdentity.from_host(host), host) for host in hosts)


def make_keys(count: int) -> List[str]:
    """Keys as a data set has them: alike but for a few characters."""
    return [f"s3://bucket/table/day={number % 31:02}/part-{number:05}.parquet" for number in range(count)]


def make(policy_class: Type[WorkerPolicy], workers: Workers, settings: Any) -> WorkerPolicy:
    """The policy with a context that builds inner policies by name, as a filesystem makes it."""
    return policy_class(workers, settings, _context())


def _context() -> Context:
    registry, logger = registry_for(), logging.getLogger("alluxiofs.testing")
    return Builder(registry, logger, silent_telemetry(registry, logger)).context(point_named("policy"))


# Loads a class where it is defined, even in a file that no import finds, and says what it ranks.
_ELSEWHERE = """
import importlib, importlib.util, json, operator, pickle, sys
request = json.load(sys.stdin)
sys.path[:] = request["path"]
from alluxiofs.testing.policies import make
try:
    module = importlib.import_module(request["module"])
except ImportError:
    spec = importlib.util.spec_from_file_location(request["module"], request["file"])
    module = sys.modules[request["module"]] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
policy_class = operator.attrgetter(request["class"])(module)
workers, settings = pickle.loads(bytes.fromhex(request["made_of"]))
policy = make(policy_class, workers, settings)
print(json.dumps([[workers.index(worker) for worker in policy.rank(key, 3)] for key in request["keys"]]))
"""


class RankingContract(ComponentContract):
    """What the gateway relies on in any policy, also in one that does not place by key.

    Set ``policy_class``; override the fixture ``settings`` for others than the default ones.
    """

    policy_class: ClassVar[Type[WorkerPolicy]]

    @pytest.fixture
    def settings(self) -> Any:
        """The settings to test with."""
        return self.policy_class.Settings()

    @pytest.fixture
    def component(self, settings: Any) -> Component:
        return make(self.policy_class, make_workers(3), settings)

    def test_without_workers_nobody_is_ranked(self, settings: Any) -> None:
        policy = make(self.policy_class, (), settings)
        assert list(policy.rank("s3://bucket/key", 1)) == []
        assert list(policy.rank("s3://bucket/key", 5)) == []

    def test_one_worker_serves_everything(self, settings: Any) -> None:
        workers = make_workers(1)
        policy = make(self.policy_class, workers, settings)
        for key in ODD_KEYS:
            assert list(policy.rank(key, 3)) == list(workers)

    @pytest.mark.parametrize("size", [2, 3, 10])
    def test_it_gives_as_many_distinct_workers_as_are_wanted_or_all(self, settings: Any, size: int) -> None:
        workers = make_workers(size)
        policy = make(self.policy_class, workers, settings)
        for key in [*ODD_KEYS, *make_keys(20)]:
            for count in range(1, size + 3):
                ranked = list(policy.rank(key, count))
                assert len(ranked) == min(count, size), f"{count} of {size} wanted for {key!r}"
                assert len({worker.identity for worker in ranked}) == len(ranked), f"one worker twice for {key!r}"
                assert all(worker in workers for worker in ranked), "a worker that is not in the snapshot"

    def test_it_does_no_input_or_output(self, settings: Any) -> None:
        workers, context = make_workers(5), _context()
        self.policy_class(workers, settings, context)  # what it imports is not meant
        with no_io():
            policy = self.policy_class(workers, settings, context)
            for key in ODD_KEYS:
                policy.rank(key, 2)

    def test_its_settings_may_be_left_out_where_all_have_defaults(self) -> None:
        assert make(self.policy_class, make_workers(2), None).settings == self.policy_class.Settings()


class WorkerPolicyContract(RankingContract):
    """What the gateway relies on, besides, in a policy that places by key.

    A policy that hashes keys, and should spread them evenly, keeps :class:`HashingPolicyContract` too.
    """

    def test_the_answer_for_fewer_is_the_beginning_of_the_answer_for_more(self, settings: Any) -> None:
        policy = make(self.policy_class, make_workers(10), settings)
        for key in [*ODD_KEYS, *make_keys(50)]:
            longest = list(policy.rank(key, 10))
            for count in range(1, 10):
                assert list(policy.rank(key, count)) == longest[:count], f"count {count} for {key!r}"

    def test_the_answer_is_the_same_each_time(self, settings: Any) -> None:
        policy = make(self.policy_class, make_workers(10), settings)
        keys = [*ODD_KEYS, *make_keys(50)]
        first = [list(policy.rank(key, 3)) for key in keys]
        assert [list(policy.rank(key, 3)) for key in reversed(keys)] == first[::-1], (
            "it depends on what was asked before"
        )
        other = make(self.policy_class, make_workers(10), settings)
        assert [list(other.rank(key, 3)) for key in keys] == first, "another policy of the same workers differs"

    def test_the_answer_is_the_same_in_every_process(self, settings: Any) -> None:
        workers, keys = make_workers(10), [*ODD_KEYS, *make_keys(50)]
        module = sys.modules[self.policy_class.__module__]
        request = {
            "path": sys.path,
            "module": module.__name__,
            "file": getattr(module, "__file__", None),
            "class": self.policy_class.__qualname__,
            "made_of": pickle.dumps((workers, settings)).hex(),
            "keys": keys,
        }
        policy = make(self.policy_class, workers, settings)
        here = [[workers.index(worker) for worker in policy.rank(key, 3)] for key in keys]
        for seed in ("1", "2"):  # of two seeds one at least is not the one of this process
            answer = subprocess.run(  # noqa: S603 - this interpreter, with a program of our own
                [sys.executable, "-c", _ELSEWHERE],
                input=json.dumps(request),
                capture_output=True,
                env={**os.environ, "PYTHONHASHSEED": seed},
                timeout=60,
                check=False,
                text=True,
            )
            assert answer.returncode == 0, answer.stderr
            assert json.loads(answer.stdout) == here, "another process ranks otherwise: is hash() in it?"

    def test_an_answer_belongs_to_the_caller(self, settings: Any) -> None:
        policy = make(self.policy_class, make_workers(5), settings)
        before = policy.rank("s3://bucket/key", 5)
        kept = list(before)
        if isinstance(before, list):
            before.clear()
        assert list(policy.rank("s3://bucket/key", 5)) == kept, "the policy gave away a list of its own"

    def test_threads_get_the_same_answers(self, settings: Any) -> None:
        policy, keys = make(self.policy_class, make_workers(10), settings), make_keys(200)

        def rank_all() -> List[List[Worker]]:
            return [list(policy.rank(key, 3)) for key in keys]

        alone = rank_all()
        assert all(together == alone for together in at_once(*[rank_all] * 8))


class HashingPolicyContract(WorkerPolicyContract):
    """What is expected, besides, of a policy that places by hashing: even shares, and few keys that move.

    Attributes
    ----------
    largest_share:
        How many times its even share the busiest of ten workers may have.
    needless_moves:
        Which part of the keys may change workers although their own worker stays.
    """

    largest_share: ClassVar[float] = 1.35
    needless_moves: ClassVar[float] = 0.0

    def test_the_shares_are_even(self, settings: Any) -> None:
        workers, keys = make_workers(10), make_keys(5000)
        shares = self._shares(make(self.policy_class, workers, settings), keys)
        assert len(shares) == len(workers), "some worker gets no key at all"
        assert max(shares.values()) <= self.largest_share * len(keys) / len(workers), sorted(shares.values())

    def test_the_second_choices_of_a_worker_are_spread(self, settings: Any) -> None:
        # or all that one worker had falls upon a single other one when it goes
        policy = make(self.policy_class, make_workers(10), settings)
        firsts = [list(policy.rank(key, 2)) for key in make_keys(5000)]
        taken_over_by = {second.host for first, second in firsts if first.host == "worker-1.example"}
        assert len(taken_over_by) > 3, f"all keys of one worker go to {sorted(taken_over_by)}"

    def test_only_the_keys_of_a_worker_that_goes_move(self, settings: Any) -> None:
        workers, keys = make_workers(10), make_keys(5000)
        self._check_moves(workers, workers[:4] + workers[5:], keys, settings)

    def test_only_keys_for_a_worker_that_comes_move(self, settings: Any) -> None:
        workers, keys = make_workers(10), make_keys(5000)
        self._check_moves(workers[:4] + workers[5:], workers, keys, settings)

    def _check_moves(self, before: Workers, after: Workers, keys: Sequence[str], settings: Any) -> None:
        had, has = self._firsts(before, keys, settings), self._firsts(after, keys, settings)
        moved = sum(1 for old, new in zip(had, has) if old != new and old in after and new in before)
        assert moved <= self.needless_moves * len(keys), f"{moved} of {len(keys)} keys moved between workers that stay"

    def _firsts(self, workers: Workers, keys: Sequence[str], settings: Any) -> Tuple[Worker, ...]:
        policy = make(self.policy_class, workers, settings)
        return tuple(policy.rank(key, 1)[0] for key in keys)

    @staticmethod
    def _shares(policy: WorkerPolicy, keys: Sequence[str]) -> Dict[str, int]:
        shares: Dict[str, int] = {}
        for key in keys:
            host = policy.rank(key, 1)[0].host
            shares[host] = shares.get(host, 0) + 1
        return shares
