"""A worker that fails again and again is passed over, and tried again when its time has come."""

from __future__ import annotations

import threading
from typing import Callable, List

import pytest

from alluxiofs.errors import BadAnswerError, FileChangedError, NotHeldError, UnavailableError, denied, not_found
from alluxiofs.gateway import breaker as module
from alluxiofs.gateway.breaker import Breaker, Breakers, blames, process_breakers
from alluxiofs.interfaces import Worker, WorkerIdentity
from alluxiofs.testing import Failure
from tests.unit.gateway.conftest import PAGE, Assembled, InOrder


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def opened(times: int = 3) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.failed(waited=False)
    return breaker


@pytest.mark.usefixtures("clock")
def test_failures_in_a_row_open_it() -> None:
    assert opened(2).state == "closed"
    assert opened(3).state == "open"
    breaker = opened(2)
    breaker.succeeded()
    breaker.failed(waited=False)
    assert breaker.state == "closed", "they were not in a row"


@pytest.mark.usefixtures("clock")
def test_a_failure_that_was_waited_for_opens_it_at_once() -> None:
    breaker = Breaker()
    assert breaker.failed(waited=True)
    assert breaker.state == "open"


def test_who_fails_is_known_from_the_first_failure_to_the_next_answer(two: Assembled) -> None:
    assert two.membership is not None
    breakers = Breakers()
    one, other = (breakers.of("in-process", worker) for worker in two.membership.known().workers)
    assert not breakers.failing
    one.failed(waited=False)
    assert breakers.failing == {one}, "closed as it is: failures in a row are counted, and an answer ends the row"
    other.failed(waited=True)
    assert breakers.failing == {one, other}
    one.succeeded()
    other.succeeded()
    assert not breakers.failing


def test_failures_with_answers_between_them_do_not_pass_a_worker_over(two: Assembled) -> None:
    assert two.membership is not None
    for _ in range(2 * 3):
        set_failure(two, 0, Failure.DEAD)
        two.data("f")
        set_failure(two, 0, None)
        two.data("f")
    assert not process_breakers.failing
    assert process_breakers.state("in-process", two.membership.known().workers[0]) == "closed"


def test_one_call_is_the_trial(clock: Clock) -> None:
    breaker = opened()
    assert not breaker.admit()
    clock.now += 1.1
    assert breaker.state == "half-open"
    assert breaker.admit()
    assert not breaker.admit(), "the trial is under way"
    assert breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.admit()


def test_a_trial_that_fails_opens_it_for_longer(clock: Clock) -> None:
    breaker = opened()
    pauses: List[float] = []
    for _ in range(8):
        began = clock.now
        while not breaker.admit():
            clock.now += 0.05
        pauses.append(clock.now - began)
        assert not breaker.failed(waited=True), "it was open already"
    assert pauses[-1] > pauses[0] * 4
    assert max(pauses) <= 30.1


def test_a_trial_that_never_ends_does_not_keep_the_worker_away_for_ever(clock: Clock) -> None:
    breaker = opened()
    clock.now += 1.1
    assert breaker.admit()
    clock.now += 1.1
    assert breaker.admit()


def test_whom_errors_blame() -> None:
    assert all(
        blames(error) for error in (UnavailableError("x"), BadAnswerError("x"), TimeoutError(), OSError(110, ""))
    )
    innocent = (not_found("x"), denied("x"), NotHeldError("x"), FileChangedError("x"))
    assert not any(blames(error) for error in innocent)


@pytest.fixture
def two(assemble: Callable[..., Assembled]) -> Assembled:
    """A gateway with two workers, the first of which is asked first, and a file."""
    assembled = assemble(["w1", "w2"], policy=InOrder, pages=False, retries=0)
    assembled.store.put("f", bytes(PAGE))
    return assembled


def set_failure(assembled: Assembled, number: int, failure: object) -> None:
    assert assembled.membership is not None
    assembled.transport.worker(assembled.membership.known().workers[number]).failure = failure


def calls(assembled: Assembled, number: int) -> int:
    assert assembled.membership is not None
    count: int = assembled.transport.worker(assembled.membership.known().workers[number]).count("read_into")
    return count


def test_a_dead_worker_is_asked_three_times_and_then_passed_over(two: Assembled, clock: Clock) -> None:
    set_failure(two, 0, Failure.DEAD)
    for _ in range(10):
        two.data("f")
    assert (calls(two, 0), calls(two, 1)) == (3, 10)
    assert [worker["breaker"] for worker in two.gateway.describe()["workers"]] == ["open", "closed"]
    assert [event.kind for event in two.telemetry.events].count("breaker_opened") == 1

    set_failure(two, 0, None)
    two.data("f")
    assert calls(two, 0) == 3, "its time is not over"
    clock.now += 1.1
    two.data("f")
    assert calls(two, 0) == 4
    assert [worker["breaker"] for worker in two.gateway.describe()["workers"]] == ["closed", "closed"]
    assert two.telemetry.events[-1].kind == "breaker_closed"


def test_answers_never_count(two: Assembled) -> None:
    set_failure(two, 0, Failure.DENIED)
    for _ in range(5):
        with pytest.raises(PermissionError):
            two.data("f")
    assert calls(two, 0) == 5


@pytest.mark.usefixtures("clock")
def test_if_all_have_failed_the_under_store_is_asked(two: Assembled) -> None:
    set_failure(two, 0, Failure.DEAD)
    set_failure(two, 1, Failure.DEAD)
    for _ in range(6):
        assert two.data("f") == bytes(PAGE)
    assert (calls(two, 0), calls(two, 1)) == (3, 3)


def test_without_an_under_store_they_are_asked_all_the_same(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1"], under_store=False, pages=False, retries=0)
    assert assembled.membership is not None
    worker = assembled.membership.known().workers[0]
    assembled.transport.put(worker, assembled.gateway.locate("scripted://f"), b"data")
    set_failure(assembled, 0, Failure.DEAD)
    for _ in range(4):
        with pytest.raises(ConnectionError):
            assembled.data("scripted://f")
    set_failure(assembled, 0, None)
    assert assembled.data("scripted://f") == b"data", "nobody else could have said it"


@pytest.mark.usefixtures("clock")
def test_threads_share_it(two: Assembled) -> None:
    set_failure(two, 0, Failure.DEAD)
    threads = [threading.Thread(target=two.data, args=("f",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = calls(two, 0)
    two.data("f")
    assert calls(two, 0) == before
    assert two.membership is not None
    assert process_breakers.state("in-process", two.membership.known().workers[0]) == "open"


def test_who_has_left_the_cluster_is_forgotten(two: Assembled, clock: Clock) -> None:
    """Nobody asks such a worker any more, so that no answer ends its failures."""
    assert two.membership is not None
    set_failure(two, 0, Failure.DEAD)
    two.data("f")
    two.membership.push(["w2"])
    two.data("f")
    assert process_breakers.failing, "it may come back at once"
    clock.now += 301
    two.data("f")
    assert not process_breakers.failing


def test_who_is_still_asked_is_not_forgotten(two: Assembled, clock: Clock) -> None:
    assert two.membership is not None
    set_failure(two, 0, Failure.DEAD)
    for _ in range(10):
        two.data("f")
        clock.now += 200
    assert process_breakers.state("in-process", two.membership.known().workers[0]) == "half-open"
    assert calls(two, 0) == 10


def test_who_failed_just_now_is_not_forgotten_however_long_it_was_well(clock: Clock) -> None:
    """Who is well stands in line unnoticed; the one that is asked next need not have it in its line."""
    breakers = Breakers()
    one, other = (Worker(WorkerIdentity.from_host(host), host) for host in ("one", "other"))
    breaker = breakers.of("in-process", one)
    breaker.failed(waited=False)
    breaker.succeeded()
    clock.now += 1000
    breaker.failed(waited=True)
    assert not breakers.passed_over("in-process", other)
    breakers.forget_absent()
    assert breakers.passed_over("in-process", one)
    assert breakers.failing == {breaker}
