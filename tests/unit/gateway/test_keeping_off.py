"""On a disk that is full reads go on: nobody waits for another's bytes, which are kept nowhere, and none come twice."""

from __future__ import annotations

import errno
import functools
import os
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from alluxiofs.errors import PageStoreError
from alluxiofs.fileobjects.sources import source_for
from alluxiofs.gateway.keeping import PART
from alluxiofs.interfaces import KeptFile
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import at_once
from tests.unit.gateway.conftest import Assembled

PAGE = 8 * PART
DATA = os.urandom(24 * PAGE + 1000)
READERS = 4


class Full(DiskPageStore):
    """There is no room on the disk from some moment on."""

    full = True

    def keep_run(self, key: bytes, first: int, page_size: int, view: memoryview) -> None:
        if self.full:
            raise PageStoreError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().keep_run(key, first, page_size, view)

    def keep_noted(self, kept: KeptFile, first: int, pages: memoryview, note: bytes) -> None:
        if self.full:
            raise PageStoreError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().keep_noted(kept, first, pages, note)


@pytest.fixture
def on_a_full_disk(assemble: Callable[..., Assembled], tmp_path: Path) -> Iterator[Assembled]:
    settings: Any = Full.Settings(str(tmp_path / "pages"), Size(2**26))
    store = Full(settings, make_context(), PAGE)
    assembled = assemble(page_store=store, page_size=PAGE)
    assembled.store.put("f", DATA)
    yield assembled
    store.close()


def _meet(others: threading.Barrier) -> None:
    others.wait(30)


def test_readers_of_one_page_fetch_it_side_by_side(on_a_full_disk: Assembled) -> None:
    assembled = on_a_full_disk
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    meet = functools.partial(_meet, threading.Barrier(READERS))
    opened.read(0, 1)
    assembled.store.calls.clear()
    assembled.store.before_read = [meet] * READERS
    answers = at_once(*(lambda: opened.read(PAGE, 1000) for _ in range(READERS)))
    assert answers == [DATA[PAGE : PAGE + 1000]] * READERS
    assert assembled.store.reads() == [("read", "f", PAGE, 1000)] * READERS


def test_those_who_waited_for_one_who_could_not_keep_it_do_so_too(on_a_full_disk: Assembled) -> None:
    assembled = on_a_full_disk
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.settle()
    meet = functools.partial(_meet, threading.Barrier(READERS - 1))
    assembled.store.before_read = [lambda: None, *[meet] * (READERS - 1)]
    answers = at_once(*(lambda: opened.read(PAGE, PAGE) for _ in range(READERS)))
    assert answers == [DATA[PAGE : 2 * PAGE]] * READERS
    assert len(assembled.store.reads()) == READERS


def test_nothing_is_fetched_ahead_that_nobody_keeps(on_a_full_disk: Assembled) -> None:
    assembled = on_a_full_disk
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.read(0, 1)
    before = assembled.gateway.counters()["bytes_from_under_stores"]
    source = source_for(opened, PAGE, False, None, None)
    got = b"".join(source.sequential(offset, PAGE) for offset in range(0, len(DATA), PAGE))
    source.close()
    assert got == DATA
    assert assembled.gateway.counters()["bytes_from_under_stores"] - before == len(DATA)


def test_what_was_kept_before_is_still_read(on_a_full_disk: Assembled) -> None:
    assembled = on_a_full_disk
    store: Any = assembled.page_store
    store.full = False
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.read(PAGE, 2 * PAGE)
    store.full = True
    opened.read(3 * PAGE, PAGE)
    assembled.store.calls.clear()
    assert opened.read(0, 5 * PAGE) == DATA[: 5 * PAGE]
    assert sorted(assembled.store.reads()) == [("read", "f", 0, PAGE), ("read", "f", 3 * PAGE, 2 * PAGE)]
