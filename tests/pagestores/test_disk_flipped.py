"""One bit flipped anywhere in what the page store on disk knows of its pages: in the control file, the hints, an index.

Whatever it is, no byte that is read is wrong. Either everything is as it was, or people are told of it, or it costs a
page; and clearing mends it."""

from __future__ import annotations

import logging
import random
import shutil
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.testing.page_stores import keep, key_of, read_whole

PAGE = 4096
PAGES = 40
CAPACITY = 4 * 2**20
CLASS = layout.class_of(PAGE)
NOTE_CLASS = layout.class_of(50)
MakeDiskStore = Callable[..., DiskPageStore]


@pytest.fixture
def whole(make_disk_store: MakeDiskStore, folder: Path, tmp_path: Path) -> Path:
    """A copy of a store with pages and a note."""
    store = make_disk_store(CAPACITY)
    keep(store.file(key_of(1), PAGES * PAGE), *range(PAGES))
    store.put_note(key_of(1), b"n" * 50)
    store.forget(key_of(2))
    store.close()
    return Path(shutil.copytree(folder, tmp_path / "whole"))


def flipped(whole: Path, folder: Path, name: str, offsets: List[int]) -> Iterator[int]:
    """The store as it was, but for one bit, for each place in turn."""
    for number, at in enumerate(offsets):
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        with (folder / layout.LAYOUT / name).open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0] ^ 1 << number % 8
            file.seek(at)
            file.write(bytes([byte]))
        yield at


def use_and_clear(make: MakeDiskStore) -> bool:
    """Use a store and clear it; whether all that was kept was there, and counted."""
    store = make()  # a program that names no capacity, so takes the one that is there
    kept, new = store.file(key_of(1), PAGES * PAGE), store.file(key_of(3), 9 * PAGE)
    as_it_was, problem = False, None
    try:
        keep(new, *range(9))
        assert all(new.has(index) for index in range(9)), "it keeps what it says it keeps"
        found = [read_whole(kept, index) for index in range(PAGES)]  # wrong bytes fail
        assert store.note(key_of(1)) in (None, b"n" * 50)
        counters = store.counters()
        as_it_was = (
            all(found)
            and store.note(key_of(1)) is not None
            and counters["pages"] == PAGES + 9
            and counters["capacity"] == CAPACITY
        )
    except PageStoreError as error:
        problem = error
        logging.getLogger(__name__).warning("it is an error, which is told: %s", error)
    assert problem is None or "alluxiofs cache clear" in str(problem)
    store.close()
    make().clear()
    store = make()
    kept = store.file(key_of(1), PAGES * PAGE)
    keep(kept, *range(PAGES))
    assert all(read_whole(kept, index) for index in range(PAGES))
    assert store.counters()["pages"] == PAGES == store.verify()[0]
    store.close()
    return as_it_was


@pytest.mark.parametrize("seed", [0, 5])
def test_a_bit_of_the_control_file(
    make_disk_store: MakeDiskStore, whole: Path, folder: Path, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    records = [layout.RECORDS_AT + size_class * layout.RECORD.size for size_class in (CLASS, NOTE_CLASS, 90)]
    offsets = [*range(layout.CAPACITY_AT + 24), *range(layout.STATE_AT, layout.STATE_AT + 24)]
    offsets += [record + at for record in records for at in range(0, layout.RECORD.size, 3)]
    offsets += random.Random(1).sample(range(layout.CLAIMS_AT, layout.CONTROL_BYTES), 20)
    for at in flipped(whole, folder, "control", offsets[seed::12]):
        caplog.clear()
        as_it_was = use_and_clear(lambda: make_disk_store(()))
        assert as_it_was or caplog.records, f"nobody was told of byte {at}"


def test_a_record_that_is_broken_is_told_of_and_counted_anew(
    make_disk_store: MakeDiskStore, whole: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = layout.RECORDS_AT + CLASS * layout.RECORD.size
    for at in flipped(whole, folder, "control", [record + field * 8 + 1 for field in range(6)]):
        caplog.clear()
        before = sorted(path.stat().st_size for path in (folder / layout.LAYOUT).glob("*.pages"))
        assert use_and_clear(lambda: make_disk_store(())), f"byte {at}"
        assert str(folder) in caplog.text
        assert "counted anew" in caplog.text
        after = [path.stat().st_size for path in (folder / layout.LAYOUT).glob("*.pages")]
        assert max(after) < 2 * max(before), "no file became larger for it"


def test_a_bit_of_the_hints_or_an_index(make_disk_store: MakeDiskStore, whole: Path, folder: Path) -> None:
    chance = random.Random(2)
    cases = {
        "hints": [at for at, byte in enumerate((whole / layout.LAYOUT / "hints").read_bytes()) if byte][::40],
        f"{CLASS}.index": [*range(0, 24, 4), *chance.sample(range(64, 64 * (PAGES + 3)), 12)],
        f"{NOTE_CLASS}.index": [*range(0, 24, 5), *range(64, 128, 9), *chance.sample(range(128, 4096), 5)],
    }
    for name, offsets in cases.items():
        for _ in flipped(whole, folder, name, offsets):
            use_and_clear(lambda: make_disk_store(()))
