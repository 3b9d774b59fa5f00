"""The contract of page stores: runs of pages, pages of other sizes, notes, and looking after what is kept."""

from __future__ import annotations

import random
from typing import Any, Callable, Iterable, List

import pytest

from alluxiofs.errors import NotSupportedError
from alluxiofs.interfaces import KeptFile, KeptPage
from alluxiofs.testing.guards import at_once
from alluxiofs.testing.kept import PAGE, ROOMY, TIGHT, MakeStore, content, keep, key_of, read_whole

__all__ = ["NotesAndUpkeep"]


def keep_run(kept: KeptFile, first: int, number: int) -> None:
    """Keep neighbouring pages together."""
    kept.keep_run(first, memoryview(b"".join(content(kept, index) for index in range(first, first + number))))


def held(kept: KeptFile, indices: Iterable[int]) -> List[int]:
    """Those of the pages that are kept; none with wrong bytes."""
    return [index for index in indices if read_whole(kept, index)]


def is_supported(method: Callable[..., Any], *arguments: Any) -> bool:
    """Whether a store can do that at all."""
    try:
        method(*arguments)
    except NotSupportedError:
        return False
    return True


class NotesAndUpkeep:
    """Part of :class:`~alluxiofs.testing.page_stores.PageStoreContract`. Notes may be dropped at any time, at once too;
    what looks after pages may be ``NotSupportedError``."""

    # --- runs, and other sizes ----------------------------------------------------------------------------------

    @pytest.mark.parametrize(("first", "number"), [(0, 1), (0, 7), (3, 4), (6, 1), (2, 0)])
    @pytest.mark.parametrize("page_size", [100, PAGE, 2**16, 2**18])
    def test_a_run_of_pages_is_kept(self, make_store: MakeStore, page_size: int, first: int, number: int) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 7 * page_size - 33, page_size)
        keep_run(kept, first, number)
        assert held(kept, range(7)) == list(range(first, first + number))

    def test_a_run_keeps_what_is_kept_already(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        kept = store.file(key_of(1), 20 * PAGE)
        keep(kept, 3, 7)
        keep_run(kept, 0, 10)
        assert held(kept, range(20)) == list(range(10))
        assert store.counters()["pages"] == 10
        kept.keep_run(0, memoryview(bytes(10 * PAGE)))
        assert held(kept, range(20)) == list(range(10))

    @pytest.mark.parametrize(("first", "size"), [(0, PAGE + 1), (2, PAGE), (2, 99), (1, 2 * PAGE), (-1, PAGE), (3, 1)])
    def test_a_run_that_is_none_of_whole_pages_is_refused(self, make_store: MakeStore, first: int, size: int) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 2 * PAGE + 100)
        with pytest.raises(ValueError, match=r"\d"):
            kept.keep_run(first, memoryview(bytes(size)))

    def test_a_run_larger_than_the_store_stays_within_the_capacity(self, make_store: MakeStore) -> None:
        for page_size in (PAGE, 2**17):
            store = make_store(TIGHT, PAGE)
            kept = store.file(key_of(page_size), 2 * TIGHT, page_size)
            keep_run(kept, 0, 2 * TIGHT // page_size)
            counters = store.counters()
            assert counters["bytes"] <= TIGHT
            assert len(held(kept, range(2 * TIGHT // page_size))) == counters["pages"] > 0
            store.clear()

    def test_files_have_pages_of_other_sizes(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        files = [store.file(key_of(size), 5 * size + 1, size) for size in (1, 64, PAGE, 2**16, 2**20)]
        for kept in files:
            keep(kept, 0, 4, 5)
        for kept in files:
            assert held(kept, range(6)) == [0, 4, 5]
            assert held(store.file(kept.key, kept.length, kept.page_size), range(6)) == [0, 4, 5]
        for kept in files:
            store.forget(kept.key)
            assert held(kept, range(6)) == []
        assert store.counters()["pages"] == 0

    # --- notes --------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", [0, 1, 50, 256, 257, 5000, 2**20, 4 * 2**20])
    def test_a_note_is_whole_or_not_there(self, make_store: MakeStore, size: int) -> None:
        store = make_store(ROOMY, PAGE)
        assert store.note(key_of(1)) is None
        for number in range(3):
            note = bytes([number + 1]) * size
            store.put_note(key_of(1), note)
            assert store.note(key_of(1)) in (None, note)
            assert store.note(key_of(2)) is None
        store.drop_notes([key_of(2), key_of(1), key_of(1)])
        assert store.note(key_of(1)) is None

    def test_a_note_and_the_pages_of_its_key_do_not_mix(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        kept = store.file(key_of(1), 3 * PAGE)
        store.put_note(key_of(1), b"name")
        assert held(kept, range(3)) == []
        keep(kept, 0, 1, 2)
        assert store.counters()["pages"] == 3
        assert held(kept, range(3)) == [0, 1, 2]
        assert store.note(key_of(1)) in (None, b"name")
        store.drop_notes([key_of(1)])
        assert held(kept, range(3)) == [0, 1, 2]
        store.put_note(key_of(1), b"name")
        store.forget(key_of(1))
        assert store.note(key_of(1)) is None, "what is forgotten is forgotten with its name"
        store.put_note(key_of(2), b"other")
        store.clear()
        assert store.note(key_of(2)) is None

    def test_notes_are_within_the_capacity(self, make_store: MakeStore) -> None:
        store = make_store(TIGHT, PAGE)
        kept = store.file(key_of(0), 500 * PAGE)
        for number in range(500):
            store.put_note(key_of(1 + number % 300), bytes([number % 256]) * (10 + 37 * number))
            keep(kept, number)
            assert store.counters()["bytes"] <= TIGHT
        assert held(kept, range(500)), "notes leave room for pages"

    def test_threads_see_one_note_or_another(self, make_store: MakeStore) -> None:
        store = make_store(TIGHT, PAGE)

        def work(seed: int) -> Callable[[], None]:
            def run() -> None:
                chance = random.Random(seed)  # noqa: S311 - a test, not a cipher
                for step in range(300):
                    key = key_of(chance.randrange(4))
                    if step % 3 == 0:
                        store.put_note(key, key + bytes([chance.randrange(256)]) * chance.randrange(3000))
                    elif step % 50 == 1:
                        store.drop_notes([key])
                    else:
                        note = store.note(key)
                        assert note is None or (note[:16] == key and len(set(note[16:])) <= 1)

            return run

        at_once(*(work(seed) for seed in range(8)))

    # --- looking after it ---------------------------------------------------------------------------------------

    def test_what_is_kept_can_be_listed(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        if not is_supported(store.list_pages):
            return
        assert list(store.list_pages()) == []
        one, other = store.file(key_of(1), 10 * PAGE), store.file(key_of(2), 150, 100)
        keep(one, 2, 5)
        keep(other, 0, 1)
        store.put_note(key_of(1), b"name")
        listed = sorted(store.list_pages(), key=lambda page: (page.key, page.index))
        assert listed == sorted(
            [
                KeptPage(one.key, 2, PAGE),
                KeptPage(one.key, 5, PAGE),
                KeptPage(other.key, 0, 100),
                KeptPage(other.key, 1, 50),
            ],
            key=lambda page: (page.key, page.index),
        )
        store.forget(one.key)
        assert {page.key for page in store.list_pages()} == {other.key}

    def test_pinned_pages_stay(self, make_store: MakeStore) -> None:
        store = make_store(TIGHT, PAGE)
        if not is_supported(store.pin, key_of(0), True):
            return
        kept, others = store.file(key_of(1), 50 * PAGE), store.file(key_of(2), 1000 * PAGE)
        assert store.pin(kept.key, True) == 0
        keep(kept, *range(30))
        assert store.pin(kept.key, True) == store.pin(kept.key, True) == 30
        keep(kept, 40)
        assert all(page.pinned is (page.index < 30) for page in store.list_pages())
        keep(others, *range(500))
        assert held(kept, range(50)) == list(range(30)), "those that came later are not pinned by themselves"
        assert len(held(others, range(500))) > 10
        assert store.pin(kept.key, False) == 30
        keep(others, *range(500, 1000))
        assert held(kept, range(50)) == []

    def test_when_everything_is_pinned_nothing_more_is_kept(self, make_store: MakeStore) -> None:
        store = make_store(TIGHT, PAGE)
        if not is_supported(store.pin, key_of(0), True):
            return
        kept = store.file(key_of(1), 1000 * PAGE)
        keep(kept, *range(400))
        pages = held(kept, range(1000))
        assert store.pin(kept.key, True) == len(pages)
        other, large = store.file(key_of(2), 200 * PAGE), store.file(key_of(3), TIGHT, TIGHT // 8)
        keep(other, *range(200))
        keep(large, 0)
        store.put_note(key_of(4), bytes(TIGHT // 2))
        assert held(kept, range(1000)) == pages
        assert held(other, range(200)) == held(large, range(1)) == []
        assert store.counters()["bytes"] <= TIGHT
        assert store.pin(kept.key, False) == len(pages)
        keep(other, *range(200))
        keep(large, 0)
        assert read_whole(other, 199)
        assert read_whole(large, 0)

    def test_what_is_pinned_can_be_dropped(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        if not is_supported(store.pin, key_of(0), True):
            return
        kept, other = store.file(key_of(1), 3 * PAGE), store.file(key_of(2), 3 * PAGE)
        for one in (kept, other):
            keep(one, 0, 1, 2)
            assert store.pin(one.key, True) == 3
        store.forget(kept.key)
        assert held(kept, range(3)) == []
        assert held(other, range(3)) == [0, 1, 2]
        store.clear()
        assert held(other, range(3)) == []
        keep(other, 1)
        assert not any(page.pinned for page in store.list_pages())

    def test_what_is_right_is_verified_as_right(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        if not is_supported(store.verify):
            return
        assert store.verify() == (0, 0)
        kept, small = store.file(key_of(1), 20 * PAGE), store.file(key_of(2), 10)
        keep(kept, *range(20))
        keep(small, 0)
        store.pin(small.key, True)
        store.put_note(key_of(1), b"name")
        assert store.verify() == (21, 0)
        assert held(kept, range(20)) == list(range(20))
