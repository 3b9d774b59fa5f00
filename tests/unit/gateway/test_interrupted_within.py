"""What the collector of garbage, or a signal, has run amid a change of what all threads share, and that makes changes
of its own, neither waits for that change nor spoils it. Whatever a program has in its finalizers may use a filesystem.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from types import FrameType
from typing import Any, Callable, ContextManager, Iterator, List

import pytest

from alluxiofs.gateway.breaker import Breaker
from alluxiofs.gateway.budget import RetryBudget
from alluxiofs.gateway.metadata import MetadataCache
from alluxiofs.interfaces import Entry
from tests.unit.gateway.test_collected_meanwhile import at_each_collection, ends

TTL = 1000.0
FOLDER = "s3://bucket"
URLS = [f"{FOLDER}/{number}" for number in range(8)]
ENTRIES = [Entry(url, "file", 1) for url in URLS]

At = Callable[[Callable[[], object]], ContextManager[None]]


@contextlib.contextmanager
def at_each_call(act: Callable[[], object]) -> Iterator[None]:
    """Have ``act()`` called at each call that this thread makes: from Python 3.12 on that is where the collector comes,
    and signals are seen to."""

    def called(_frame: FrameType, event: str, _function: object) -> None:
        if event in ("call", "c_return"):
            act()

    sys.setprofile(called)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.fixture(params=[at_each_call, at_each_collection], ids=["calls", "collections"])
def at_each(request: Any) -> At:
    made: At = request.param
    return made


def without_failure(work: Callable[[], object]) -> bool:
    """Whether it comes to its end, and not by an error."""
    done: List[bool] = []
    return ends(lambda: done.append(work() is None)) and done == [True]


Change = Callable[[], None]


def put_entry(cache: MetadataCache) -> Change:
    return functools.partial(cache.put_entry, FOLDER, ENTRIES[0], cache.epoch(FOLDER))


def put_listing(cache: MetadataCache) -> Change:
    return functools.partial(cache.put_listing, FOLDER, tuple(ENTRIES), cache.epoch(FOLDER))


def put_children(cache: MetadataCache) -> Change:
    return functools.partial(cache.put_children, [*URLS, FOLDER], [*ENTRIES, ENTRIES[0]], cache.changes())


def forget(cache: MetadataCache) -> Change:
    return functools.partial(cache.forget_in_process, FOLDER)


@pytest.mark.parametrize("change", [put_entry, put_listing, put_children, forget])
def test_what_was_asked_before_a_write_is_not_believed_after_it(
    at_each: At, change: Callable[[MetadataCache], Change]
) -> None:
    wrong: List[int] = []
    held: List[object] = []

    def within(at: int) -> bool:
        """Somebody writes amid the change, when it is interrupted for this time; whether it is as often as that."""
        cache, times = MetadataCache(TTL, 2**20), [0]

        def write() -> None:
            times[0] += 1
            if times[0] == at:
                held[:] = [MetadataCache(TTL, 2**20)]
                cache.forget_in_process(FOLDER)
                cache.put_entry(URLS[0], ENTRIES[0], cache.epoch(URLS[0]))

        asked = change(cache)
        with at_each(write):
            asked()
            left = times[0]
        if left >= at and (cache.entry(FOLDER) or cache.listing(FOLDER)):
            wrong.append(at)
        return at <= times[0]

    def work() -> None:
        at = 1
        while within(at):
            at += 1
        assert at > 1

    assert without_failure(work)
    assert not wrong


def test_metadata_weighs_what_is_there(at_each: At) -> None:
    """Little room, so that it is made again and again, and at times all of it."""
    cache, acts, held = MetadataCache(TTL, 4000), [0], []

    def act() -> None:
        acts[0] += 1
        cache.put_entry(URLS[0], ENTRIES[0], cache.epoch(URLS[0]))
        cache.put_listing(URLS[1], (ENTRIES[1],), cache.epoch(URLS[1]))
        if acts[0] % 3 == 0:
            cache.forget(*URLS[acts[0] % 5 :])
        if acts[0] % 5 == 0:
            cache.clear()

    def work() -> None:
        with at_each(act):
            for number in range(200):
                held.append([number] * (number % 3))
                url, entry = URLS[number % 8], ENTRIES[number % 8]
                cache.put_entry(url, entry, cache.epoch(url))
                cache.put_listing(url, (entry,), cache.epoch(url))
                if number % 4 == 0:
                    cache.forget(url)
                if number % 9 == 0:
                    cache.clear()

    assert without_failure(work)
    assert acts[0] > 100
    assert 0 <= cache.weight() <= 4000
    cache.forget(*URLS)
    assert cache.weight() == 0


def test_retries_are_spent_and_earned() -> None:
    budget = RetryBudget()
    spent: List[bool] = []

    def act() -> None:
        budget.earn()
        spent.append(budget.spend())

    def work() -> None:
        with at_each_call(act):
            for _ in range(100):
                budget.earn()
                spent.append(budget.spend())

    assert without_failure(work)
    assert spent[0]
    assert not all(spent), "what is spent is missing"


@pytest.mark.parametrize("last", ["answer", "failure"])
def test_a_breaker_is_what_the_last_word_made_it(last: str) -> None:
    failing: set[Breaker] = set()
    wrong: List[str] = []

    def within(say: Callable[[Breaker], object], meanwhile: Callable[[Breaker], object], at: int) -> bool:
        """Something is said amid the call number ``at`` of something else; whether there was such a call."""
        breaker, calls = Breaker(failing), [0]

        def act() -> None:
            calls[0] += 1
            if calls[0] == at:
                meanwhile(breaker)

        breaker.failed(waited=True)
        with at_each_call(act):
            say(breaker)
        if (breaker in failing) is breaker.closed:
            wrong.append(f"{at}: {breaker.state}, failing: {breaker in failing}")
        breaker.succeeded()
        if breaker in failing:
            wrong.append(f"{at}: an answer leaves it among those that fail")
        return at <= calls[0]

    def answered(breaker: Breaker) -> None:
        breaker.succeeded()

    def failed(breaker: Breaker) -> None:
        breaker.admit()
        breaker.failed(waited=True)

    def work() -> None:
        at = 1
        while within(*((answered, failed) if last == "answer" else (failed, answered)), at):
            at += 1
        assert at > 1

    assert without_failure(work)
    assert not wrong
