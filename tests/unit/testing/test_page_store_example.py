"""The page store that its hook's documentation shows keeps the contract."""

from __future__ import annotations

import sys
import threading
from typing import Any, List

import pytest

from alluxiofs.interfaces import PageStore
from alluxiofs.testing import PageStoreContract, make_context
from alluxiofs.testing.page_stores import MakeStore
from tests.unit.test_hookspecs import example


class TestTheExampleOfTheHook(PageStoreContract):
    """What the documentation of ``alluxiofs_page_stores`` shows keeps the contract."""

    @pytest.fixture
    def make_store(self) -> MakeStore:
        kind = example("alluxiofs_page_stores").FewPages

        def make(capacity: int, page_size: int) -> PageStore:
            store: PageStore = kind(kind.Settings(capacity), make_context(), page_size)
            return store

        return make


def test_pages_come_and_go_in_many_threads() -> None:
    kind = example("alluxiofs_page_stores").FewPages
    store = kind(kind.Settings(200), make_context(), 100)
    done = threading.Event()
    failures: List[BaseException] = []

    def keep(file: Any) -> None:
        try:
            for index in range(4000):
                file.keep(index, memoryview(b"x" * 100))
                file.read(index, 0, 1)
        except Exception as error:
            failures.append(error)

    def clear() -> None:
        try:
            while not done.is_set():
                store.clear()
                store.forget(b"a" * 16)
                store.counters()
        except Exception as error:
            failures.append(error)

    keeping = [threading.Thread(target=keep, args=(store.file(key * 16, 10**6),)) for key in (b"a", b"b")]
    clearing = threading.Thread(target=clear)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in (*keeping, clearing):
            thread.start()
        for thread in keeping:
            thread.join()
    finally:
        done.set()
        clearing.join()
        sys.setswitchinterval(before)
    assert failures == []
    counters = store.counters()
    assert counters["hits"] + counters["misses"] == 8000
