"""Alluxio's other policies by path are Alluxio's, to the byte; where Alluxio gives up they go on."""

from __future__ import annotations

from typing import Any, Callable, ClassVar, Dict, List, Type

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.errors import ConfigurationError, SettingTypeError
from alluxiofs.interfaces import Worker, WorkerIdentity, WorkerPolicy
from alluxiofs.policies.jump import Jump
from alluxiofs.policies.ketama import Ketama
from alluxiofs.policies.maglev import Maglev, fill_order, offset_and_skip
from alluxiofs.policies.multi_probe import MultiProbe
from alluxiofs.testing import HashingPolicyContract, WorkerPolicyContract
from alluxiofs.testing.policies import make_workers
from tests.unit.policies.placement import check_choices, check_ring, checksum, indices, load, names, workers_of


class TestJumpContract(WorkerPolicyContract):
    policy_class = Jump


class TestKetamaContract(WorkerPolicyContract):
    policy_class = Ketama


class TestMaglevContract(HashingPolicyContract):
    policy_class = Maglev
    needless_moves = 0.03  # a worker that goes leaves its turns to others


class TestMaglevContractWithASmallTable(WorkerPolicyContract):
    policy_class = Maglev

    @pytest.fixture
    def settings(self) -> Maglev.Settings:
        return Maglev.Settings(table_size=7)  # some of ten workers have no slot


class TestMultiProbeContract(HashingPolicyContract):
    policy_class = MultiProbe
    largest_share = 1.6


@pytest.mark.parametrize("name", names("jump-*.json"))
def test_jump_chooses_as_alluxio(name: str) -> None:
    vectors = load(name)
    workers = workers_of(vectors)
    check_choices(Jump(workers), workers, vectors)


@pytest.mark.parametrize("name", names("ketama-*.json"))
def test_ketama_chooses_as_alluxio(name: str) -> None:
    vectors = load(name)
    workers = workers_of(vectors)
    policy = Ketama(workers, Ketama.Settings(_property(vectors)))
    check_choices(policy, workers, vectors)
    check_ring(policy.ring, vectors)


@pytest.mark.parametrize("name", names("maglev-*.json"))
def test_maglev_chooses_as_alluxio(name: str) -> None:
    vectors = load(name)
    workers = workers_of(vectors)
    size = _property(vectors)
    assert fill_order(workers) == vectors["fill_order"]
    assert [list(offset_and_skip(worker.identity, size)) for worker in workers] == vectors["offset_skip"]
    policy = Maglev(workers, Maglev.Settings(size))
    assert list(policy.table[:50]) == vectors["table_sample"]
    assert checksum(policy.table) == vectors["table_checksum"].rjust(16, "0")
    check_choices(policy, workers, vectors)


@pytest.mark.parametrize("name", names("multi_probe-*.json"))
def test_multi_probe_chooses_as_alluxio(name: str) -> None:
    vectors = load(name)
    workers = workers_of(vectors)
    policy = MultiProbe(workers, MultiProbe.Settings(_property(vectors)))
    assert [list(point) for point in zip(policy.points, policy.owners)] == vectors["ring"]
    check_choices(policy, workers, vectors)


class AsMembersChange:
    """A fresh policy of each set of members chooses as Alluxio's, which has lived through the changes."""

    name: ClassVar[str]
    policy_class: ClassVar[Type[WorkerPolicy]]

    def test_it_chooses_as_alluxio_at_each_step(self) -> None:
        change = load(self.name)
        workers = workers_of(change)
        keys = [vector["key"] for vector in load("jump-uuid-n10.json")["vectors"]]
        for step in change["steps"]:
            policy = self.policy_class(tuple(workers[index] for index in step["members"]))
            assert [indices(workers, policy.rank(key, 1))[0] for key in keys] == step["first"]


class TestMaglevAsMembersChange(AsMembersChange):
    name, policy_class = "change-maglev.json", Maglev


class TestMultiProbeAsMembersChange(AsMembersChange):
    name, policy_class = "change-multi_probe.json", MultiProbe


@settings(deadline=None)
@given(
    key=st.text(max_size=40),
    size=st.integers(1, 40),
    make=st.sampled_from(
        [
            Jump,
            lambda workers: Ketama(workers, Ketama.Settings(1)),
            lambda workers: Maglev(workers, Maglev.Settings(31)),
            lambda workers: Maglev(workers, Maglev.Settings(4)),
            lambda workers: MultiProbe(workers, MultiProbe.Settings(1)),
        ]
    ),
)
def test_all_workers_are_ranked_however_uneven_the_shares(
    key: str, size: int, make: Callable[[Any], WorkerPolicy]
) -> None:
    workers = make_workers(size)
    policy = make(workers)
    everyone = policy.rank(key, size)
    assert sorted(worker.host for worker in everyone) == sorted(worker.host for worker in workers)
    for count in (1, size // 2, size):
        assert policy.rank(key, count) == everyone[:count]


@pytest.mark.parametrize("size", [2, 4, 6, 100, 5000])
@pytest.mark.parametrize("members", [1, 3, 50])
def test_a_table_whose_size_is_not_prime_has_no_gap(size: int, members: int) -> None:
    table = Maglev(make_workers(members), Maglev.Settings(size)).table
    assert len(table) == size
    assert set(table) <= set(range(members))


def test_a_negative_identity_of_old_workers_is_bytes_like_any_other() -> None:
    workers = tuple(Worker(WorkerIdentity(0, number.to_bytes(8, "big", signed=True)), "h") for number in (-1, 1))
    for policy in (Jump(workers), Ketama(workers), Maglev(workers), MultiProbe(workers)):
        assert {worker.identity for worker in policy.rank("s3://bucket/key", 2)} == {
            worker.identity for worker in workers
        }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ketama.Settings(replicas=0), "replicas=0.*ketama.*at least 1"),
        (lambda: MultiProbe.Settings(probes=-1), "probes=-1.*multi-probe.*at least 1"),
        (lambda: Maglev.Settings(table_size=1), "table_size=1.*maglev.*from 2"),
        (lambda: Maglev.Settings(table_size=1 << 30), "table_size.*maglev.*to"),
    ],
)
def test_numbers_that_make_no_sense_are_errors_that_name_them(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


@pytest.mark.parametrize("value", ["200", 1.5, True, None])
@pytest.mark.parametrize("kind", [Ketama.Settings, Maglev.Settings, MultiProbe.Settings])
def test_another_type_is_an_error(kind: Any, value: object) -> None:
    with pytest.raises(SettingTypeError, match="a whole number is needed"):
        kind(value)


def _property(vectors: Dict[str, Any]) -> int:
    values: List[int] = [found["value"] for found in vectors["properties"].values()]
    return values[0]
