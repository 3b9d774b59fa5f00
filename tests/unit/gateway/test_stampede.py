"""Many threads on one page that is not kept: one request, whatever of the page they want."""

from __future__ import annotations

import functools
import os
import time
from typing import Callable

import pytest

from alluxiofs.gateway.keeping import PART
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once
from tests.unit.gateway.conftest import Assembled

PAGE = 8 * PART
DATA = os.urandom(4 * PAGE)
THREADS = 64
CAPACITY = Size(2**26)


@pytest.mark.parametrize("size", [100, 2 * PAGE], ids=["a part of it", "two whole ones"])
def test_threads_that_want_the_same_cost_one_request(assemble: Callable[..., Assembled], size: int) -> None:
    store = MemoryPageStore(MemoryPageStore.Settings(capacity=CAPACITY), make_context(), PAGE)
    assembled = assemble(page_store=store, page_size=PAGE)
    assembled.store.put("f", DATA)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.settle()
    for _ in range(5):
        store.clear()
        assembled.store.calls.clear()
        assembled.store.before_read.append(functools.partial(time.sleep, 0.05))  # a request takes its time
        answers = at_once(*(lambda: opened.read(PAGE, size) for _ in range(THREADS)))
        assert set(answers) == {DATA[PAGE : PAGE + size]}
        assert len(assembled.store.reads()) == 1
