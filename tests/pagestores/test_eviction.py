"""The policies of eviction, against the plain definitions of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Callable, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.pagestores.eviction import POLICIES, Eviction
from benchmarks.eviction import Simulation

TRACES = st.lists(st.integers(0, 12), max_size=120)
SIZES = st.integers(1, 8)


def hits_of_lru(trace: List[int], size: int) -> List[bool]:
    kept: OrderedDict[int, None] = OrderedDict()
    hits = []
    for page in trace:
        hits.append(page in kept)
        kept.pop(page, None)
        if len(kept) == size:
            kept.popitem(last=False)
        kept[page] = None
    return hits


def hits_of_sieve(trace: List[int], size: int) -> List[bool]:
    """As in figure 1 of the paper: a queue, a hand, a mark for each page."""
    queue: List[int] = []  # the oldest first
    visited: Dict[int, bool] = {}
    hand = 0
    hits = []
    for page in trace:
        hits.append(page in visited)
        if page in visited:
            visited[page] = True
            continue
        if len(queue) == size:
            hand %= size
            while visited[queue[hand]]:
                visited[queue[hand]] = False
                hand = (hand + 1) % size
            del visited[queue.pop(hand)]
        queue.append(page)
        visited[page] = False
    return hits


def hits_of_lfu(trace: List[int], size: int) -> List[bool]:
    kept: Dict[int, List[int]] = {}  # uses since it came, last use
    hits = []
    for now, page in enumerate(trace):
        hits.append(page in kept)
        if page in kept:
            kept[page] = [kept[page][0] + 1, now]
            continue
        if len(kept) == size:
            del kept[min(kept, key=lambda other: kept[other])]
        kept[page] = [0, now]
    return hits


@pytest.mark.parametrize(("name", "definition"), [("lru", hits_of_lru), ("lfu", hits_of_lfu), ("sieve", hits_of_sieve)])
def test_a_policy_does_what_its_definition_says(name: str, definition: Callable[[List[int], int], List[bool]]) -> None:
    @given(TRACES, SIZES)
    def check(trace: List[int], size: int) -> None:
        simulation = Simulation(POLICIES[name](), size, look_always=True)
        assert [simulation.read(page) for page in trace] == definition(trace, size)

    check()


def test_the_names() -> None:
    assert list(POLICIES) == ["lru", "sieve", "lfu"]
    assert all(issubclass(policy, Eviction) for policy in POLICIES.values())
