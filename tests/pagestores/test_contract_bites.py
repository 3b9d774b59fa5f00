"""The contract of page stores finds the stores that break it: each of these is broken in one place."""

from __future__ import annotations

import tempfile
import threading
import time
from typing import Any, Callable, Dict, Optional, Type

import pytest

from alluxiofs.interfaces import Claims, Deadline, KeptFile, PageStore
from alluxiofs.testing import page_stores
from alluxiofs.testing.context import make_context
from alluxiofs.testing.page_store_upkeep import NotesAndUpkeep
from alluxiofs.testing.page_stores import PageStoreContract

Contract = PageStoreContract


class PlainFile(KeptFile):
    """The simplest kept file that keeps the contract: a dict, and oldest out first."""

    def __init__(self, store: PlainStore, key: bytes, length: int, page_size: int) -> None:
        super().__init__(key, length, page_size)
        self.store = store

    def place(self, index: int) -> Any:
        return (self.key, index)

    def take(self, page: memoryview) -> Any:
        return bytes(page)

    def check(self, index: int, page: memoryview) -> None:
        length = self.page_length(index) if index >= 0 else 0
        if length <= 0 or len(page) != length:
            raise ValueError(f"page {index} of {length} bytes: {len(page)}")

    def read(self, index: int, start: int, stop: int) -> Optional[bytes]:
        data = self.store.pages.get(self.place(index))
        self.store.count("misses" if data is None else "hits")
        return None if data is None else bytes(data[start:stop])

    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        data = self.read(index, start, start + len(view))
        if data is None:
            return False
        view[: len(data)] = data
        return True

    def has(self, index: int) -> bool:
        return self.place(index) in self.store.pages

    def keep(self, index: int, page: memoryview) -> None:
        self.check(index, page)
        with self.store.lock:
            self.store.add(self.place(index), self.take(page))

    def claim(self, index: int) -> bool:
        return self.store.claims.claim(self.key, index)

    def release(self, index: int) -> None:
        self.store.claims.release(self.key, index)

    def wait(self, index: int, deadline: Deadline) -> None:
        self.store.claims.wait(self.key, index, deadline)


class PlainStore(PageStore):
    """Keeps pages in a dict."""

    name = "plain"
    file_class: Type[PlainFile] = PlainFile

    def __init__(self, capacity: int, page_size: int) -> None:
        super().__init__(self.Settings(), make_context(), page_size)
        self.capacity = capacity
        self.lock = threading.RLock()
        self.claims = Claims()
        self.pages: Dict[Any, Any] = {}
        self.counts = {"hits": 0, "misses": 0, "evictions": 0}

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def used(self) -> int:
        return sum(map(len, self.pages.values()))

    def add(self, place: Any, data: Any) -> None:
        if place in self.pages or len(data) > self.capacity:
            return
        self.make_room(len(data))
        self.pages[place] = data

    def make_room(self, size: int) -> None:
        while self.used() + size > self.capacity:
            del self.pages[next(iter(self.pages))]
            self.count("evictions")

    def file(self, key: bytes, length: int, page_size: Optional[int] = None) -> KeptFile:
        return self.file_class(self, key, length, page_size or self.page_size)

    def forget(self, key: bytes) -> None:
        with self.lock:
            self.pages = {place: data for place, data in self.pages.items() if place[0] != key}

    def clear(self) -> None:
        with self.lock:
            self.pages = {}

    def counters(self) -> Dict[str, int]:
        with self.lock:
            return {**self.counts, "pages": len(self.pages), "bytes": self.used(), "capacity": self.capacity}


class OffByOne(PlainFile):
    def read(self, index: int, start: int, stop: int) -> Optional[bytes]:
        return super().read(index, start + 1, stop + 1)


class ShortIntoViews(PlainFile):
    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        return super().read_into(index, start, view[:-1])


class WholeIntoViews(PlainFile):
    def read_into(self, index: int, start: int, view: memoryview) -> bool:
        return super().read_into(index, 0, view)


class NothingFound(PlainFile):
    def read(self, index: int, start: int, stop: int) -> Optional[bytes]:
        return super().read(index, start, stop) or None


class OneFileForAll(PlainFile):
    def place(self, index: int) -> Any:
        return (b"", index)


class AnyLength(PlainFile):
    def check(self, index: int, page: memoryview) -> None:
        pass


class NoFirstPage(PlainFile):
    def has(self, index: int) -> bool:
        return bool(index) and super().has(index)


class HoldsTheView(PlainFile):
    def take(self, page: memoryview) -> Any:
        return page


class CopiesTheViewLater(PlainFile):
    def take(self, page: memoryview) -> Any:
        return page.obj


class Replaces(PlainFile):
    def keep(self, index: int, page: memoryview) -> None:
        self.store.pages.pop(self.place(index), None)
        super().keep(index, page)


class EverybodyClaims(PlainFile):
    def claim(self, index: int) -> bool:
        return True


class ClaimsForever(PlainFile):
    def release(self, index: int) -> None:
        pass


class ClaimsWholeFile(PlainFile):
    def claim(self, index: int) -> bool:
        return super().claim(0)


class DoesNotWait(PlainFile):
    def wait(self, index: int, deadline: Deadline) -> None:
        pass


class WaitsToTheEnd(PlainFile):
    def wait(self, index: int, deadline: Deadline) -> None:
        time.sleep(deadline.remaining())


class LooksCount(PlainFile):
    def has(self, index: int) -> bool:
        return self.read(index, 0, 0) is not None


class Boundless(PlainStore):
    def make_room(self, size: int) -> None:
        pass


class OnePageTooMany(PlainStore):
    def make_room(self, size: int) -> None:
        super().make_room(0)


class RefusesWhenFull(PlainStore):
    def add(self, place: Any, data: Any) -> None:
        if self.used() + len(data) <= self.capacity:
            super().add(place, data)


class EvictsForNothing(PlainStore):
    def add(self, place: Any, data: Any) -> None:
        if len(data) > self.capacity:
            self.clear()
        super().add(place, data)


class ForgetsNothing(PlainStore):
    def forget(self, key: bytes) -> None:
        pass


class ForgetsEverything(PlainStore):
    def forget(self, key: bytes) -> None:
        self.clear()


class ClearsNothing(PlainStore):
    def clear(self) -> None:
        pass


class CountsNothing(PlainStore):
    def count(self, what: str) -> None:
        pass


class CountsLooks(PlainStore):
    def counters(self) -> Dict[str, int]:
        self.count("hits")
        return super().counters()


class OpensAtOnce(PlainStore):
    def __init__(self, capacity: int, page_size: int) -> None:
        super().__init__(capacity, page_size)
        with tempfile.TemporaryFile():
            pass


def test_of_plain_store_nothing_is_wrong(plain: Callable[[str, Any], None]) -> None:
    own = {**vars(NotesAndUpkeep), **vars(PageStoreContract)}
    for name in own:
        if name.startswith("test_") and not hasattr(getattr(Contract, name), "pytestmark"):
            plain(name, PlainStore)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """Runs one test of the suite against a store class, or against a plain store with a file class."""
    monkeypatch.setattr(page_stores, "PATIENCE", 0.5)

    def run(test: str, broken: Any, *arguments: int) -> None:
        store_class = broken
        if issubclass(broken, PlainFile):
            store_class = type("WithFile", (PlainStore,), {"file_class": broken})
        getattr(PageStoreContract(), test)(store_class, *arguments)

    return run


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (OffByOne, Contract.test_any_range_of_a_page_can_be_read),
        (ShortIntoViews, Contract.test_any_range_of_a_page_can_be_read),
        (WholeIntoViews, Contract.test_any_range_of_a_page_can_be_read),
        (NothingFound, Contract.test_any_range_of_a_page_can_be_read),
        (OneFileForAll, Contract.test_files_do_not_mix),
        (NoFirstPage, Contract.test_files_do_not_mix),
        (HoldsTheView, Contract.test_the_view_is_the_callers_again),
        (CopiesTheViewLater, Contract.test_the_view_is_the_callers_again),
        (Replaces, Contract.test_a_page_that_is_kept_stays_as_it_is),
        (EverybodyClaims, Contract.test_one_claims_a_page_and_no_other),
        (EverybodyClaims, Contract.test_waiting_ends_with_the_deadline),
        (ClaimsForever, Contract.test_one_claims_a_page_and_no_other),
        (ClaimsForever, Contract.test_whoever_waits_wakes_when_the_claim_ends),
        (ClaimsWholeFile, Contract.test_one_claims_a_page_and_no_other),
        (DoesNotWait, Contract.test_whoever_waits_wakes_when_the_claim_ends),
        (DoesNotWait, Contract.test_waiting_ends_with_the_deadline),
        (WaitsToTheEnd, Contract.test_waiting_for_nobody_ends_at_once),
        (WaitsToTheEnd, Contract.test_whoever_waits_wakes_when_the_claim_ends),
        (LooksCount, Contract.test_the_counters_count),
        (Boundless, Contract.test_the_capacity_is_never_passed),
        (OnePageTooMany, Contract.test_the_capacity_is_never_passed),
        (OnePageTooMany, Contract.test_threads_see_right_bytes_or_none_and_the_capacity_holds),
        (RefusesWhenFull, Contract.test_the_capacity_is_never_passed),
        (EvictsForNothing, Contract.test_a_page_larger_than_the_store_is_not_kept),
        (ForgetsNothing, Contract.test_a_file_can_be_forgotten),
        (ForgetsEverything, Contract.test_a_file_can_be_forgotten),
        (ClearsNothing, Contract.test_everything_can_be_dropped),
        (CountsNothing, Contract.test_the_counters_count),
        (CountsLooks, Contract.test_the_counters_count),
        (OpensAtOnce, Contract.test_making_one_opens_nothing),
    ],
)
def test_a_broken_store_is_found(plain: Callable[..., None], broken: Any, test: Callable[..., None]) -> None:
    with pytest.raises((AssertionError, BufferError, ValueError)):
        plain(test.__name__, broken)


def test_a_store_that_keeps_any_length_is_found(plain: Callable[..., None]) -> None:
    with pytest.raises(pytest.fail.Exception):
        plain("test_a_page_of_another_length_is_refused", AnyLength, 0, 4095)
