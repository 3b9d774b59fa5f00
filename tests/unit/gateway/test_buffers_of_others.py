"""What is kept is what came over the wire, whoever writes to the buffer of a read meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

import pytest

from alluxiofs.gateway.keeping import PART
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled

PAGE = 8 * PART
DATA = os.urandom(3 * PAGE)


class Meddled(DiskPageStore):
    """Somebody else writes to a buffer right before something is kept."""

    buffer = bytearray()

    def keep_run(self, key: bytes, first: int, page_size: int, view: memoryview) -> None:
        self.buffer[:] = bytes(len(self.buffer))
        super().keep_run(key, first, page_size, view)


@pytest.mark.parametrize("size", [100, PART, PAGE, len(DATA)])
def test_of_a_shared_buffer_nothing_is_kept(assemble: Callable[..., Assembled], tmp_path: Path, size: int) -> None:
    settings: Any = Meddled.Settings(str(tmp_path / "pages"), Size(2**26))
    store = Meddled(settings, make_context(), PAGE)
    assembled = assemble(page_store=store, page_size=PAGE)
    assembled.store.put("f", DATA)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    store.buffer = bytearray(size)
    with memoryview(store.buffer) as view:
        assert opened.read_into(0, view) == size
    fetched = assembled.gateway.counters()["bytes_from_under_stores"]
    assert opened.read(0, size) == DATA[:size]
    assert assembled.gateway.counters()["bytes_from_under_stores"] == fetched
    store.close()
