"""Gateways made of parts that a test can hold on to."""

from __future__ import annotations

import logging
from typing import Any, Callable, List, Optional

import pytest
from attrs import define, evolve

from alluxiofs.gateway import Gateway, Limits, Mount, Parts
from alluxiofs.interfaces import PageStore, WorkerPolicy, Workers
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.plugins.transport_direct import DirectTransport
from alluxiofs.policies.rendezvous import Rendezvous
from alluxiofs.settings.types import Size
from alluxiofs.testing import InProcessTransport, RecordingTelemetry, ScriptedMembership, make_context
from tests.unit.gateway.scripted_store import ScriptedStore

PAGE = 1024


@define
class Assembled:
    """A gateway and the parts it was made of."""

    gateway: Gateway
    store: ScriptedStore
    telemetry: RecordingTelemetry
    transport: Any
    membership: Optional[ScriptedMembership]
    page_store: Optional[PageStore]

    def data(self, name: str, offset: int = 0, size: int = 1 << 30) -> bytes:
        return self.gateway.open(self.gateway.locate(name)).read(offset, size)


class InOrder(WorkerPolicy):
    """The workers as they come."""

    name = "in-order"

    def rank(self, key: str, count: int) -> Workers:
        return self.workers[:count]


@pytest.fixture
def assemble() -> Callable[..., Assembled]:
    """``assemble(workers=…, pages=True, **limits)``."""

    def make(
        workers: Optional[List[str]] = None,
        pages: bool = True,
        under_store: bool = True,
        page_store: Optional[PageStore] = None,
        policy: Callable[[Workers], WorkerPolicy] = Rendezvous,
        page_size: int = PAGE,
        **limits: Any,
    ) -> Assembled:
        store = ScriptedStore()
        telemetry = RecordingTelemetry()
        membership: Optional[ScriptedMembership] = None
        transport: Any
        if workers is None:
            transport = DirectTransport(DirectTransport.Settings(), make_context(), lambda _: store)
        else:
            transport = InProcessTransport(None, None, lambda _: store)
            membership = ScriptedMembership()
            membership.push(workers)
        if pages and page_store is None:
            page_store = MemoryPageStore(MemoryPageStore.Settings(capacity=Size(2**20)), make_context(), PAGE)
        parts = Parts(
            mounts=(Mount("", store),) if under_store else (),
            transport=transport,
            policy=policy,
            telemetry=telemetry,
            page_size=page_size,
            logger=logging.getLogger("alluxiofs.tests"),
            membership=membership,
            page_store=page_store,
        )
        quick = evolve(Limits(deadline=5.0, timeout=1.0), **limits)
        return Assembled(Gateway(parts, quick), store, telemetry, transport, membership, page_store)

    return make
