"""What a read gives: exactly the bytes asked for, of one version, each page fetched once."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.errors import BadAnswerError, FileChangedError, UnavailableError
from alluxiofs.gateway import OpenFile
from alluxiofs.gateway.needs import runs_of
from tests.unit.gateway.conftest import PAGE, Assembled

SIZES = [0, 1, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE, 5 * PAGE + 7]


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
@pytest.mark.parametrize("size", SIZES)
def test_every_range_is_python_slicing(assemble: Callable[..., Assembled], size: int, pages: bool) -> None:
    data = os.urandom(size)
    edges = sorted({edge for at in (0, PAGE, size // 2, size) for edge in (at - 1, at, at + 1) if edge >= 0})
    assembled = assemble(pages=pages)
    assembled.store.put("f", data)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    for offset in edges:
        for length in edges:
            assert opened.read(offset, length) == data[offset : offset + length]
            buffer = bytearray(b"?" * length)
            filled = opened.read_into(offset, memoryview(buffer))
            assert buffer[:filled] == data[offset : offset + length]
            assert buffer[filled:] == b"?" * (length - filled)


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
def test_read_range_is_python_slicing(assemble: Callable[..., Assembled], pages: bool) -> None:
    data = os.urandom(3 * PAGE + 5)
    assembled = assemble(pages=pages)
    assembled.store.put("f", data)
    location = assembled.gateway.locate("f")

    @settings(deadline=None, max_examples=200)
    @given(*[st.one_of(st.none(), st.integers(-2 * len(data), 2 * len(data)))] * 2)
    def holds(start: Any, end: Any) -> None:
        assert assembled.gateway.read_range(location, start, end) == data[start:end]

    holds()


def test_a_page_is_fetched_once_whoever_reads_it(assemble: Callable[..., Assembled]) -> None:
    data = os.urandom(64 * PAGE)
    assembled = assemble()
    assembled.store.put("f", data)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))

    def read(number: int) -> bool:
        offset = (number * 7919) % (len(data) - 3 * PAGE)
        return opened.read(offset, 3 * PAGE) == data[offset : offset + 3 * PAGE]

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(read, range(400)))
    fetched = sum(length for _, _, _, length in assembled.store.reads())
    assert fetched <= len(data)


def test_a_whole_read_is_one_request(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble()
    assembled.store.put("f", bytes(64 * PAGE))
    assembled.data("f")
    assert assembled.store.reads() == [("read", "f", 0, 64 * PAGE)]
    assembled.data("f")
    assert len(assembled.store.reads()) == 1


def test_what_is_fetched_ahead_is_not_fetched_again(assemble: Callable[..., Assembled]) -> None:
    data = os.urandom(8 * PAGE)
    assembled = assemble()
    assembled.store.put("f", data)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.prefetch(0, 4 * PAGE)
    assert opened.read(PAGE, 2 * PAGE) == data[PAGE : 3 * PAGE]
    assert assembled.store.reads() == [("read", "f", 0, 4 * PAGE)]


def test_a_file_changed_while_open_is_an_error(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble()
    assembled.store.put("f", b"a" * 3 * PAGE)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    assert opened.read(0, PAGE) == b"a" * PAGE
    assembled.store.put("f", b"b" * 3 * PAGE)
    with pytest.raises(FileChangedError):
        opened.read(PAGE, PAGE)
    assert opened.read(0, PAGE) == b"a" * PAGE, "what is kept of the old version is still of the old version"
    assert assembled.data("f") == b"b" * 3 * PAGE, "after the failure the next open sees what is there"


@pytest.mark.parametrize("pages", [False, True], ids=["no pages", "pages"])
@pytest.mark.parametrize("length", [2 * PAGE, 3 * PAGE], ids=["same length", "another length"])
def test_a_stale_stat_does_not_fail_the_first_read(
    assemble: Callable[..., Assembled], pages: bool, length: int
) -> None:
    assembled = assemble(pages=pages)
    assembled.store.put("f", b"a" * 2 * PAGE)
    assembled.gateway.stat(assembled.gateway.locate("f"))
    assembled.store.put("f", b"b" * length)  # another writer, within metadata_ttl
    assert assembled.data("f") == b"b" * length


def test_a_length_once_told_does_not_change(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble()
    assembled.store.put("f", b"a" * PAGE)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    assert opened.size == PAGE
    assembled.store.put("f", b"b" * 2 * PAGE)
    with pytest.raises(FileChangedError):
        opened.read(0, PAGE)


def test_threads_never_see_two_versions_through_one_open_file(assemble: Callable[..., Assembled]) -> None:
    for _ in range(30):
        assembled = assemble()
        assembled.store.put("f", b"a" * 16 * PAGE)
        location = assembled.gateway.locate("f")
        assembled.gateway.open(location).read(3 * PAGE, PAGE)  # one page of the old version is kept
        opened = assembled.gateway.open(location)
        assembled.store.put("f", b"b" * 16 * PAGE)
        start = threading.Barrier(8)

        def read(page: int, opened: OpenFile = opened, start: threading.Barrier = start) -> bytes:
            start.wait()
            try:
                return opened.read(page * PAGE, PAGE)
            except FileChangedError:
                return b""

        with ThreadPoolExecutor(8) as threads:
            seen = {piece for piece in threads.map(read, range(8)) if piece}
        assert len(seen) == 1


def test_a_failed_fetch_is_nobodys_page(assemble: Callable[..., Assembled]) -> None:
    data = os.urandom(4 * PAGE)
    assembled = assemble(retries=0)
    assembled.store.put("f", data)

    def fail() -> None:
        raise BadAnswerError("half a body")

    assembled.store.before_read = [fail]
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    with pytest.raises(BadAnswerError):
        opened.read(0, 4 * PAGE)
    assert opened.read(0, 4 * PAGE) == data


def test_a_failing_under_store_is_asked_again(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(retries=2)
    assembled.store.put("f", b"x" * PAGE)

    def fail() -> None:
        raise UnavailableError("reset")

    assembled.store.before_read = [fail, fail]
    assert assembled.data("f") == b"x" * PAGE
    assert [event.kind for event in assembled.telemetry.events] == ["retry", "retry"]
    assembled.store.put("f", b"y" * PAGE)
    assembled.store.before_read = [fail, fail, fail]
    with pytest.raises(ConnectionError):
        assembled.gateway.read_range(assembled.gateway.locate("f"), refresh=True)


def test_a_reader_does_not_wait_for_ever_for_another_ones_fetch(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(deadline=0.5, timeout=0.5)
    assembled.store.put("f", b"x" * PAGE)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    go_on = threading.Event()
    asked = threading.Event()

    def stall() -> None:
        asked.set()
        go_on.wait(100)

    assembled.store.before_read = [stall]
    with ThreadPoolExecutor(1) as other:
        first = other.submit(lambda: assembled.gateway.open(assembled.gateway.locate("f")).read(0, PAGE))
        assert asked.wait(60)
        began = time.monotonic()
        assert opened.read(0, PAGE) == b"x" * PAGE
        assert time.monotonic() - began < 60
        go_on.set()
        assert first.result() == b"x" * PAGE


@given(st.sets(st.integers(0, 60)), st.integers(1, 10))
def test_runs_are_the_numbers_in_order(numbers: Any, most: int) -> None:
    runs = runs_of(sorted(numbers), most)
    assert [number for run in runs for number in run] == sorted(numbers)
    assert all(1 <= len(run) <= most for run in runs)
