from __future__ import annotations

import fsspec
import pytest
from alluxiofs import Worker, WorkerIdentity, make_policy
from alluxiofs.testing import InProcessWorkers, ScriptedMembership, WorkerPolicyContract, stand_ins

from alluxiofs_first_worker import FirstWorker

WORKERS = tuple(Worker(WorkerIdentity.from_host(host), host) for host in ("h1", "h2", "h3"))


class TestFirstWorker(WorkerPolicyContract):
    policy_class = FirstWorker


class TestSecondWorker(WorkerPolicyContract):
    policy_class = FirstWorker

    @pytest.fixture
    def settings(self) -> FirstWorker.Settings:
        return FirstWorker.Settings(offset=1)


def test_the_offset_says_who_is_first() -> None:
    policy = make_policy("first-worker", WORKERS, offset=2)
    assert [worker.host for worker in policy.rank("s3://bucket/key", 2)] == ["h3", "h1"]


def test_a_filesystem_asks_the_first_worker() -> None:
    workers, membership = InProcessWorkers(), ScriptedMembership()
    membership.push(WORKERS)
    fs = fsspec.filesystem(
        "alluxiofs",
        policy={"name": "first-worker", "offset": 1},
        membership=membership,
        transport={"name": "in-process", "workers": workers},
        fs=fsspec.filesystem("memory"),
        plugins=[stand_ins],
    )
    fs.pipe_file("/first-worker/file", b"0123456789")
    assert fs.cat_file("/first-worker/file", 2, 5) == b"234"
    assert [workers[worker].count("read_into") for worker in WORKERS] == [0, 1, 0]
    assert fs.describe()["policy"]["package"] == "alluxiofs-first-worker"
