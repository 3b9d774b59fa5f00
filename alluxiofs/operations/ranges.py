"""Ranges of files, read with as few requests as pays."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from alluxiofs.operations.parallel import attempt_each

if TYPE_CHECKING:
    from alluxiofs.gateway import OpenFile

__all__ = ["GAP", "Range", "range_of", "read_ranges", "spans_of"]

GAP = 64 * 2**10
"""Bytes between two ranges that are fetched along with them: no more than a page store keeps of a first touch anyway,
and far less than what comes over the wire in the time of a request."""

_SPAN = 8 * 2**20  # bytes that are fetched together at the most; more go side by side

Slice = Tuple[Optional[int], Optional[int]]


class Range(NamedTuple):
    """Bytes ``first`` to ``last`` of a file, and the place of what asked for them."""

    first: int
    last: int
    place: int


def spans_of(ranges: Sequence[Range], gap: int) -> List[List[Range]]:
    """Ranges that are near each other, together: in the order of their beginnings, with at most ``gap`` bytes between
    one and what came before it."""
    spans: List[List[Range]] = []
    end = begin = 0
    for each in sorted(ranges, key=_first):
        if spans and each.first <= end + gap and max(end, each.last) - begin <= _SPAN:
            spans[-1].append(each)
            end = max(end, each.last)
        else:
            spans.append([each])
            begin, end = each.first, each.last
    return spans


def _first(each: Range) -> int:
    return each.first


def read_ranges(
    wanted: Sequence[Tuple[Union[OpenFile, Exception], Optional[int], Optional[int]]],
    gap: int,
    threads: Optional[int],
    stop_at_failure: bool,
) -> List[Union[bytes, Exception]]:
    """Each exactly Python's ``data[start:end]``, or why it could not be read.

    What is kept on this machine is read from there; of the rest, ranges of a file that are near each other are fetched
    together, and several at a time.

    Parameters
    ----------
    wanted:
        Files (or why they could not be opened), starts and ends.
    gap:
        Bytes between ranges that may be fetched along with them.
    threads, stop_at_failure:
        As in :func:`attempt_each`.
    """
    results: List[Union[bytes, Exception]] = [b""] * len(wanted)
    missing: Dict[int, Tuple[OpenFile, List[Range]]] = {}
    for place, (file, start, end) in enumerate(wanted):
        if isinstance(file, Exception):
            if stop_at_failure:
                raise file
            results[place] = file
            continue
        first, last, _ = slice(start, end).indices(file.length)
        last = max(first, last)
        data = file.read_kept(first, last - first)
        if data is not None and _same(file, (start, end), Range(first, last, place)):
            results[place] = data
        else:
            missing.setdefault(id(file), (file, []))[1].append(Range(first, last, place))
    tasks: List[Callable[[], List[bytes]]] = []
    spans: List[List[Range]] = []
    for file, ranges in missing.values():
        for span in spans_of(ranges, gap):
            spans.append(span)
            slices = [wanted[each.place][1:] for each in span]
            tasks.append(functools.partial(_read_span, file, span, slices))
    for span, got in zip(spans, attempt_each(_call, tasks, threads, stop_at_failure)):
        for number, each in enumerate(span):
            results[each.place] = got if isinstance(got, Exception) else got[number]
    return results


def _call(task: Callable[[], List[bytes]]) -> List[bytes]:
    return task()


def _read_span(file: OpenFile, span: Sequence[Range], slices: Sequence[Slice]) -> List[bytes]:
    if len(span) == 1:
        return [range_of(file, *slices[0])]
    begin, end = span[0].first, max(each.last for each in span)
    with memoryview(bytearray(end - begin)) as whole:
        file.read_into(begin, whole)
        return [
            # The first read of a file may have found that it is of another length by now.
            bytes(whole[each.first - begin : each.last - begin])
            if _same(file, wanted, each)
            else range_of(file, *wanted)
            for each, wanted in zip(span, slices)
        ]


def _same(file: OpenFile, wanted: Slice, each: Range) -> bool:
    first, last, _ = slice(*wanted).indices(file.length)
    return (first, max(first, last)) == (each.first, each.last)


def range_of(file: OpenFile, start: Optional[int], end: Optional[int]) -> bytes:
    """Exactly Python's ``data[start:end]`` of a file."""
    wanted = slice(start, end)
    while True:
        first, last, _ = wanted.indices(file.length)
        data: bytes = file.read(first, max(0, last - first))
        if wanted.indices(file.length)[:2] == (first, last):
            return data
