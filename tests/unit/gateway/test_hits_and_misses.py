"""What counts as a hit and as a miss: a page that is read is one or the other, however it is looked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

from alluxiofs.gateway import OpenFile
from alluxiofs.gateway.keeping import PART
from alluxiofs.interfaces import PageStore
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.pagestores.tiered import TieredPageStore
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled

PAGE = 8 * PART
LENGTH = 4 * PAGE + 3 * PART
DATA = os.urandom(LENGTH)
ON_DISK = pytest.mark.skipif(sys.platform == "win32", reason="the page store on disk needs Linux or macOS")

Opened = Callable[[], OpenFile]
Counts = Callable[[], Tuple[int, int]]


def build(choice: Dict[str, Any]) -> PageStore:
    settings = {name: value for name, value in choice.items() if name != "name"}
    stores: Dict[str, Any] = {"memory": MemoryPageStore, "disk": DiskPageStore, "tiered": TieredPageStore}
    cls = stores[choice["name"]]
    context = make_context(build=lambda _point, other, **_: build(other))
    store: PageStore = cls(cls.Settings(**settings), context, PAGE)
    return store


@pytest.fixture(params=["memory", pytest.param("disk", marks=ON_DISK), pytest.param("tiered", marks=ON_DISK)])
def a_file(
    request: pytest.FixtureRequest, assemble: Callable[..., Assembled], tmp_path: Path
) -> Iterator[Tuple[Opened, Counts]]:
    """What opens a file whose pages have parts, and what says how many hits and misses there were since it was asked
    last."""
    disk = {"path": str(tmp_path / "pages"), "capacity": 2**26}
    settings: Dict[str, Any] = {"memory": {}, "disk": disk, "tiered": {"disk": disk}}
    store = build({"name": request.param, **settings[request.param]})
    assembled = assemble(page_store=store, page_size=PAGE)
    assembled.store.put("f", DATA)
    before = [0, 0]

    def since() -> Tuple[int, int]:
        now = store.counters()
        hits, misses = now["hits"] - before[0], now["misses"] - before[1]
        before[:] = now["hits"], now["misses"]
        return hits, misses

    yield lambda: assembled.gateway.open(assembled.gateway.locate("f")), since
    store.close()


def test_a_page_that_is_read_out_of_its_parts_is_no_miss(a_file: Tuple[Opened, Counts]) -> None:
    opened, since = a_file
    end = PAGE + 5 * PART
    assert opened().read(0, end) == DATA[:end]
    since()
    for _ in range(3):
        assert opened().read(0, end) == DATA[:end]
        assert since() == (1 + 5, 0), "a page and the five parts of the next one"
    for _ in range(3):
        assert opened().read(PAGE + 2 * PART, 1000) == DATA[PAGE + 2 * PART :][:1000]
        assert since() == (1, 0)


def test_a_page_that_is_fetched_is_one_miss(a_file: Tuple[Opened, Counts]) -> None:
    opened, since = a_file
    reader = opened()
    assert reader.read(5, 10) == DATA[5:15]
    assert since() == (0, 1)
    assert reader.read(PAGE + 5, 10) == DATA[PAGE + 5 :][:10]
    assert since() == (0, 1)
    assert reader.read(2 * PAGE, 2 * PAGE) == DATA[2 * PAGE : 4 * PAGE]
    assert since() == (0, 2), "as many as there are pages"
    assert reader.read(2 * PAGE, 2 * PAGE) == DATA[2 * PAGE : 4 * PAGE]
    assert since() == (2, 0)
