"""Many ranges at once: exact whatever is kept, near ones in one request."""

from __future__ import annotations

import os
from typing import Any, Callable, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.operations.ranges import GAP, Range, spans_of
from alluxiofs.testing import RecordingTelemetry
from tests.filesystem.conftest import Place, page_store_of

MIB = 2**20
DATA = os.urandom(3 * MIB + 77)  # of pages of 1 MB, so that parts of them are kept too

Bound = st.one_of(st.none(), st.integers(-len(DATA) - 10, len(DATA) + 10))
Near = st.builds(lambda at, size: (at, at + size), st.integers(0, len(DATA)), st.integers(-5, 3 * GAP))


@pytest.mark.parametrize("kind", [None, "memory", "disk"])
def test_ranges_are_pythons_slices_whatever_is_kept(
    kind: Optional[str], memory: Place, filesystem: Callable[..., AlluxioFileSystem], tmp_path: Any
) -> None:
    fs = filesystem(memory, page_store=page_store_of(kind, tmp_path), options={})
    paths = [memory.path("one"), memory.path("two")]
    contents = {paths[0]: DATA, paths[1]: DATA[::-1]}
    fs.pipe(contents)
    wanted = st.tuples(st.sampled_from(paths), st.one_of(Near, st.tuples(Bound, Bound)))

    @settings(max_examples=40, deadline=None)
    @given(st.lists(wanted, min_size=1, max_size=12), st.sampled_from([None, 0, MIB]), st.booleans())
    def check(ranges: List[Tuple[str, Tuple[Any, Any]]], gap: Optional[int], forgotten: bool) -> None:
        if forgotten:
            fs.rm(paths[0], remove_alluxio_only=True)
        names = [name for name, _ in ranges]
        starts, ends = [start for _, (start, _) in ranges], [end for _, (_, end) in ranges]
        got = fs.cat_ranges(names, starts, ends, max_gap=gap, on_error="raise")
        assert got == [contents[name][start:end] for name, start, end in zip(names, starts, ends)]
        assert all(type(each) is bytes for each in got)

    check()


def test_near_ranges_come_in_one_request_and_kept_ones_in_none(
    local: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    telemetry = RecordingTelemetry()
    fs = filesystem(local, page_store={"name": "memory"}, options={}, telemetry=telemetry)
    fs.pipe_file(local.path("f"), DATA)

    def requests() -> int:
        return sum(call.method == "read" for call in telemetry.calls)

    starts = [2 * MIB + 500_000, 10, 2 * MIB + 510_000, 20]
    for expected in (2, 2):
        got = fs.cat_ranges([local.path("f")] * 4, starts, [start + 100 for start in starts])
        assert got == [DATA[start : start + 100] for start in starts]
        assert requests() == expected


def test_what_cannot_be_read_is_an_error_in_its_place(quick: AlluxioFileSystem, memory: Place) -> None:
    quick.pipe_file(memory.path("f"), b"0123456789")
    paths = [memory.path("none"), memory.path("f"), memory.path("none")]
    got = quick.cat_ranges(paths, [0, 2, 5], [5, 4, 7])
    assert [type(each) for each in got] == [FileNotFoundError, bytes, FileNotFoundError]
    assert got[1] == b"23"
    with pytest.raises(FileNotFoundError):
        quick.cat_ranges(paths, [0, 2, 5], [5, 4, 7], on_error="raise")
    assert quick.cat_ranges([], [], []) == []


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), max_size=30), st.integers(0, 10**5))
def test_every_range_is_in_one_span(pairs: List[Tuple[int, int]], gap: int) -> None:
    ranges = [Range(first, first + size, place) for place, (first, size) in enumerate(pairs)]
    spans = spans_of(ranges, gap)
    assert sorted(each.place for span in spans for each in span) == list(range(len(ranges)))
    for span in spans:
        end = span[0].first
        for each in span:
            assert each.first <= end + gap
            end = max(end, each.last)
