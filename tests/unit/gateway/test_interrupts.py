"""An interrupt (Ctrl-C) at any line of a read leaves nothing behind that others would wait for."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Iterator, List

import pytest
from attrs import evolve

from alluxiofs.gateway import Gateway, Limits, OpenFile
from alluxiofs.interfaces import Claim, Deadline, KeptFile, PageStore
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled

PAGE = 1024
PAGES = 8
KEPT = 3  # so that what is missing is two runs, fetched side by side
DATA = os.urandom(PAGES * PAGE)
# Where the interrupts come: all that has to do with claims. What is held for a few steps by C is none of Python's.
WATCHED = (
    "gateway/pages.py",
    "gateway/fetching.py",
    "gateway/first_bytes.py",
    "gateway/threads.py",
    "interfaces/claims.py",
    "ondisk/claims.py",
    "disk_file.py",
)


def memory(folder: Path) -> PageStore:
    return MemoryPageStore(MemoryPageStore.Settings(), make_context(), PAGE)


def disk(folder: Path) -> PageStore:
    return DiskPageStore(DiskPageStore.Settings(str(folder / "pages")), make_context(), PAGE)


class Interrupt:
    """Raises ``KeyboardInterrupt`` when the n-th line is reached."""

    def __init__(self, lines: int) -> None:
        self._left = lines

    @property
    def came(self) -> bool:
        return self._left <= 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(WATCHED):
            return None
        if event == "line":
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt
        return self

    def during(self, work: Callable[[], object]) -> None:
        before = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)


@pytest.fixture(params=[memory, disk])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], PageStore]]:
    made: List[PageStore] = []

    def make() -> PageStore:
        made.append(request.param(tmp_path))
        return made[-1]

    yield make
    for store in made:
        store.close()


def claimed(kept: KeptFile) -> int:
    """How many pages somebody else still has claims to."""
    mine: list[Claim] = []
    kept.claim_run(range(PAGES), mine)
    free = sum(len(claim.pages) for claim in mine)
    kept.release_run(mine)
    return PAGES - free


def read_all(opened: OpenFile) -> bytes:
    return opened.read(0, len(DATA))


def read_ahead(opened: OpenFile) -> bytes:
    opened.prefetch(0, len(DATA))
    return opened.read(0, len(DATA))


@pytest.mark.parametrize("read", [read_all, read_ahead])
def test_no_claim_outlives_an_interrupt(
    assemble: Callable[..., Assembled], make_store: Callable[[], PageStore], read: Callable[[OpenFile], bytes]
) -> None:
    store = make_store()
    assembled = assemble(page_store=store, page_size=PAGE)
    assembled.store.put("f", DATA)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.settle()
    kept = assembled.gateway.pin(opened.location, opened.entry).kept
    assert kept is not None
    line = 0
    interrupt = Interrupt(1)
    while interrupt.came or not line:
        line += 1
        interrupt = Interrupt(line)
        store.clear()
        kept.pages.keep(KEPT, memoryview(DATA)[KEPT * PAGE : (KEPT + 1) * PAGE])
        interrupt.during(lambda: read(opened))
        for index in range(PAGES):  # what other threads fetch is on its way
            kept.pages.wait(index, Deadline.after(60))
        assert claimed(kept.pages) == 0, f"after an interrupt at line {line}"
    assert line > 50
    store.clear()
    assembled.store.calls.clear()
    assert read(opened) == DATA
    assert sum(call[3] for call in assembled.store.reads()) == len(DATA)


def test_nobody_waits_for_who_was_interrupted_while_he_opened_a_file(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble()
    assembled.store.capabilities = evolve(assembled.store.capabilities, stat_and_read=True)
    assembled.store.put("f", DATA)
    line = 0
    interrupt = Interrupt(1)
    while interrupt.came or not line:
        line += 1
        interrupt = Interrupt(line)
        gateway = Gateway(assembled.gateway.parts, Limits(metadata_ttl=0.0))
        location = gateway.locate("f")
        interrupt.during(functools.partial(gateway.open_to_read, location))
        with gateway.opening.turn(location.url, Deadline.after(5)) as own:
            assert own, f"after an interrupt at line {line}"
    assert line > 10
