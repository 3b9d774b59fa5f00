"""What the documents say of a store that fails holds, cell by cell, on S3, GCS and OSS."""

from __future__ import annotations

import builtins
from typing import Any, Iterator, List, Optional, Tuple, Type
from uuid import uuid4

import fsspec
import pytest
from attrs import define

from alluxiofs import errors
from alluxiofs.gateway.budget import process_budget
from alluxiofs.interfaces import UnderStore
from alluxiofs.testing._files import soon
from tests.faults import FaultProxy
from tests.understores.failing import FAILURES, OPERATIONS, Cell, Failure, Scene, cells, make_store, tables
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

SERVERS = {"s3": "s3_server", "gs": "gcs_server", "oss": "oss_server"}
STALLS = ("nothing comes any more", "stall in mid-body")  # which take the time that the limit is
STALL = 0.8  # seconds
CELLS = list(cells("When the store fails"))


@define(frozen=True)
class Site:
    """A store, and a gateway to it by way of a proxy; another one that does not wait for long."""

    protocol: str
    store: UnderStore
    bucket: str
    proxy: FaultProxy
    patient: Any
    impatient: Any


@pytest.fixture(scope="module", params=list(SERVERS))
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    protocol = request.param
    server = request.getfixturevalue(SERVERS[protocol])
    store, bucket = make_store(protocol, server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    with FaultProxy(server.host, server.port) as proxy:
        behind = make_store(protocol, server.options_at(f"http://{proxy.host}:{proxy.port}"))
        list(behind.list(bucket, soon()))  # connecting takes as long as it takes

        def made(**limits: float) -> Any:
            return fsspec.filesystem(
                "alluxiofs",
                target_protocol=protocol,
                under_store=behind,
                page_store=None,
                metadata_ttl=0,
                skip_instance_cache=True,
                **limits,
            )

        found = Site(protocol, store, bucket, proxy, made(), made(timeout=STALL, deadline=STALL))
        yield found
        behind.close()
    store.close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked again is asked without a pause, however often something has failed before."""
    from botocore.retries import quota, standard

    from alluxiofs.plugins._gcs import client as gcs
    from alluxiofs.plugins._oss import client as oss
    from alluxiofs.plugins._s3 import wire

    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(quota.RetryQuota, "acquire", lambda *_: True)
    monkeypatch.setattr(wire, "_PAUSE", 0.0)
    monkeypatch.setattr(gcs, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(oss, "_FIRST_PAUSE", 0.0)
    process_budget.reset()


def named(outcome: str) -> Type[BaseException]:
    """The class of an error by its name."""
    found: Type[BaseException] = getattr(errors, outcome, None) or getattr(builtins, outcome)
    return found


def act(
    site: Site, cell: Cell, failure: Failure, once: bool
) -> Tuple[Optional[BaseException], List[Optional[bytes]], bool]:
    """What the operation raises, what is in the two files afterwards, and whether that is all of the change."""
    operation = OPERATIONS[cell.operation]
    fs = site.impatient if cell.failure in STALLS else site.patient
    raised: Optional[BaseException] = None
    for _ in range(10):
        scene = Scene(fs, site.store, site.proxy, site.protocol, site.bucket, failure, once)
        try:
            operation.act(scene)
        except OSError as error:
            raised = error
        finally:
            site.proxy.release()
            site.proxy.clear()
            if scene.begun and failure.refuses:
                site.proxy.reopen()
        if scene.begun:  # on a busy machine the impatient one may give up before anything is to fail
            break
    assert scene.begun, raised
    found = [scene.found(scene.path), scene.found(scene.target)]
    return raised, found, found == list(scene.after(operation))


@pytest.mark.parametrize("cell", CELLS, ids=[f"{cell.failure}: {cell.operation}" for cell in CELLS])
def test_a_failure_and_an_operation(site: Site, cell: Cell) -> None:
    for failure in FAILURES[cell.failure].kinds:
        check(site, cell, failure)


def check(site: Site, cell: Cell, failure: Failure) -> None:
    """That the operation comes to what the cell says."""
    error, operation = cell.outcome.rpartition("again, ")[2], OPERATIONS[cell.operation]
    if "again" in cell.outcome:
        raised, _, done = act(site, cell, failure, once=True)
        assert raised is None, f"it was not asked again: {raised!r}"
        assert done
    raised, found, done = act(site, cell, failure, once=False)
    if error == "right":
        assert raised is None
        assert done
        return
    assert raised is not None, f"no {error}"
    assert isinstance(raised, named(error)), repr(raised)
    assert "again" not in cell.outcome or errors.kind_of(raised) is errors.Kind.TEMPORARY, repr(raised)
    if not failure.another:
        fault = failure.fault and failure.fault(site.protocol)
        assert tuple(found) == operation.before or (done and fault and fault.performed)


def test_all_failures_and_operations_are_told_of() -> None:
    columns, rows = tables("When the store fails")
    assert columns == list(OPERATIONS)
    assert list(rows) == list(FAILURES)
