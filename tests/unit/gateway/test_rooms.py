"""Long reads that begin and end in the middle of pages are right, whatever is kept and whatever comes between."""

from __future__ import annotations

import os
from typing import Callable, Tuple

import pytest

from alluxiofs.gateway.keeping import PART
from alluxiofs.gateway.room import Room
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled

PAGE = 8 * PART
DATA = os.urandom(9 * PAGE + 77)


@pytest.fixture
def assembled(assemble: Callable[..., Assembled]) -> Assembled:
    store = MemoryPageStore(MemoryPageStore.Settings(capacity=Size(2**26)), make_context(), PAGE)
    found = assemble(page_store=store, page_size=PAGE)
    found.store.put("f", DATA)
    return found


@pytest.mark.parametrize("begin", [0, 4, 3 * PAGE - 1])
@pytest.mark.parametrize("end", [6 * PAGE, 6 * PAGE + 1, len(DATA)])
@pytest.mark.parametrize("kept", [(), (0,), (3,), (8,), (2, 5, 6), (2, 3, 4, 5)], ids=str)
def test_any_long_read_is_right_and_fetches_what_is_missing(
    assembled: Assembled, begin: int, end: int, kept: Tuple[int, ...]
) -> None:
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    for page in kept:
        opened.read(page * PAGE, PAGE)
    assert opened.read(begin, end - begin) == DATA[begin:end]
    assert opened.read(begin, end - begin) == DATA[begin:end]
    seen = [
        number
        for _, _, offset, length in assembled.store.reads()
        for number in range(offset // PART, -(-(offset + length) // PART))
    ]
    assert len(set(seen)) == len(seen), "a part was fetched twice"
    assert opened.read(0, len(DATA)) == DATA


def test_a_file_that_was_another_by_its_first_long_read_is_read_as_it_is_now(assembled: Assembled) -> None:
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    changed = DATA[::-1]
    assembled.store.put("f", changed)
    assert opened.read(5, 7 * PAGE) == changed[5 : 5 + 7 * PAGE]


@pytest.mark.parametrize("empty", [True, False])
def test_a_room_gives_what_is_read_and_no_more(empty: bool) -> None:
    room = Room(100, 50)
    assert room.covers(100, 150)
    assert not room.covers(99, 150)
    if not empty:
        room.whole[:20] = DATA[:20]
    room.widen(64, 192, empty)
    assert room.covers(64, 192)
    with room.part(100 if empty else 120, 192) as part:
        part[:] = DATA[: len(part)]
    expected = DATA[:50] if empty else DATA[:20] + DATA[:30]
    assert room.data() == expected
