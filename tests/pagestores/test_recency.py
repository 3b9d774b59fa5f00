"""The order of eviction, against the plain definition of it."""

from __future__ import annotations

import threading
from typing import Dict, List

from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.pagestores.recency import Recency, Tally


class Member:
    def __init__(self, name: int, used: int) -> None:
        self.name = name
        self.used = used


STEPS = st.lists(st.tuples(st.sampled_from(["use", "evict", "remove"]), st.integers(0, 7)), max_size=80)


@given(STEPS)
def test_the_least_recently_used_is_the_oldest(steps: List[tuple[str, int]]) -> None:
    members: Dict[int, Member] = {}
    order: Recency[Member] = Recency(members.values, lambda member: members.get(member.name) is member)
    for now, (step, name) in enumerate(steps):
        if step == "use" and name in members:
            members[name].used = now
        elif step == "use":
            members[name] = Member(name, now)
        elif step == "remove" and name in members:
            del members[name]
            order.removed(1)
        elif step == "evict":
            oldest = order.oldest()
            expected = min(members.values(), key=lambda member: member.used, default=None)
            assert oldest is expected
            if oldest is not None:
                del members[oldest.name]


def test_a_tally_loses_nothing() -> None:
    tally = Tally()

    def count() -> None:
        for _ in range(5000):
            tally.tick()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.value() == 40_000
    assert tally.value() == 40_000
