"""A store that was cleared is as good as new."""

from __future__ import annotations

from typing import Callable, Set

import pytest

from alluxiofs.pagestores.disk import DiskPageStore
from alluxiofs.testing.page_stores import key_of

LARGE, SMALL = 2**18, 2**14
CAPACITY = 64 * LARGE
SMALLS = 12


def left_of_unused(store: DiskPageStore) -> Set[int]:
    """Which of some small pages, the first of all and never used, are left when many large ones came after them."""
    small, large = store.file(key_of(3), 100 * SMALL, page_size=SMALL), store.file(key_of(4), 1000 * LARGE)
    for index in range(SMALLS):
        small.keep(index, memoryview(bytes(SMALL)))
    for index in range(80):
        large.keep(index, memoryview(bytes(LARGE)))
    return {index for index in range(SMALLS) if small.has(index)}


@pytest.mark.parametrize("by", ["this process", "another one"])
@pytest.mark.parametrize("eviction", ["lru", "lfu"])
def test_how_often_pages_were_used_that_are_gone_protects_no_others(
    make_disk_store: Callable[..., DiskPageStore], eviction: str, by: str
) -> None:
    store = make_disk_store(CAPACITY, LARGE, eviction=eviction)
    small, large = store.file(key_of(1), 100 * SMALL, page_size=SMALL), store.file(key_of(2), 1000 * LARGE)
    for index in range(SMALLS):
        small.keep(index, memoryview(bytes(SMALL)))
    for number in range(180):
        for index in range(SMALLS):
            small.read(index, 0, 1)
        large.keep(number, memoryview(bytes(LARGE)))
        if number == 75:
            small.keep(SMALLS, memoryview(bytes(SMALL)))  # one that goes first, with as many of the others as make room
    (store if by == "this process" else make_disk_store(CAPACITY, LARGE, eviction=eviction)).clear()
    assert left_of_unused(store) == set()
