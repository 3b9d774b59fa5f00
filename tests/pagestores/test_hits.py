"""How hits are counted: none is lost, whatever their sizes and however many threads read."""

from __future__ import annotations

import threading
from typing import List

import pytest

from alluxiofs.pagestores.hits import Hits


@pytest.mark.parametrize("sizes", [1, 3, 1500])
def test_none_is_lost_of_many_threads(sizes: int) -> None:
    hits = Hits()
    stamps: List[List[int]] = []

    def read(first: int) -> None:
        own = [hits[(first + step) % sizes]() for step in range(3000)]
        stamps.append(own)

    threads = [threading.Thread(target=read, args=(number * 400,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    volume = sum((number * 400 + step) % sizes for number in range(6) for step in range(3000))
    assert hits.totals() == hits.totals() == (18_000, volume)
    assert all(own == sorted(set(own)) for own in stamps), "each is above those that were given before"
    assert len({stamp for own in stamps for stamp in own}) == 18_000
    assert hits.stamp() > max(own[-1] for own in stamps)


def test_sizes_are_not_remembered_without_bounds() -> None:
    hits = Hits()
    for size in range(100_000):
        hits[size]()
    assert len(hits) <= 1024
    assert hits.totals() == (100_000, sum(range(100_000)))
