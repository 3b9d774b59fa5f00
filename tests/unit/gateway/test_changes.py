"""What this client writes it reads back at once; what others write is seen when metadata_ttl has passed."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any, Callable, Optional

import pytest

from alluxiofs.errors import PageStoreError
from alluxiofs.gateway.metadata import MetadataCache
from alluxiofs.interfaces import KeptFile, Location
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import PAGE, Assembled


def write(assembled: Assembled, name: str, data: bytes) -> None:
    writer = assembled.gateway.create(assembled.gateway.locate(name))
    writer.write(memoryview(data))
    writer.commit()


def test_own_writes_are_read_back_at_once(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=1000.0)
    location = assembled.gateway.locate("d/f")
    for content in (b"a" * PAGE, b"b" * PAGE, b"c"):
        write(assembled, "d/f", content)
        assert assembled.data("d/f") == content
        assert [entry.size for entry in assembled.gateway.list(assembled.gateway.locate("d"))] == [len(content)]
    assembled.gateway.remove(location)
    with pytest.raises(FileNotFoundError):
        assembled.gateway.stat(location)
    with pytest.raises(FileNotFoundError):
        assembled.gateway.list(assembled.gateway.locate("d"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_writes_though_the_parent_was_forgetting_something(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=1000.0)
    others = MetadataCache(1000.0, 2**20)  # of another filesystem of this process
    busy, over = threading.Event(), threading.Event()

    def forget() -> None:
        with others._lock:
            busy.set()
            over.wait(100)

    thread = threading.Thread(target=forget)
    thread.start()
    busy.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(60)  # nobody else would end it
        write(assembled, "f", b"of the child")
        os._exit(0)
    over.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_an_own_write_is_read_back_though_an_interrupt_comes_as_it_is_recorded(
    assemble: Callable[..., Assembled], monkeypatch: pytest.MonkeyPatch
) -> None:
    assembled = assemble()
    assembled.store.put("f", b"old")
    gateway, location = assembled.gateway, assembled.gateway.locate("f")
    assert gateway.read_range(location) == b"old"
    writer = gateway.create(location)
    writer.write(memoryview(b"newer"))

    def interrupted(_call: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(assembled.telemetry, "record_call", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.commit()
    monkeypatch.undo()
    assert gateway.read_range(location) == b"newer"


def test_a_move_is_seen_at_both_ends(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=1000.0)
    write(assembled, "a", b"1")
    write(assembled, "b", b"22")
    assert (assembled.data("a"), assembled.data("b")) == (b"1", b"22")
    assembled.gateway.move(assembled.gateway.locate("a"), assembled.gateway.locate("b"))
    assert assembled.data("b") == b"1"
    with pytest.raises(FileNotFoundError):
        assembled.data("a")


def test_others_changes_are_seen_after_the_time_to_live_or_with_refresh(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=1000.0)
    location = assembled.gateway.locate("f")
    assembled.store.put("f", b"old")
    assert assembled.data("f") == b"old"
    assembled.store.put("f", b"new")
    assert assembled.data("f") == b"old"
    assert assembled.gateway.open(location, refresh=True).read(0, 3) == b"new"
    assembled = assemble(metadata_ttl=0.0)
    assembled.store.put("f", b"old")
    assert assembled.data("f") == b"old"
    assembled.store.put("f", b"new")
    assert assembled.data("f") == b"new"


def test_a_warm_open_and_listing_cost_no_request(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=1000.0)
    for number in range(20):
        assembled.store.put(f"d/{number}", b"x")
    gateway = assembled.gateway
    entries = gateway.list(gateway.locate("d"))
    assembled.store.calls.clear()
    for entry in entries:
        assert gateway.stat(gateway.child(gateway.locate("d"), entry.name)) == entry
    assert gateway.list(gateway.locate("d")) == entries
    assert assembled.store.calls == []


def test_a_stat_asked_before_a_write_is_not_believed_after_it(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=1000.0)
    write(assembled, "f", b"old")
    location = assembled.gateway.locate("f")
    stat = assembled.store.stat

    def slow_stat(name: str, deadline: Any) -> Any:
        entry = stat(name, deadline)
        assembled.store.stat = stat  # type: ignore[method-assign]
        write(assembled, "f", b"newer")  # by another thread, while the answer is on its way
        return entry

    assembled.store.stat = slow_stat  # type: ignore[method-assign]
    assembled.gateway.stat(location, refresh=True)
    assert assembled.data("f") == b"newer"


def test_what_the_workers_hold_is_dropped(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(["w1", "w2"])
    write(assembled, "f", b"old")
    assert assembled.data("f") == b"old"
    write(assembled, "f", b"new")
    assert assembled.membership is not None
    holders = [assembled.transport.worker(worker) for worker in assembled.membership.known().workers]
    assert not any(holder.holds(assembled.gateway.locate("f").url) for holder in holders)
    assert assembled.data("f") == b"new"


def test_a_listing_asked_before_a_write_is_not_believed_after_it(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=1000.0)
    directory = assembled.gateway.locate("d")
    with pytest.raises(FileNotFoundError):
        assembled.gateway.stat(directory)
    write(assembled, "d/a", b"1")
    listed = assembled.store.list

    def slow_list(name: str, deadline: Any, recursive: bool = False) -> Any:
        entries = list(listed(name, deadline, recursive))
        assembled.store.list = listed  # type: ignore[method-assign]
        write(assembled, "d/b", b"2")  # by another thread, while the answer is on its way
        return iter(entries)

    for ask in (assembled.gateway.list, assembled.gateway.list_recursive):
        assembled.store.list = slow_list  # type: ignore[method-assign]
        ask(directory, refresh=True)
        now = ask(directory)
        assert now is not None
        assert [entry.name for entry in now] == ["d/a", "d/b"]
        assembled.gateway.remove(assembled.gateway.locate("d/b"))


def test_a_change_is_seen_by_every_gateway_of_the_process(assemble: Callable[..., Assembled]) -> None:
    one, other = assemble(metadata_ttl=1000.0), assemble(metadata_ttl=2000.0)
    other.store.files = one.store.files
    write(one, "d/f", b"old")
    assert other.data("d/f") == b"old"
    assert len(other.gateway.list(other.gateway.locate("d"))) == 1
    write(one, "d/f", b"newer")
    write(one, "d/g", b"")
    assert other.data("d/f") == b"newer"
    assert len(other.gateway.list(other.gateway.locate("d"))) == 2


class Failing(MemoryPageStore):
    """A page store of which any part can be broken."""

    name = "failing"
    broken: frozenset[str] = frozenset()

    def file(self, key: bytes, length: int, page_size: Optional[int] = None) -> KeptFile:
        if "file" in self.broken:
            raise PageStoreError("the folder is gone")
        kept = super().file(key, length, page_size)
        for method in ("keep", "read", "read_into"):
            setattr(kept, method, self._breakable(method, getattr(kept, method)))
        return kept

    def _breakable(self, method: str, works: Any) -> Any:
        def call(*arguments: Any) -> Any:
            if method in self.broken:
                raise PageStoreError(f"{method} fails")
            return works(*arguments)

        return call


@pytest.mark.parametrize("broken", ["file", "keep", "read", "read_into"])
def test_a_page_store_that_does_not_work_is_read_past_with_one_warning(
    assemble: Callable[..., Assembled], broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing(MemoryPageStore.Settings(capacity=Size(2**20)), make_context(), PAGE)
    assembled = assemble(page_store=store)
    data = bytes(range(256)) * 16
    assembled.store.put("f", data)
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    assert opened.read(0, PAGE) == data[:PAGE]
    store.broken = frozenset({broken})
    for _ in range(3):
        assert opened.read(0, 10) == data[:10]
        assert opened.read(5, 3 * PAGE) == data[5 : 5 + 3 * PAGE]
        assert assembled.data("f") == data
    assert sum(record.levelname == "WARNING" for record in caplog.records) == 1


def test_where_nothing_more_can_be_kept_what_is_kept_is_still_read(assemble: Callable[..., Assembled]) -> None:
    store = Failing(MemoryPageStore.Settings(capacity=Size(2**20)), make_context(), PAGE)
    assembled = assemble(page_store=store)
    assembled.store.put("kept", b"k" * PAGE)
    assembled.store.put("new", b"n" * PAGE)
    assert assembled.data("kept") == b"k" * PAGE
    store.broken = frozenset({"keep"})
    assert assembled.data("new") == b"n" * PAGE
    asked = len(assembled.store.reads())
    for _ in range(3):
        assert assembled.data("kept") == b"k" * PAGE
    assert len(assembled.store.reads()) == asked
    assert assembled.data("new") == b"n" * PAGE
    assert len(assembled.store.reads()) == asked + 1


def test_what_is_dropped_is_gone_whatever_was_known_of_it(assemble: Callable[..., Assembled]) -> None:
    store = MemoryPageStore(MemoryPageStore.Settings(capacity=Size(2**20)), make_context(), PAGE)
    reader, other = assemble(page_store=store), assemble(page_store=store)
    other.store.files = reader.store.files
    reader.store.put("f", b"x" * PAGE)
    assert reader.data("f") == b"x" * PAGE
    assert store.counters()["pages"] == 1
    other.gateway.drop(other.gateway.locate("f"))
    assert store.counters()["pages"] == 0
    other.gateway.drop(other.gateway.locate("missing"))


def test_dropping_forgets_pages_and_keeps_the_file(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble()
    write(assembled, "f", b"x" * PAGE)
    location: Location = assembled.gateway.locate("f")
    assembled.data("f")
    assembled.data("f")
    assert len(assembled.store.reads()) == 1
    assembled.gateway.drop(location)
    assert assembled.data("f") == b"x" * PAGE
    assert len(assembled.store.reads()) == 2
