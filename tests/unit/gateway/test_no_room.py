"""Many threads on one page for which there is no room: they do not wait for each other, one after another."""

from __future__ import annotations

import os
import threading
from typing import Callable

import pytest

from alluxiofs.interfaces import Deadline
from alluxiofs.interfaces.claims import Claims
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once
from tests.unit.gateway.conftest import Assembled

PAGE = 2**20
DATA = os.urandom(PAGE)
OTHERS = 7


@pytest.mark.filterwarnings("ignore:argument 'page_store'")
def test_who_has_waited_for_a_page_in_vain_fetches_it_beside_the_others(
    assemble: Callable[..., Assembled], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryPageStore(MemoryPageStore.Settings(capacity=Size(PAGE // 2)), make_context(), PAGE)
    assembled = assemble(page_store=store, page_size=PAGE, deadline=60.0, timeout=60.0)
    assembled.store.put("f", DATA)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.settle()
    assembled.store.calls.clear()
    waiting, side_by_side, wait = threading.Semaphore(0), threading.Barrier(OTHERS), Claims.wait

    def counted(self: Claims, key: bytes, index: int, deadline: Deadline) -> None:
        waiting.release()
        wait(self, key, index, deadline)

    def until_all_others_wait() -> None:
        for _ in range(OTHERS):
            assert waiting.acquire(timeout=10)

    def until_all_others_are_there() -> None:
        side_by_side.wait(10)

    monkeypatch.setattr(Claims, "wait", counted)
    assembled.store.before_read.extend([until_all_others_wait, *[until_all_others_are_there] * OTHERS])
    assert set(at_once(*(lambda: opened.read(0, PAGE) for _ in range(1 + OTHERS)))) == {DATA}
    assert len(assembled.store.reads()) == 1 + OTHERS
