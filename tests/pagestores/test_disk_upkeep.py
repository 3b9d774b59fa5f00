"""Notes, pins and verification of the page store on disk, beyond the contract of all page stores."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Callable, Optional, Set

import pytest

from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.pagestores.ondisk.layout import DESCRIPTOR_BYTES, LAYOUT, class_of, first_cell_at
from alluxiofs.testing.page_stores import content, keep, key_of, read_whole

PAGE = 4096
TIGHT = 2**20
MakeDiskStore = Callable[..., DiskPageStore]


def file_of(folder: Path, size: int, kind: str) -> Path:
    return folder / LAYOUT / f"{class_of(size)}.{kind}"


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


# --- notes --------------------------------------------------------------------------------------------------------


def test_what_one_process_notes_the_others_see_at_once(make_disk_store: MakeDiskStore) -> None:
    one, other = make_disk_store(), make_disk_store()
    for size in (50, 60, 100_000, 50, 0, 4 * 2**20, 1):
        one.put_note(key_of(1), b"a" * size)
        assert other.note(key_of(1)) == one.note(key_of(1)) == b"a" * size
        other.put_note(key_of(1), b"b" * size)
        assert other.note(key_of(1)) == one.note(key_of(1)) == b"b" * size
    one.drop_notes([key_of(1)])
    assert other.note(key_of(1)) is None
    one.put_note(key_of(1), b"kept")
    one.close()
    assert make_disk_store().note(key_of(1)) == b"kept"


def test_a_note_is_there_all_the_time_while_it_is_replaced(make_disk_store: MakeDiskStore) -> None:
    writer, reader = make_disk_store(), make_disk_store()
    notes = {bytes([number]) * (100 + 90 * number) for number in range(8)}
    writer.put_note(key_of(1), min(notes))
    ended = threading.Event()
    seen: Set[Optional[bytes]] = set()

    def write() -> None:
        turns = 0
        while turns < 100 or len(seen) < 2:  # the reader may be late
            for note in notes:
                writer.put_note(key_of(1), note)
            turns += 1
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not ended.is_set():
        seen.add(reader.note(key_of(1)))
    thread.join()
    assert seen <= notes
    assert len(seen) > 1


def test_what_was_noted_after_a_note_is_read_in_one_go(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store, other = make_disk_store(), make_disk_store()
    notes = [(key_of(number), b"%03d" % number * 50) for number in range(40)]
    for key, note in notes:
        store.put_note(key, note)
    keep(store.file(key_of(1), 150), 0)  # of the same size, and no note
    assert other.notes_after(notes[0][0], 9) == [], "who has not read that note does not know where it is"
    assert other.note(notes[0][0]) == notes[0][1]
    assert other.notes_after(notes[0][0], 9) == notes[1:10]
    assert other.notes_after(notes[0][0], 1000) == notes[1:]
    store.drop_notes([notes[2][0]])
    flip(file_of(folder, 150, "pages"), 3 * 256 + 7)
    flip(file_of(folder, 150, "index"), 64 * (4 + 1) + 9)
    assert other.notes_after(notes[0][0], 6) == [notes[1], *notes[5:7]]


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("page_size", [PAGE, 128 * 1024])
def test_pages_are_kept_with_a_note_unless_something_is_noted(
    make_disk_store: MakeDiskStore, page_size: int, pages: int
) -> None:
    store, other = make_disk_store(page_size=page_size), make_disk_store(page_size=page_size)
    kept = store.file(key_of(1), 9 * page_size)
    views = [memoryview(b"".join(content(kept, index) for index in range(first, first + pages))) for first in (0, 4)]
    store.keep_noted(kept, 0, views[0], b"name")
    assert other.note(key_of(1)) == b"name"
    other.keep_noted(other.file(key_of(1), 9 * page_size), 4, views[1], b"another name")
    assert store.note(key_of(1)) == other.note(key_of(1)) == b"name"
    assert [index for index in range(9) if read_whole(kept, index)] == [*range(pages), *range(4, 4 + pages)]
    with pytest.raises(ValueError, match="page 8"):
        store.keep_noted(store.file(key_of(2), 9 * page_size), 8, memoryview(b"short"), b"name")
    assert store.note(key_of(2)) is None


def test_notes_are_never_mixed_up_while_they_are_replaced(make_disk_store: MakeDiskStore) -> None:
    writer, reader = make_disk_store(), make_disk_store()
    for number in range(20):
        writer.put_note(key_of(number), key_of(number) * 20)
    assert reader.note(key_of(0))
    ended = threading.Event()

    def write() -> None:
        for turn in range(600):
            number = 1 + turn % 19
            writer.put_note(key_of(number), key_of(number) * (19 + turn % 2))
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not ended.is_set():
        for key, note in reader.notes_after(key_of(0), 64):
            assert note in (key * 19, key * 20)
    thread.join()


def test_a_note_that_was_missing_is_seen_as_soon_as_another_process_notes_it(make_disk_store: MakeDiskStore) -> None:
    one, other = make_disk_store(), make_disk_store()
    keep(one.file(key_of(0), PAGE), 0)
    for number in range(1, 100):
        assert other.note(key_of(number)) is other.note(key_of(number)) is None
        one.put_note(key_of(number), b"here")
        assert other.note(key_of(number)) == b"here"
        one.drop_notes([key_of(number)])
        assert other.note(key_of(number)) is None


def test_what_is_noted_again_is_not_written_again(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    store.put_note(key_of(1), b"name")
    before = file_of(folder, 4, "index").read_bytes()
    store.put_note(key_of(1), b"name")
    assert file_of(folder, 4, "index").read_bytes() == before


def test_notes_that_are_put_often_take_no_more_room(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store()
    store.put_note(key_of(1), b"0" * 1000)
    before = store.counters()["bytes"]
    for number in range(500):
        store.put_note(key_of(1), b"%d" % number * 1000)
        store.put_note(key_of(1), b"1" * 1000)
    assert store.counters()["bytes"] == before


@pytest.mark.parametrize("at", [0, 2500, 4999])
def test_a_broken_note_is_a_missing_one(make_disk_store: MakeDiskStore, folder: Path, at: int) -> None:
    store = make_disk_store()
    store.put_note(key_of(1), bytes(5000))
    assert store.note(key_of(1)) == bytes(5000)
    flip(file_of(folder, 5000, "pages"), at)
    assert store.note(key_of(1)) is None
    assert store.counters()["corrupt"] == 1
    assert make_disk_store().note(key_of(1)) is None
    store.put_note(key_of(1), bytes(5000))
    assert make_disk_store().note(key_of(1)) == bytes(5000)


def test_the_name_of_a_file_stays_as_long_as_its_pages_are_used(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(TIGHT // 2)
    used = store.file(key_of(0), 3 * 250, 250)
    for number in range(1000):  # pages as small as names, for they share the cells
        store.put_note(key_of(number), b"name %d" % number)
        keep(store.file(key_of(number), 3 * 250, 250), 0)
        keep(used, 1)
        assert read_whole(used, 1)
    assert store.note(key_of(0)) == b"name 0"
    assert store.note(key_of(1)) is None


def test_the_name_of_a_file_stays_when_others_use_its_pages(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(TIGHT // 2)
    store.put_note(key_of(0), b"name")
    keep(store.file(key_of(0), 250), 0)
    time.sleep(1.1)  # a use within a second of the last one is not told
    other = make_disk_store(TIGHT // 2)
    for number in range(1, 3000):
        keep(store.file(key_of(number), 250), 0)
        if number == 500:
            assert read_whole(other.file(key_of(0), 250), 0)
            other.close()
        if not store.counters()["evictions"]:
            last = number
        elif number > last + 300:
            break
    assert store.counters()["evictions"] > 100
    assert read_whole(store.file(key_of(0), 250), 0)
    assert store.note(key_of(0)) == b"name"


def test_one_old_name_does_not_take_the_others_along(make_disk_store: MakeDiskStore) -> None:
    store, chance, size = make_disk_store(3 * TIGHT), random.Random(1), 100_000
    for _ in range(600):  # there is room for half of them, in a size class of their own
        kept = store.file(key_of(chance.randrange(60)), size, size)
        if not read_whole(kept, 0):
            store.keep_noted(kept, 0, memoryview(content(kept, 0)), b"name")
    there = [number for number in range(60) if store.file(key_of(number), size, size).has(0)]
    assert len(there) > 20
    assert sum(store.note(key_of(number)) is None for number in there) <= 2


# --- pins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eviction", ["lru", "sieve", "lfu"])
def test_pinned_pages_stay_for_every_process_and_policy(
    make_disk_store: MakeDiskStore, folder: Path, eviction: str
) -> None:
    one, other = make_disk_store(TIGHT), make_disk_store(TIGHT, eviction=eviction)
    kept = one.file(key_of(1), 1000 * PAGE)
    keep(kept, *range(100))
    one.put_note(key_of(1), b"name")
    assert one.pin(key_of(1), True) == 100
    for size in (PAGE, 600, 50_000, 2**18):  # those of other sizes cut the file that the pinned ones are in
        for number in range(2 * TIGHT // size):
            keep(other.file(key_of(1000 * size + number), size), 0)
    assert other.counters()["evictions"] > 100
    assert all(read_whole(kept, index) for index in range(100))
    assert other.note(key_of(1)) == b"name", "the name is pinned with the pages"
    one.put_note(key_of(1), b"new name")
    third = make_disk_store(TIGHT)
    assert sum(page.pinned for page in third.list_pages()) == 100
    assert third.pin(key_of(1), False) == 100
    keep(third.file(key_of(3), 1000 * PAGE), *range(500))
    assert not any(kept.has(index) for index in range(100))


def test_a_store_that_is_opened_with_less_capacity_keeps_what_is_pinned(make_disk_store: MakeDiskStore) -> None:
    kept = make_disk_store(8 * TIGHT).file(key_of(1), 10_000 * PAGE)
    keep(kept, *range(1500))
    pinned = make_disk_store(8 * TIGHT).file(key_of(2), 100 * PAGE)
    keep(pinned, *range(100))
    smaller = make_disk_store(2 * TIGHT)
    assert smaller.pin(key_of(2), True) == 100
    keep(smaller.file(key_of(3), 10_000 * PAGE), *range(1000))
    assert all(read_whole(pinned, index) for index in range(100))
    assert smaller.counters()["bytes"] <= 2 * TIGHT


def test_a_hit_does_not_notice_a_pin(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store, other = make_disk_store(), make_disk_store()
    kept = store.file(key_of(1), PAGE)
    keep(kept, 0)
    assert read_whole(kept, 0)
    assert other.pin(key_of(1), True) == 1
    flip(file_of(folder, PAGE, "pages"), 0)
    assert kept.read(0, 1, 9) is not None, "it is not looked up and verified again"


def test_a_search_in_vain_is_not_made_for_each_page(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(12 * TIGHT)
    kept = store.file(key_of(1), 10**9, 256)
    kept.keep_run(0, memoryview(bytes(256 * 36_000)))
    assert store.pin(key_of(1), True) > 33_000
    begun = time.process_time()
    other = store.file(key_of(2), 10**6, 256)
    for index in range(1000):
        other.keep(index, memoryview(bytes(256)))
    assert time.process_time() - begun < 2
    assert not other.has(0)


# --- forgetting and verifying -------------------------------------------------------------------------------------


def test_a_file_is_forgotten_wherever_its_shape_comes_from(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store()
    keep(store.file(key_of(1), 10**6 * PAGE), *range(300))
    for number in range(2, 500):
        keep(store.file(key_of(number), PAGE), 0)
    store.forget(key_of(2))  # one page among many: it is looked for
    make_disk_store().forget(key_of(3))  # never opened there: it is searched for
    assert store.file(key_of(4), 5 * PAGE).length == 5 * PAGE
    store.forget(key_of(4))  # of two lengths, one is wrong
    assert [number for number in range(2, 500) if not store.file(key_of(number), PAGE).has(0)] == [2, 3, 4]
    store.forget(key_of(1))
    assert store.counters()["pages"] == 495


def test_verification_drops_what_is_broken_and_nothing_else(make_disk_store: MakeDiskStore, folder: Path) -> None:
    store = make_disk_store()
    kept, large = store.file(key_of(1), 10 * PAGE), store.file(key_of(2), 2 * 2**20, 2**20)
    keep(kept, *range(10))
    keep(large, 0, 1)
    store.put_note(key_of(1), b"x" * 20_000)
    store.pin(key_of(1), True)
    assert all(read_whole(kept, index) for index in range(10))
    flip(file_of(folder, PAGE, "pages"), 3 * PAGE + 5)
    flip(file_of(folder, PAGE, "index"), (6 + 1) * DESCRIPTOR_BYTES + 36)
    flip(file_of(folder, 2**20, "pages"), first_cell_at(class_of(2**20)) + 2**20)
    flip(file_of(folder, 20_000, "pages"), first_cell_at(class_of(20_000)))
    assert make_disk_store().verify() == (9, 4)
    assert [index for index in range(10) if not kept.has(index)] == [3, 6]
    assert [large.has(0), large.has(1)] == [True, False]
    assert store.note(key_of(1)) is None
    assert store.verify() == (9, 0)
    assert store.counters()["pages"] == 9


def test_others_read_keep_and_evict_during_verification(make_disk_store: MakeDiskStore) -> None:
    store, other = make_disk_store(4 * TIGHT), make_disk_store(4 * TIGHT)
    kept = store.file(key_of(1), 10_000 * PAGE)
    keep(kept, *range(900))
    ended = threading.Event()

    def work() -> None:
        again = other.file(key_of(1), 10_000 * PAGE)
        index = 0
        while not ended.is_set():
            keep(again, 900 + index)
            assert read_whole(again, 900 + index)
            index += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        found = [store.verify() for _ in range(5)]
        listed = [page for page in store.list_pages() if page.size != PAGE]
    finally:
        ended.set()
        thread.join()
    assert all(broken == 0 and right > 500 for right, broken in found)
    assert not listed


def test_a_store_of_half_of_what_is_read_serves_right_bytes(make_disk_store: MakeDiskStore) -> None:
    store = make_disk_store(TIGHT)
    sizes = (64, PAGE, 20_000) * 6
    files = [store.file(key_of(number), 10 * size + 7, size) for number, size in enumerate(sizes)]
    chance, hits = random.Random(5), 0
    for turn in range(150):
        number = chance.randrange(len(files))
        store.put_note(key_of(100 + number), b"%d" % turn * 500)
        for index in range(11):
            if read_whole(files[number], index):
                hits += 1
            else:
                keep(files[number], index)
        assert store.note(key_of(100 + number)) in (None, b"%d" % turn * 500)
    assert store.counters()["evictions"] > 100
    assert hits > 100
    assert store.counters()["corrupt"] == 0
