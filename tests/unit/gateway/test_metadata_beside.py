"""What was noted of other files of a directory is read along with what is looked for, and believed as if looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from alluxiofs.gateway.beside import Beside
from alluxiofs.interfaces import Target
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import PAGE, Assembled

FILES = [f"d/{number:03}" for number in range(300)]
Process = Callable[..., Assembled]


class Counting(DiskPageStore):
    """Counts how often a note is looked for, and found."""

    looks = 0

    def note(self, key: bytes) -> Optional[bytes]:
        found = super().note(key)
        self.looks += found is not None
        return found


@pytest.fixture
def process(assemble: Callable[..., Assembled], tmp_path: Path) -> Process:
    """A gateway that shares files and a page store with the others."""
    files: Dict[str, Any] = {}

    def make(**options: Any) -> Assembled:
        store = Counting(DiskPageStore.Settings(str(tmp_path / "pages"), 2**24), make_context(), PAGE)
        assembled = assemble(page_store=store, metadata_ttl=1000.0)
        assembled.store.target = Target("scripted", options)
        for name in () if files else FILES:
            assembled.store.put(name, name.encode())
        files.update(assembled.store.files)
        assembled.store.files = files
        return assembled

    return make


def read(assembled: Assembled, names: List[str]) -> int:
    """Read files; how many looks for notes have found one."""
    store = assembled.page_store
    assert isinstance(store, Counting)
    before = store.looks
    for name in names:
        assert assembled.data(name) == assembled.store.files[name][0]
    return store.looks - before


def test_who_reads_a_directory_looks_for_few_of_its_stats(process: Process) -> None:
    read(process(), FILES)
    other = process()
    assert 0 < read(other, FILES) < len(FILES) / 8
    assert other.store.calls == []
    shuffled = process()
    assert read(shuffled, FILES[::7] + FILES[1::2] + FILES) < len(FILES) / 2
    assert shuffled.store.calls == []


def test_who_opens_a_few_reads_no_others(process: Process) -> None:
    read(process(), FILES)
    other = process()
    read(other, FILES[:2])
    assert other.gateway.metadata.weight() < 3 * 1024


def test_what_another_process_has_changed_is_not_believed(process: Process) -> None:
    one, writer, other = process(), process(), process()
    read(one, FILES)
    read(other, FILES[:3])
    writer.gateway.create(writer.gateway.locate(FILES[100])).commit()
    assert writer.store.files[FILES[100]][0] == b""
    assert other.data(FILES[99]) == FILES[99].encode()
    assert other.data(FILES[100]) == b""


def test_what_this_process_has_forgotten_is_not_believed(process: Process) -> None:
    one, other = process(), process()
    read(one, FILES)
    forgotten = other.gateway.locate(FILES[5])
    other.gateway.forget(forgotten)
    read(other, FILES[:5])
    entry, locate = other.gateway.metadata.entry, other.gateway.locate
    # One of them may be forgotten along with it: these things are told apart by 1,024 hashes.
    assert any(entry(locate(name).url) is not None for name in FILES[6:12])
    assert entry(forgotten.url) is None


def test_what_others_were_told_with_other_credentials_is_not_believed(process: Process) -> None:
    one, stranger, other = process(), process(key="another"), process()
    for mine, theirs in zip(FILES[:40], FILES[100:]):
        one.data(mine)
        stranger.data(theirs)
    read(other, FILES[:3])
    gateway = other.gateway
    believed = {name for name in FILES if gateway.metadata.entry(gateway.locate(name).url) is not None}
    assert believed > set(FILES[:3])
    assert believed < set(FILES[:40])


def test_what_is_of_no_use_is_not_read_again_and_again() -> None:
    beside = Beside(lambda _: False)
    told = []
    for _ in range(2000):
        number = beside.number("d")
        told.append(number)
        if number:
            beside.done("d", ["url"] * number)
    assert told[:2] == [0, 0]
    assert 0 < sum(told) <= 128


def test_what_is_of_use_is_read_in_larger_steps() -> None:
    beside = Beside(lambda _: True)
    told = []
    for _ in range(100):
        told.append(beside.number("d"))
        if told[-1]:
            beside.done("d", ["url"] * told[-1])
    assert max(told) == told[-1] == 64


def test_however_many_were_of_use_few_are_remembered() -> None:
    asked: List[str] = []
    beside = Beside(lambda url: not asked.append(url))  # type: ignore[func-returns-value]  # each is asked for, and used
    most = 0
    for _ in range(2000):
        number = beside.number("d")
        most = max(most, len(asked))
        asked.clear()
        if number:
            beside.done("d", ["url"] * number)
    assert 64 < most < 5000
