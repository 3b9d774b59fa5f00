"""The contract of page stores."""

from __future__ import annotations

import random
import threading
import time
import warnings
from typing import Callable, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import Claim, Component, Deadline
from alluxiofs.testing.components import ComponentContract
from alluxiofs.testing.guards import at_once, no_io
from alluxiofs.testing.kept import PAGE, ROOMY, TIGHT, MakeStore, content, keep, key_of, read_whole
from alluxiofs.testing.page_store_upkeep import NotesAndUpkeep

__all__ = ["MakeStore", "PageStoreContract", "content", "keep", "key_of", "read_whole"]

PATIENCE = 30.0


class PageStoreContract(NotesAndUpkeep, ComponentContract):
    """What the gateway relies on in any page store.

    Override the fixture ``make_store``; it gives a function that makes a store of your class, empty, with a capacity
    and a page size in bytes, and it closes what was made. Each test calls it once.
    """

    @pytest.fixture
    def make_store(self) -> MakeStore:
        """How to make a store."""
        raise NotImplementedError("override the fixture `make_store`: it gives a function of capacity and page size")

    @pytest.fixture
    def component(self, make_store: MakeStore) -> Component:
        return make_store(ROOMY, PAGE)

    # --- whole or nothing ---------------------------------------------------------------------------------------

    def test_making_one_opens_nothing(self, make_store: MakeStore) -> None:
        with no_io():
            make_store(ROOMY, PAGE)

    def test_a_page_is_kept_once_it_was_given(self, make_store: MakeStore) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 10 * PAGE)
        assert not kept.has(3)
        assert kept.read(3, 0, PAGE) is None
        assert kept.read_into(3, 0, memoryview(bytearray(PAGE))) is False
        keep(kept, 3)
        assert kept.has(3)
        assert read_whole(kept, 3)
        assert [index for index in range(10) if kept.has(index)] == [3]

    @pytest.mark.parametrize("length", [1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE - 7, 3 * PAGE])
    def test_the_last_page_is_as_long_as_the_file(self, make_store: MakeStore, length: int) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), length)
        last = (length - 1) // PAGE
        keep(kept, *range(last + 1))
        assert all(read_whole(kept, index) for index in range(last + 1))
        size = kept.page_length(last)
        assert kept.read(last, size - 1, size) == content(kept, last)[-1:]
        assert not kept.has(last + 1)
        assert kept.read(last + 1, 0, 0) is None

    def test_an_empty_file_has_no_pages(self, make_store: MakeStore) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 0)
        assert not kept.has(0)
        assert kept.read(0, 0, 0) is None
        with pytest.raises(ValueError, match="0"):
            kept.keep(0, memoryview(b""))

    @pytest.mark.parametrize(
        ("index", "length"),
        [(0, 0), (0, PAGE - 1), (0, PAGE + 1), (2, 99), (2, 101), (2, PAGE), (3, 0), (3, PAGE), (-1, PAGE)],
    )
    def test_a_page_of_another_length_is_refused(self, make_store: MakeStore, index: int, length: int) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 2 * PAGE + 100)
        with pytest.raises(ValueError, match=str(index)):
            kept.keep(index, memoryview(bytes(length)))
        assert not kept.has(index)
        assert kept.read(index, 0, 0) is None

    def test_any_range_of_a_page_can_be_read(self, make_store: MakeStore) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 2 * PAGE + 100)
        keep(kept, 0, 1, 2)

        @settings(deadline=None, database=None, max_examples=150)
        @given(index=st.integers(0, 2), data=st.data())
        def check(index: int, data: st.DataObject) -> None:
            whole = content(kept, index)
            start = data.draw(st.integers(0, len(whole)))
            stop = data.draw(st.integers(start, len(whole)))
            assert kept.read(index, start, stop) == whole[start:stop]
            around = bytearray(b"\xa5") * (stop - start + 2)
            assert kept.read_into(index, start, memoryview(around)[1:-1]) is True
            assert around == b"\xa5" + whole[start:stop] + b"\xa5"

        check()

    def test_the_view_is_the_callers_again(self, make_store: MakeStore) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 4 * PAGE)
        buffer = bytearray(PAGE)
        for index in range(4):
            buffer[:] = content(kept, index)
            with memoryview(buffer) as view:
                kept.keep(index, view)
            buffer[:] = bytes(PAGE)
        buffer.extend(b"more")  # BufferError if the store still has a view of it
        assert all(read_whole(kept, index) for index in range(4))

    def test_a_page_that_is_kept_stays_as_it_is(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        kept = store.file(key_of(1), PAGE)
        keep(kept, 0)
        before = store.counters()
        kept.keep(0, memoryview(bytes(PAGE)))
        assert read_whole(kept, 0)
        after = store.counters()
        assert (after["pages"], after["bytes"]) == (before["pages"], before["bytes"])

    # --- files --------------------------------------------------------------------------------------------------

    def test_files_do_not_mix(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        files = [store.file(key_of(number), 3 * PAGE) for number in range(20)]
        for number, kept in enumerate(files):
            keep(kept, number % 3)
        for number, kept in enumerate(files):
            assert [index for index in range(3) if kept.has(index)] == [number % 3]
            assert [index for index in range(3) if read_whole(kept, index)] == [number % 3]

    def test_all_who_read_a_file_share_its_pages(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        one, other = store.file(key_of(1), 3 * PAGE), store.file(key_of(1), 3 * PAGE)
        assert not read_whole(other, 0)
        keep(one, 0)
        keep(other, 1)
        for kept in (one, other, store.file(key_of(1), 3 * PAGE)):
            assert [read_whole(kept, index) for index in range(3)] == [True, True, False]

    def test_a_file_can_be_forgotten(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        gone, stays = store.file(key_of(1), 3 * PAGE), store.file(key_of(2), 3 * PAGE)
        keep(gone, 0, 1, 2)
        keep(stays, 0, 1, 2)
        assert read_whole(gone, 0)
        full = store.counters()
        store.forget(key_of(1))
        store.forget(key_of(1))
        store.forget(key_of(3))
        assert not any(gone.has(index) or read_whole(gone, index) for index in range(3))
        assert all(read_whole(stays, index) for index in range(3))
        assert store.counters()["pages"] == full["pages"] - 3
        assert store.counters()["bytes"] < full["bytes"]
        keep(gone, 1)
        assert [read_whole(gone, index) for index in range(3)] == [False, True, False]

    def test_everything_can_be_dropped(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        store.clear()
        files = [store.file(key_of(number), 3 * PAGE) for number in range(5)]
        for kept in files:
            keep(kept, 0, 2)
            assert read_whole(kept, 0)
        store.clear()
        assert not any(kept.has(index) or read_whole(kept, index) for kept in files for index in range(3))
        assert (store.counters()["pages"], store.counters()["bytes"]) == (0, 0)
        keep(files[0], 2)
        assert read_whole(files[0], 2)

    # --- capacity and counters ----------------------------------------------------------------------------------

    def test_the_counters_count(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        kept = store.file(key_of(1), 4 * PAGE)
        empty = store.counters()
        assert empty == {**empty, "hits": 0, "misses": 0, "evictions": 0, "pages": 0, "bytes": 0, "capacity": ROOMY}
        kept.read(0, 0, 10)
        keep(kept, 0, 1, 2)
        kept.read(0, 0, 10)
        kept.read(2, 5, 5)
        kept.read_into(1, 7, memoryview(bytearray(9)))
        kept.read_into(3, 7, memoryview(bytearray(9)))
        kept.has(0)
        kept.has(3)
        now = store.counters()
        assert now == {**now, "hits": 3, "misses": 2, "evictions": 0, "pages": 3, "capacity": ROOMY}
        assert 3 * PAGE <= now["bytes"] <= ROOMY
        assert now.get("hit_bytes", 19) == 19, "those that were read"
        assert all(type(value) is int for value in now.values())
        assert store.counters() == now, "looking changes nothing"

    def test_the_capacity_is_never_passed(self, make_store: MakeStore) -> None:
        store = make_store(TIGHT, PAGE)
        kept = store.file(key_of(1), 1000 * PAGE)
        for index in range(1000):
            keep(kept, index)
            counters = store.counters()
            assert counters["bytes"] <= TIGHT
            assert counters["pages"] * PAGE <= counters["bytes"]
        assert counters["evictions"] > 0
        assert counters["pages"] + counters["evictions"] == 1000
        held = [index for index in range(1000) if kept.has(index)]
        assert len(held) == counters["pages"] > 10, "a store that is full still keeps"
        assert all(read_whole(kept, index) for index in held)

    def test_a_page_larger_than_the_store_is_not_kept(self, make_store: MakeStore) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a store may say so
                store = make_store(TIGHT, 2 * TIGHT)
        except ConfigurationError:
            return  # better still: whoever configured it so is told
        small, large = store.file(key_of(1), PAGE), store.file(key_of(2), 2 * TIGHT)
        keep(small, 0)
        keep(large, 0)
        assert not large.has(0)
        assert large.read(0, 0, 1) is None
        assert read_whole(small, 0), "and nothing is evicted for it"

    # --- threads ------------------------------------------------------------------------------------------------

    def test_threads_see_right_bytes_or_none_and_the_capacity_holds(self, make_store: MakeStore) -> None:
        store = make_store(TIGHT, PAGE)
        store_files = 6

        def work(seed: int) -> Callable[[], int]:
            def run() -> int:
                chance, hits = random.Random(seed), 0  # noqa: S311 - a test, not a cipher
                files = [store.file(key_of(number), 100 * PAGE + 77) for number in range(store_files)]
                for step in range(400):
                    kept, index = chance.choice(files), chance.randrange(101)
                    if read_whole(kept, index):
                        hits += 1
                    else:
                        keep(kept, index)
                        assert store.counters()["bytes"] <= TIGHT
                    if step % 100 == 99:
                        store.forget(chance.choice(files).key)
                return hits

            return run

        hits = at_once(*(work(seed) for seed in range(8)))
        counters = store.counters()
        assert sum(hits) > 0
        assert counters["evictions"] > 0
        assert counters["bytes"] <= TIGHT
        files = [store.file(key_of(number), 100 * PAGE + 77) for number in range(store_files)]
        assert sum(read_whole(kept, index) for kept in files for index in range(101)) == counters["pages"]

    def test_no_hit_of_any_thread_is_lost(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        kept = store.file(key_of(1), PAGE)
        keep(kept, 0)

        def read() -> None:
            for _ in range(500):
                assert kept.read(0, 10, 20) == content(kept, 0)[10:20]

        at_once(*[read] * 8)
        counters = store.counters()
        assert counters["hits"] == 8 * 500
        assert counters.get("hit_bytes", 8 * 500 * 10) == 8 * 500 * 10

    # --- one fetch a page ---------------------------------------------------------------------------------------

    def test_one_claims_a_page_and_no_other(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        files = [store.file(key_of(1), 3 * PAGE) for _ in range(16)]
        assert sorted(at_once(*(lambda kept=kept: kept.claim(1) for kept in files))) == [False] * 15 + [True]
        assert files[0].claim(2)
        assert store.file(key_of(2), 3 * PAGE).claim(1)
        files[3].release(1)
        assert files[5].claim(1)
        files[5].release(1)

    def test_a_run_of_pages_is_got_without_what_others_have(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        one, other = store.file(key_of(1), 9 * PAGE), store.file(key_of(1), 9 * PAGE)
        assert one.claim(4)
        mine: List[Claim] = []
        other.claim_run(range(2, 7), mine)
        assert sorted(index for claim in mine for index in claim.pages) == [2, 3, 5, 6]
        assert not one.claim(5)
        one.release(4)
        other.release_run(mine)
        assert mine == []
        assert one.claim(5)
        other.release_run(mine)
        assert not other.claim(5), "ended twice, it ended another's"
        keep(one, 5)
        one.release(5)
        assert sorted(one.held(range(2, 7))) == [5]

    def test_whoever_waits_wakes_when_the_claim_ends(self, make_store: MakeStore) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 3 * PAGE)
        assert kept.claim(0)
        waiting = threading.Semaphore(0)

        def wait() -> float:
            waiting.release()
            begun = time.monotonic()
            kept.wait(0, Deadline.after(PATIENCE))
            assert kept.has(0), "woken before the claim had ended"
            return time.monotonic() - begun

        def fetch() -> float:
            for _ in range(4):
                assert waiting.acquire(timeout=PATIENCE)
            keep(kept, 0)
            kept.release(0)
            return 0.0

        assert max(at_once(wait, wait, wait, wait, fetch)) < PATIENCE / 2, "they waited until the deadline"

    def test_waiting_for_nobody_ends_at_once(self, make_store: MakeStore) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 3 * PAGE)
        assert kept.claim(1)
        begun = time.monotonic()
        kept.wait(0, Deadline.after(PATIENCE))
        assert time.monotonic() - begun < PATIENCE / 2
        kept.release(1)

    def test_waiting_ends_with_the_deadline(self, make_store: MakeStore) -> None:
        kept = make_store(ROOMY, PAGE).file(key_of(1), 3 * PAGE)
        assert kept.claim(0)
        begun = time.monotonic()
        kept.wait(0, Deadline.after(0.05))
        kept.wait(0, Deadline.after(0.0))
        assert 0.04 < time.monotonic() - begun < PATIENCE / 2
        assert not kept.claim(0), "who gives up waiting ends nobody's claim"
        kept.release(0)

    def test_threads_that_miss_the_same_pages_fetch_each_once(self, make_store: MakeStore) -> None:
        store = make_store(ROOMY, PAGE)
        fetched: Dict[int, List[int]] = {index: [] for index in range(20)}

        def read() -> None:
            kept = store.file(key_of(1), 20 * PAGE)
            for index in range(20):
                while not read_whole(kept, index):
                    if not kept.claim(index):
                        kept.wait(index, Deadline.after(PATIENCE))
                        continue
                    try:
                        if not kept.has(index):
                            fetched[index].append(1)
                            keep(kept, index)
                    finally:
                        kept.release(index)

        at_once(*[read] * 8)
        assert [len(fetches) for fetches in fetched.values()] == [1] * 20
