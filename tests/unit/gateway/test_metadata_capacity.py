"""What is believed about files takes no more memory than it may."""

from __future__ import annotations

import gc
import math
import tracemalloc
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List

import pytest

from alluxiofs.gateway.metadata import MetadataCache
from alluxiofs.interfaces import Entry, Version
from tests.unit.gateway.conftest import Assembled

MIB = 2**20
TTL = 1000.0


def entry(number: int, kind: str = "s3") -> Entry:
    name = f"bucket/a folder of many/part-{number:06d}.parquet"
    extra: Dict[str, Any] = {}
    if kind == "s3":
        extra = {"ETag": f'"{number:032x}"', "LastModified": datetime.fromtimestamp(1.7e9 + number, timezone.utc)}
    elif kind == "deep":
        extra = {"metadata": {f"name-{i}": [f"{number}-{i}", {"x": str(number)}] for i in range(3)}, "ö": f"{number}é€"}
    version = Version(f"etag:{number:032x}", 10_000 + number, (1_700_000_000 + number) * 10**9, 10**9)
    return Entry(name, "file", 10_000 + number, version, modified=1.7e9 + number / 8, extra=extra)


def allocated(make: Callable[[], Any]) -> int:
    """Bytes that are still allocated after ``make``, whose result is held until they are counted."""
    gc.collect()
    tracemalloc.start()
    try:
        held = make()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
        del held
        return taken
    finally:
        tracemalloc.stop()


def fill_with_stats(cache: MetadataCache, kind: str, count: int) -> None:
    for number in range(count):
        url = f"s3://{entry(number, kind).name}"
        cache.put_entry(url, entry(number, kind), cache.epoch(url))


def fill_with_listings(cache: MetadataCache, kind: str, count: int) -> None:
    for folder in range(math.ceil(count / 100)):
        url = f"s3://bucket/{folder}"
        entries = tuple(entry(folder * 100 + number, kind) for number in range(100))
        epoch, changes = cache.epoch(url), cache.changes()
        cache.put_listing(url, entries, epoch)
        cache.put_children([f"s3://{each.name}" for each in entries], entries, changes)


@pytest.mark.parametrize("kind", ["s3", "deep", "plain"])
@pytest.mark.parametrize("fill", [fill_with_stats, fill_with_listings])
def test_the_capacity_bounds_what_is_really_allocated(fill: Any, kind: str) -> None:
    caches: List[MetadataCache] = []

    def make() -> None:
        cache = MetadataCache(TTL, MIB)
        caches.append(cache)
        fill(cache, kind, 4000)

    taken = allocated(make)
    weight = caches[0].weight()
    assert 0.7 * MIB < weight <= MIB  # it is full
    assert weight / 2.5 < taken <= weight


def test_what_was_put_in_first_goes_first() -> None:
    cache = MetadataCache(TTL, MIB)
    fill_with_stats(cache, "s3", 5000)
    known = [cache.entry(f"s3://{entry(number).name}") is not None for number in range(5000)]
    assert not known[0]
    assert known[-1]
    assert known == sorted(known)


def test_a_listing_larger_than_the_capacity_is_not_kept_and_drives_nothing_out(
    assemble: Callable[..., Assembled],
) -> None:
    assembled = assemble(metadata_ttl=TTL, metadata_capacity=64 * 1024)
    gateway = assembled.gateway
    assembled.store.put("other/file", b"")
    gateway.stat(gateway.locate("other/file"))
    for number in range(1000):
        assembled.store.put(f"long/{number:04}", b"x")
    for _ in range(2):
        assert len(gateway.list(gateway.locate("long"))) == 1000
    assert assembled.store.count("list") == 2
    assert gateway.metadata.weight() <= 64 * 1024
    assembled.store.calls.clear()
    gateway.stat(gateway.locate("other/file"))
    gateway.stat(gateway.locate("long/0000"))  # as many of its entries as there is room for are known
    assert assembled.store.calls == []
    gateway.stat(gateway.locate("long/0999"))
    assert assembled.store.count("stat") == 1


def test_what_is_believed_no_longer_makes_room() -> None:
    cache = MetadataCache(1e-9, MIB)
    fill_with_stats(cache, "s3", 100)
    assert cache.weight() < 5000


def test_nothing_is_believed_without_room(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=TTL, metadata_capacity=0)
    assembled.store.put("d/f", b"x")
    for _ in range(2):
        assert assembled.data("d/f") == b"x"
        assert len(assembled.gateway.list(assembled.gateway.locate("d"))) == 1
    assert assembled.store.count("stat") == 2
    assert assembled.store.count("list") == 2


def test_the_description_shows_it(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=20.0, metadata_capacity=MIB)
    assert assembled.gateway.describe()["metadata"] == {"ttl": 20.0, "capacity": MIB, "bytes": 0}
    assembled.store.put("f", b"x")
    assembled.data("f")
    assert 0 < assembled.gateway.describe()["metadata"]["bytes"] < 2000


def test_a_listing_that_finds_no_room_leaves_no_older_one_to_be_believed() -> None:
    cache = MetadataCache(1000.0, 64 * 1024)
    for longer in (50, 1000):
        cache.put_listing("d", (Entry("d/1", "file", 1),), cache.epoch("d"))
        assert cache.listing("d") is not None
        listing = tuple(Entry(f"d/{number}-{'x' * 1000}", "file", number) for number in range(longer))
        cache.put_listing("d", listing, cache.epoch("d"))
        assert cache.listing("d") is None
    assert cache.weight() == 0
