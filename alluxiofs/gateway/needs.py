"""What of pages that are not kept is fetched: parts of them, or all. Pure but for asking which parts are kept."""

from __future__ import annotations

from typing import FrozenSet, Iterable, List, Optional

from attrs import frozen

from alluxiofs.gateway.keeping import PART
from alluxiofs.interfaces import KeptFile

__all__ = ["Need", "need_of", "runs_of"]

_FEW = 2  # a page of so many parts is fetched whole
_SMALL = PART // 4  # bytes of a read at random places, of which more are to come; column chunks are larger


@frozen
class Need:
    """Bytes ``begin`` to ``end`` of a file, of which the parts ``have`` are kept and the others are to be fetched."""

    begin: int
    end: int
    have: FrozenSet[int] = frozenset()

    def missing(self, size: int) -> int:
        """How many bytes are to be fetched, of a file of ``size`` bytes."""
        return self.end - self.begin - sum(min(PART, size - number * PART) for number in self.have)


def need_of(
    run: range, page_size: int, size: int, begin: int, end: int, parts: Optional[KeptFile], exact: bool = False
) -> Need:
    """What a read of the bytes ``begin`` to ``end`` has to have of neighbouring pages.

    Of pages that it reaches in part only those parts, where nothing of the page is kept: a reader at random places may
    never come back, and column chunks lie beside others that nobody wants. A small read of a page that was read before,
    or one that goes on where a kept part ends, has the rest of the page as well.

    Parameters
    ----------
    run:
        The pages, each reached by the read.
    page_size, size:
        Bytes of a page and of the file.
    parts:
        Which are kept; ``None`` where pages are only fetched whole.
    exact:
        It is known what else will be read, and that it is not the rest of these pages.
    """
    first, last = run.start * page_size, min(run.stop * page_size, size)
    if parts is None:
        return Need(first, last)
    have = frozenset(parts.held(range(first // PART, _after(last))))
    begin, end = max(begin, first), min(end, last)
    head = _of_page(run[0], page_size, size, begin, end, have, exact)
    tail = head if len(run) == 1 else _of_page(run[-1], page_size, size, begin, end, have, exact)
    needed = range(head.start, tail.stop)
    return Need(needed.start * PART, min(needed.stop * PART, size), have.intersection(needed))


def _of_page(index: int, page_size: int, size: int, begin: int, end: int, have: FrozenSet[int], exact: bool) -> range:
    """Which parts of one page are needed."""
    first, last = index * page_size, min((index + 1) * page_size, size)
    page = range(first // PART, _after(last))
    wanted = range(max(begin, first) // PART, _after(min(end, last)))
    known = have.intersection(page)
    whole = len(page) <= _FEW or len(known.union(wanted)) == len(page)
    if whole or exact or not known:
        return page if whole else wanted
    # Where what was read before ends, as far as parts can tell: within this part, or with the one before.
    goes_on = wanted.start in known or (begin % PART == 0 and wanted.start - 1 in known)
    return page if goes_on or end - begin <= _SMALL else wanted


def _after(end: int) -> int:
    return -(-end // PART)


def runs_of(numbers: Iterable[int], most: int) -> List[range]:
    """Ascending numbers as ranges of neighbours, none longer than ``most``."""
    runs: List[range] = []
    for number in numbers:
        if runs and runs[-1].stop == number and len(runs[-1]) < most:
            runs[-1] = range(runs[-1].start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
