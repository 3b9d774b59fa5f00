"""Long reads that begin and end in the middle of pages are right, whatever is kept and whatever comes between."""

from __future__ import annotations

import gc
import logging
import os
import sys
import weakref
from typing import Any, Callable, List, Tuple

import pytest

from alluxiofs.errors import UnavailableError
from alluxiofs.gateway.keeping import PART
from alluxiofs.gateway.room import Room
from alluxiofs.interfaces import Deadline, Version
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


@pytest.mark.parametrize("remembered", [True, False])
def test_an_attempt_that_failed_midway_spoils_no_long_read(
    assembled: Assembled, remembered: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``remembered``: a log holds the failure, and with its traceback a view of the memory that was being filled."""
    caplog.set_level(logging.INFO if remembered else logging.ERROR)
    attempts: List[int] = []
    read_into = assembled.store.read_into

    def fails_once(name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        attempts.append(offset)
        if len(attempts) == 1:
            rest = view[10:]
            rest[:5] = b"wrong"
            raise UnavailableError("it went away")
        read_into(name, version, offset, view, deadline)

    monkeypatch.setattr(assembled.store, "read_into", fails_once)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    assert opened.read(5, 7 * PAGE) == DATA[5 : 5 + 7 * PAGE]
    assert opened.read(0, 8 * PAGE) == DATA[: 8 * PAGE]
    assert len(attempts) == len(set(attempts)) + 1


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


def test_what_an_attempt_that_failed_was_to_fill_is_let_go_of_at_once(
    assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Held:
        """What the attempt has in hand."""

    held: List[weakref.ref[Held]] = []
    read_into = assembled.store.read_into

    def fails_once(*arguments: Any) -> None:
        if not held:
            in_hand = Held()
            held.append(weakref.ref(in_hand))
            raise UnavailableError("it went away")
        read_into(*arguments)

    monkeypatch.setattr(assembled.store, "read_into", fails_once)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    gc.collect()
    gc.disable()
    try:
        assert opened.read(5, 7 * PAGE) == DATA[5 : 5 + 7 * PAGE]
        assert held[0]() is None, "only the collector of garbage would find it"
    finally:
        gc.enable()


def test_a_room_gives_what_is_read_while_somebody_holds_a_part_of_it() -> None:
    room = Room(100, 50)
    room.widen(64, 192, empty=True)
    held = room.part(64, 192)
    held[:] = DATA[:128]
    data = room.data()
    held[:] = bytes(128)
    assert data == DATA[36:86]


def test_what_a_read_that_failed_has_left_is_collected_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    told: List[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    for _ in range(10):
        room = Room(0, 100)
        left: List[Any] = [room.part(0, 100), room]
        left.append(left)
        del room, left
        gc.collect()
    assert told == []
