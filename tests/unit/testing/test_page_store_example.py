"""The page store that its hook's documentation shows keeps the contract."""

from __future__ import annotations

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
