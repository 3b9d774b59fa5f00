"""Who is asked next when one fails, and what never is passed on."""

from __future__ import annotations

import os
import time
from typing import Any, Callable

import pytest

from alluxiofs.errors import FileChangedError, OtherVersionError, UnavailableError
from alluxiofs.gateway import Metadata
from alluxiofs.testing import Failure
from tests.unit.gateway.conftest import PAGE, Assembled, InOrder

DATA = os.urandom(3 * PAGE + 1)


def fail(assembled: Assembled, *failures: Any) -> None:
    """The first workers, in their order, fail in these ways."""
    assert assembled.membership is not None
    for worker, failure in zip(assembled.membership.known().workers, failures):
        assembled.transport.worker(worker).failure = failure


@pytest.mark.parametrize("failure", [failure for failure in Failure if failure is not Failure.DENIED])
def test_a_worker_that_fails_passes_to_the_next(assemble: Callable[..., Assembled], failure: Failure) -> None:
    assembled = assemble(["w1", "w2"], policy=InOrder, pages=False)
    assembled.store.put("f", DATA)
    fail(assembled, failure)
    assert assembled.data("f") == DATA
    assert [event.kind for event in assembled.telemetry.events] == ["failover"]
    assert assembled.membership is not None
    second = assembled.membership.known().workers[1]
    assert assembled.transport.worker(second).count("read_into") == 1


@pytest.mark.parametrize("failure", [failure for failure in Failure if failure is not Failure.DENIED])
def test_after_the_last_worker_comes_the_under_store(assemble: Callable[..., Assembled], failure: Failure) -> None:
    assembled = assemble(["w1", "w2", "w3"], policy=InOrder, replicas=2)
    assembled.store.put("f", DATA)
    fail(assembled, failure, failure, failure)
    assert assembled.data("f") == DATA
    assert [event.kind for event in assembled.telemetry.events][-1] == "fallback"
    assert assembled.transport.calls("read_into") == 2, "replicas, not every worker"


def test_a_denial_is_the_answer(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1", "w2"], policy=InOrder)
    assembled.store.put("f", DATA)
    fail(assembled, Failure.DENIED)
    with pytest.raises(PermissionError):
        assembled.data("f")
    assert assembled.store.reads() == []


def test_without_fallback_the_workers_failure_is_the_callers(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1", "w2"], policy=InOrder, fallback=False, retries=0)
    assembled.store.put("f", DATA)
    fail(assembled, Failure.DEAD, Failure.DEAD)
    with pytest.raises(ConnectionError) as raised:
        assembled.data("f")
    assert isinstance(raised.value.__cause__, UnavailableError), "the first worker's failure is its cause"
    assert assembled.store.reads() == []


def test_without_an_under_store_every_live_worker_is_tried(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1", "w2", "w3", "w4"], policy=InOrder, under_store=False, replicas=2)
    location = assembled.gateway.locate("scripted://f")
    assert assembled.membership is not None
    assembled.transport.put(assembled.membership.known().workers[3], location, DATA)
    fail(assembled, Failure.DEAD, Failure.DEAD, Failure.DEAD)
    assert assembled.data("scripted://f") == DATA


def test_no_worker_alive_means_the_under_store(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1"])
    assembled.store.put("f", DATA)
    assert assembled.membership is not None
    assembled.membership.push([])
    assert assembled.data("f") == DATA


def test_no_worker_and_no_under_store_is_a_failure_and_no_absence(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1"], under_store=False)
    assert assembled.membership is not None
    assembled.membership.push([])
    with pytest.raises(ConnectionError):
        assembled.data("scripted://f")


def test_a_stale_worker_is_not_read(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1"], metadata_ttl=0.0, pages=False)
    assembled.store.put("f", b"old" * PAGE)
    assert assembled.data("f") == b"old" * PAGE
    assembled.store.put("f", b"new" * PAGE)  # the worker goes on holding the old one
    assert assembled.data("f") == b"new" * PAGE


def test_a_worker_may_be_believed(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1"], metadata=Metadata.WORKER, metadata_ttl=0.0, pages=False)
    assembled.store.put("f", b"old" * PAGE)
    assert assembled.data("f") == b"old" * PAGE
    assembled.store.put("f", b"new" * PAGE)
    assert assembled.data("f") == b"old" * PAGE


def test_a_denial_is_the_answer_of_a_worker_also_after_one_that_has_another_version(
    assemble: Callable[..., Assembled], monkeypatch: pytest.MonkeyPatch
) -> None:
    assembled = assemble(["w1", "w2"], policy=InOrder, under_store=False, pages=False)
    assert assembled.membership is not None
    for worker in assembled.membership.known().workers:
        assembled.transport.put(worker, assembled.gateway.locate("scripted://f"), DATA)
    opened = assembled.gateway.open(assembled.gateway.locate("scripted://f"))
    first, read_into = assembled.membership.known().workers[0], assembled.transport.read_into

    def of_another(worker: Any, *arguments: Any) -> None:
        if worker is first:
            raise OtherVersionError("it has another one")
        read_into(worker, *arguments)

    monkeypatch.setattr(assembled.transport, "read_into", of_another)
    fail(assembled, None, Failure.DENIED)
    with pytest.raises(PermissionError):
        opened.read(0, 1)


@pytest.mark.parametrize("wish", [None, "Thu, 01 Jan 1970 00:00:00 GMT", float("nan"), -1.0])
def test_a_failure_of_others_may_mean_anything_by_what_is_ours_to_wait_for(
    assemble: Callable[..., Assembled], wish: Any
) -> None:
    class Throttled(ConnectionError):
        retry_after = wish

    def refuse() -> None:
        raise Throttled("slow down")

    assembled = assemble(pages=False)
    assembled.store.put("f", DATA)
    assembled.store.before_read.append(refuse)
    assert assembled.data("f") == DATA
    assert [event.kind for event in assembled.telemetry.events] == ["retry"]


def test_the_last_in_line_has_its_turn(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1", "w2"], deadline=3.0, timeout=30.0, pages=False)
    assembled.store.put("f", DATA)
    fail(assembled, Failure.STALLED, Failure.STALLED)
    began = time.monotonic()
    assert assembled.data("f") == DATA
    assert time.monotonic() - began < 3.0


def test_the_fallback_is_at_the_same_version(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1"], pages=False)
    assembled.store.put("f", b"old" * PAGE)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    assert opened.read(0, 1) == b"o"
    assembled.store.put("f", b"new" * PAGE)
    assert opened.read(1, 2) == b"ld", "the worker still has this version"
    fail(assembled, Failure.DEAD)
    with pytest.raises(FileChangedError):
        opened.read(3, 3)


def test_every_call_on_the_wire_is_recorded(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1"], policy=InOrder, pages=False)
    assembled.store.put("f", DATA)
    fail(assembled, Failure.DEAD)
    assembled.data("f")
    recorded = [(call.target, call.method, call.state, call.bytes) for call in assembled.telemetry.calls]
    assert recorded == [
        ("under_store", "info", "ok", 0),
        ("worker", "read", "unavailable", 0),
        ("under_store", "read", "ok", len(DATA)),
    ]
