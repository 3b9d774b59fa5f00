"""A file of which nothing is known is opened and read by one request, where its store can do both at once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alluxiofs.errors import BadAnswerError, FileChangedError
from alluxiofs.gateway import OpenFile
from alluxiofs.gateway.first_bytes import FEW
from alluxiofs.gateway.keeping import PART
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled
from tests.unit.gateway.noting import Noting

PAGE = 8 * PART
DATA = os.urandom(2 * PAGE + 1000)
Assemble = Callable[..., Assembled]


def kept_in_memory(page_size: int = PAGE) -> MemoryPageStore:
    return MemoryPageStore(MemoryPageStore.Settings(capacity=Size(2**26)), make_context(), page_size)


@pytest.fixture
def both(assemble: Assemble) -> Assemble:
    """A gateway before a store that tells and reads at once."""

    def make(page_size: int = PAGE, pages: bool = True, **arguments: Any) -> Assembled:
        arguments.setdefault("page_store", kept_in_memory(page_size) if pages else None)
        assembled = assemble(page_size=page_size, pages=pages, **arguments)
        assembled.store.capabilities = evolve(assembled.store.capabilities, stat_and_read=True)
        assembled.store.put("small", DATA[:8000])
        assembled.store.put("large", DATA)
        assembled.store.put("t.parquet", DATA)
        return assembled

    return make


def opened(assembled: Assembled, name: str) -> OpenFile:
    return assembled.gateway.open_to_read(assembled.gateway.locate(name))


def asked(assembled: Assembled) -> List[Tuple[Any, ...]]:
    """What the store was asked since the last look."""
    calls = list(assembled.store.calls)
    assembled.store.calls.clear()
    return calls


@pytest.mark.parametrize("pages", [True, False])
def test_a_small_file_costs_one_request(both: Assemble, pages: bool) -> None:
    assembled = both(pages=pages)
    assert opened(assembled, "small").read(0, 1 << 40) == DATA[:8000]
    assert asked(assembled) == [("both", "small", FEW, False)]
    assert opened(assembled, "small").version == assembled.store.files["small"][1]
    assert assembled.gateway.stat(assembled.gateway.locate("small")).size == 8000
    assert asked(assembled) == []
    assert opened(assembled, "small").read(0, 100) == DATA[:100]
    assert asked(assembled) == ([] if pages else [("read", "small", 0, 100)])
    assert assembled.gateway.counters()["bytes_from_under_stores"] == (8000 if pages else 8100)
    call = next(call for call in assembled.telemetry.calls if call.bytes)
    assert (call.method, call.target, call.state, call.bytes) == ("read", "under_store", "ok", 8000)


@pytest.mark.parametrize("pages", [True, False])
def test_what_came_along_of_a_large_file_is_not_fetched_again(both: Assemble, pages: bool) -> None:
    assembled = both(pages=pages)
    file = opened(assembled, "large")
    assert file.read(0, 50_000) + file.read(50_000, 50_000) == DATA[:100_000]
    assert asked(assembled) == [("both", "large", FEW, False)]
    assert file.read(100_000, len(DATA)) == DATA[100_000:]
    fetched = sum(size for _, _, _, size in asked(assembled))
    assert fetched == len(DATA) - FEW


def test_of_columnar_files_the_end_comes_along(both: Assemble) -> None:
    assembled = both()
    file = opened(assembled, "t.parquet")
    assert file.read(len(DATA) - PART, PART) == DATA[-PART:]
    assert asked(assembled) == [("both", "t.parquet", FEW, True)]
    again = opened(assembled, "t.parquet")
    assert again.read(len(DATA) - PART, PART) == DATA[-PART:]  # kept, but for what is no whole part
    assert asked(assembled) == []


@pytest.mark.parametrize(("pages", "page_size"), [(True, PAGE), (True, 4 * PAGE), (True, PART), (False, PAGE)])
@pytest.mark.parametrize("footer", [0, 8], ids=["at once", "after its footer"])
def test_of_columnar_files_that_are_read_whole_nothing_is_fetched_twice(
    both: Assemble, pages: bool, page_size: int, footer: int
) -> None:
    assembled = both(pages=pages, page_size=page_size)
    file = opened(assembled, "t.parquet")
    assert file.read(len(DATA) - footer, footer) == DATA[len(DATA) - footer :]
    assert file.read(0, len(DATA)) == DATA
    fetched = assembled.gateway.counters()["bytes_from_under_stores"]
    assert fetched == len(DATA) + (FEW if footer and not pages else 0)  # what was read and is not kept comes anew


@pytest.mark.parametrize("page_size", [PAGE, 4 * PAGE, PART])
def test_of_columnar_files_that_were_opened_for_their_schema_nothing_is_fetched_twice(
    both: Assemble, page_size: int
) -> None:
    assembled = both(page_size=page_size)
    assert opened(assembled, "t.parquet").read(len(DATA) - 8, 8) == DATA[-8:]
    assert opened(assembled, "t.parquet").read(0, len(DATA)) == DATA
    assert assembled.gateway.counters()["bytes_from_under_stores"] == len(DATA)


def test_who_asks_what_a_file_is_has_no_bytes_of_it(both: Assemble) -> None:
    assembled = both()
    gateway = assembled.gateway
    gateway.stat(gateway.locate("large"))
    gateway.list(gateway.locate(""))
    assert {call[0] for call in asked(assembled)} == {"stat", "list"}
    # What is known is not asked again.
    assert opened(assembled, "large").read(0, 10) == DATA[:10]
    assert [call[0] for call in asked(assembled)] == ["read"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, ("both", "large", FEW, False)),
        (0, 10, ("both", "large", 10, False)),
        (5, 10, ("both", "large", 10, False)),
        (None, -10, ("both", "large", FEW, False)),
        (-10, None, ("both", "large", 10, True)),
        (FEW, FEW + 1, ("stat", "large")),
        (-FEW - 1, None, ("stat", "large")),
        (10, 10, ("stat", "large")),
    ],
)
def test_a_range_brings_nothing_along_that_nobody_keeps(
    both: Assemble, start: Optional[int], end: Optional[int], expected: Tuple[Any, ...]
) -> None:
    assembled = both(pages=False)
    location = assembled.gateway.locate("large")
    assert assembled.gateway.read_range(location, start, end) == DATA[start:end]
    assert asked(assembled)[0] == expected


def test_what_may_be_kept_is_asked_for_by_a_stat(both: Assemble) -> None:
    assembled = both(metadata_ttl=0.0)
    assert opened(assembled, "small").read(0, 10) == DATA[:10]
    assert opened(assembled, "small").read(0, 10) == DATA[:10]
    assert [call[0] for call in asked(assembled)] == ["both", "stat"]
    assert assembled.gateway.open_to_read(assembled.gateway.locate("small"), refresh=True).read(0, 3) == DATA[:3]
    assert [call[0] for call in asked(assembled)] == ["stat"]


def test_what_another_process_has_heard_of_is_asked_for_by_a_stat(both: Assemble) -> None:
    notes: Dict[bytes, bytes] = {}
    one, another = both(page_store=Noting(notes)), both(page_store=Noting(notes), metadata_ttl=1e-9)
    another.store.files.update(one.store.files)
    opened(one, "small")
    assert [call[0] for call in asked(one)] == ["both"]
    opened(another, "small")  # too old for this one
    assert [call[0] for call in asked(another)] == ["stat"]
    opened(another, "large")
    assert [call[0] for call in asked(another)] == ["both"]


def test_workers_and_stores_that_cannot_are_asked_as_ever(both: Assemble) -> None:
    cluster = both(workers=["a"])
    assert opened(cluster, "small").read(0, 10) == DATA[:10]
    assert cluster.store.count("both") == 0
    plain = both()
    del plain.store.capabilities
    assert opened(plain, "small").read(0, 10) == DATA[:10]
    assert [call[0] for call in asked(plain)] == ["stat", "read"]


def test_directories_and_what_is_not_there(both: Assemble) -> None:
    assembled = both()
    assembled.store.put("folder/file", b"x")
    with pytest.raises(IsADirectoryError):
        opened(assembled, "folder")
    with pytest.raises(FileNotFoundError):
        opened(assembled, "missing")
    assembled.store.put("missing", b"there now")
    assert opened(assembled, "missing").read(0, 100) == b"there now"
    assembled.store.put("empty", b"")
    assert opened(assembled, "empty").read(0, 100) == b""


def test_a_store_that_cannot_send_a_range_still_says_what_a_file_is(both: Assemble) -> None:
    assembled = both()

    def refuse() -> None:
        raise BadAnswerError("the range was ignored")

    assembled.store.before_read.append(refuse)
    assert opened(assembled, "small").size == 8000
    assert [call[0] for call in asked(assembled)] == ["both", "stat"]


@pytest.mark.parametrize("pages", [True, False])
def test_what_came_along_pins_the_version(both: Assemble, pages: bool) -> None:
    assembled = both(pages=pages)
    file = opened(assembled, "large")
    assert file.read(0, 10) == DATA[:10]
    assembled.store.put("large", bytes(len(DATA)))
    with pytest.raises(FileChangedError):
        file.read(10, len(DATA))
    unread = opened(assembled, "t.parquet")
    assembled.store.put("t.parquet", bytes(len(DATA)))
    assert unread.read(0, len(DATA)) == bytes(len(DATA))  # nobody has seen anything of the old one


def test_many_who_open_a_file_ask_once(both: Assemble) -> None:
    assembled = both()
    waiting = threading.Event()

    def wait() -> None:
        assert waiting.wait(60)

    assembled.store.before_read.append(wait)
    with ThreadPoolExecutor(8) as pool:
        reads = [pool.submit(lambda: opened(assembled, "small").read(0, 8000)) for _ in range(8)]
        waiting.set()
        assert {read.result() for read in reads} == {DATA[:8000]}
    assert asked(assembled) == [("both", "small", FEW, False)]


def test_who_waits_for_another_has_one_deadline_over_all(both: Assemble) -> None:
    assembled = both(deadline=1.0)
    asking, answer = threading.Event(), threading.Event()

    def wait() -> None:
        asking.set()
        assert answer.wait(60)

    assembled.store.before_read.append(wait)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: opened(assembled, "small").read(0, 8000))
        assert asking.wait(60)
        with pytest.raises(TimeoutError, match="small"):
            opened(assembled, "small")
        assert asked(assembled) == [("both", "small", FEW, False)]
        answer.set()
        assert first.result() == DATA[:8000]
    assert opened(assembled, "small").read(0, 8000) == DATA[:8000]


def test_a_failure_is_told_to_each(both: Assemble) -> None:
    assembled = both(retries=0)

    def fail() -> None:
        raise PermissionError(13, "denied")

    assembled.store.before_read += [fail]
    with pytest.raises(PermissionError):
        opened(assembled, "small")
    assert opened(assembled, "small").read(0, 1) == DATA[:1]


# The fixture makes a gateway anew each time.
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    length=st.one_of(st.integers(0, 5000), st.integers(FEW - 2, FEW + 2), st.integers(2 * PAGE - 2, len(DATA))),
    page_size=st.sampled_from([1024, PART, 3 * PART, 4 * PART, 5 * PART, PAGE, PAGE + 1]),
    pages=st.booleans(),
    from_end=st.booleans(),
    reads=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2 * FEW)), max_size=6),
)
def test_every_byte_is_right(
    both: Assemble, length: int, page_size: int, pages: bool, from_end: bool, reads: List[Tuple[float, int]]
) -> None:
    store = MemoryPageStore(MemoryPageStore.Settings(capacity=Size(2**26)), make_context(), page_size)
    assembled = both(page_size=page_size, pages=pages, page_store=store if pages else None)
    name, data = "f.parquet" if from_end else "f", DATA[:length]
    assembled.store.put(name, data)
    for _ in range(2):
        file = opened(assembled, name)
        at = 0
        for where, size in reads:
            begin = int(where * length)
            assert file.read(begin, size) == data[begin : begin + size]
            assert file.read(at, size) == data[at : at + size]
            buffer = bytearray(size)
            filled = file.read_into(begin, memoryview(buffer))
            assert bytes(buffer[:filled]) == data[begin : begin + size]
            at += size
