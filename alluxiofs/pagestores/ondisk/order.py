"""Whose turn it is in a size class, by the policy, as far as one process sees it."""

from __future__ import annotations

import time
from typing import Callable, Dict, List, Optional, Set, Tuple

from alluxiofs.pagestores.eviction import Candidate, Eviction
from alluxiofs.pagestores.ondisk import layout
from alluxiofs.pagestores.ondisk.cells import Cells
from alluxiofs.pagestores.ondisk.control import Record
from alluxiofs.pagestores.ondisk.files import Files
from alluxiofs.pagestores.ondisk.layout import FREE, NOTE, Word
from alluxiofs.pagestores.ondisk.section import Section

__all__ = ["Order", "last_of_oldest"]

_WINDOW = 4096  # cells that are looked at together; up to so many the order is exact
_WINDOWS = 9  # that are looked at for one page, at the most, one less
_SHARE = 8  # of a window that is not all, the first eighth may go before others are looked at
_WORDS = layout.DESCRIPTOR_BYTES // 8
_OWNER_WORD = 5
_SAMPLE = 16_384  # cells of a size class that are looked at for what it is like
_FIRST_PAGES = 4
_REST = 1.0


class Order:
    """The order in which the pages of a size class go.

    Uses go on while it is made, and other processes keep and evict; so each page is looked at again when its turn
    comes, and one that was used or replaced since is passed over.

    Parameters
    ----------
    policy:
        Of this size class alone.
    used_here:
        See :class:`~alluxiofs.pagestores.ondisk.space.Space`.
    """

    def __init__(self, policy: Eviction, used_here: Callable[[bytes, int], int]) -> None:
        self.policy = policy
        self._used_here = used_here
        self._queue: List[Candidate] = []  # the first one last
        self._at = 0
        # All may be pinned: a search in vain is not made again for each page that comes.
        self._searched = Record()
        self._search_again = 0.0
        self._empty = 0

    def peek(self, files: Files, section: Section, cells: Cells, writing: Set[Tuple[int, int]]) -> Optional[Candidate]:
        """The page to go next; ``None`` if none can."""
        record = files.control.record(cells.size_class)
        if record != self._searched or time.monotonic() > self._search_again:
            self._searched, self._search_again, self._empty = record, time.monotonic() + _REST, 0
        elif self._empty * _WINDOW >= record.fresh:
            return None
        for left in reversed(range(_WINDOWS)):
            while self._queue:
                candidate = self._queue[-1]
                # The lock is not held for long: when all of many were used, one of those goes all the same.
                if self._may_go(files, cells, candidate, writing) and (
                    not left or not self._stays(files, section, cells, candidate)
                ):
                    return candidate
                self._queue.pop()
            if left:
                self._look(files, cells, writing)
                self._empty = 0 if self._queue else self._empty + 1
        return None

    def next(self, files: Files, section: Section, cells: Cells, writing: Set[Tuple[int, int]]) -> Optional[Candidate]:
        """The same, and it goes."""
        candidate = self.peek(files, section, cells, writing)
        if candidate is not None:
            self._queue.pop()
            self.policy.passed(candidate)
        return candidate

    def _look(self, files: Files, cells: Cells, writing: Set[Tuple[int, int]]) -> None:
        fresh = files.control.record(cells.size_class).fresh
        if not fresh or not cells.is_described(fresh - 1):
            fresh = min(fresh, cells.described)
        begin = self._at if self._at < fresh else 0
        end = min(begin + _WINDOW, fresh)
        self._at = end
        first, last = cells.word_at(begin), cells.word_at(end)
        words = cells.index.words[first:last:_WORDS].tolist()
        uses = cells.index.words[first + layout.USE_WORD : last : _WORDS].tolist()
        lengths = cells.index.words[first + layout.LENGTH_AT // 8 : last : _WORDS].tolist()
        candidates = []
        alive: Dict[int, bool] = {}
        for cell, (word, use, length) in enumerate(zip(words, uses, lengths), begin):
            if word & Word.STATES & Word.PUBLISHED:
                if length >> layout.FLAGS_SHIFT & layout.PINNED:
                    continue
                born = word >> Word.SHIFT
                candidates.append(Candidate(cell, born, use >> layout.USE_SHIFT, use & layout.USE_COUNT))
            elif word == FREE or not self.is_claimed(files, cells, cell, writing, alive):
                candidates.append(Candidate(cell, 0, 0, 0))  # lost by somebody who was killed
        queue = self.policy.order(candidates)
        if fresh > _WINDOW:
            del queue[len(queue) // _SHARE + 1 :]
        queue.reverse()
        self._queue = queue

    def _may_go(self, files: Files, cells: Cells, candidate: Candidate, writing: Set[Tuple[int, int]]) -> bool:
        """Whether a cell still holds what it held."""
        cell, born = candidate[:2]
        if not cells.is_described(cell) or cell >= files.control.record(cells.size_class).fresh:
            return False
        word = cells.word(cell)
        if not born:
            # Free cells are taken from their list first, so one that comes here is in none.
            if files.control.record(cells.size_class).free:
                return False
            return word == FREE or self._is_left(files, cells, cell, writing)
        return word >> Word.SHIFT == born and bool(word & Word.PUBLISHED) and not cells.is_pinned(cell)

    def _stays(self, files: Files, section: Section, cells: Cells, candidate: Candidate) -> bool:
        """Whether a page was used since it was looked at, or the policy spares it."""
        cell, born, used, count = candidate
        if not born:
            return False
        if cells.index.words[cells.word_at(cell) + layout.USE_WORD] >> layout.USE_SHIFT != used:
            return True
        found = cells.descriptor(cell)
        here = 0 if found is None else self._used_here(found.key, found.index)
        if found is not None and found.index == NOTE:
            here = max(here, _use_of_pages(files, found.key))
        if here > used:
            cells.put_use(section, cell, here << layout.USE_SHIFT | min(count + 1, layout.USE_COUNT))
            return True
        if self.policy.spares(candidate):
            self.policy.passed(candidate)
            cells.put_use(section, cell, used << layout.USE_SHIFT)
            return True
        return False

    @classmethod
    def _is_left(cls, files: Files, cells: Cells, cell: int, writing: Set[Tuple[int, int]]) -> bool:
        """Whether a cell was given to a writer who has come to his end."""
        pending = cells.word(cell) & Word.STATES == Word.PENDING
        return pending and not cls.is_claimed(files, cells, cell, writing)

    @staticmethod
    def is_claimed(
        files: Files,
        cells: Cells,
        cell: int,
        writing: Set[Tuple[int, int]],
        alive: Optional[Dict[int, bool]] = None,
    ) -> bool:
        """Whether a cell that was given to a writer still has one."""
        owner = cells.index.words[cells.word_at(cell) + _OWNER_WORD]
        if owner == files.owners.mine:
            return (cells.size_class, cell) in writing
        if alive is None:
            return files.owners.is_alive(owner)
        if owner not in alive:
            alive[owner] = files.owners.is_alive(owner)
        return alive[owner]


def last_of_oldest(cells: Cells, fresh: int, count: int) -> Candidate:
    """Where so many pages of a size class go, what the last of them is like at the most: in age, in use, in uses.

    Parameters
    ----------
    cells, fresh:
        Of the class, and how many of them were ever used.
    count:
        How many go.
    """
    if not fresh or not cells.is_described(fresh - 1):
        fresh = min(fresh, cells.described)
    every = -(-fresh // _SAMPLE) or 1  # the lock is not held for long
    first, last, step = cells.word_at(0), cells.word_at(fresh), _WORDS * every
    words = cells.index.words[first:last:step].tolist()
    uses = cells.index.words[first + layout.USE_WORD : last : step].tolist()
    there = [(word, use) for word, use in zip(words, uses) if word & Word.STATES & Word.PUBLISHED]
    if not there:
        return Candidate(0, 0, 0, 0)
    at = min(max(count // every, 1), len(there)) - 1
    born = sorted(word >> Word.SHIFT for word, _ in there)
    used = sorted(use >> layout.USE_SHIFT for _, use in there)
    often = sorted(use & layout.USE_COUNT for _, use in there)
    return Candidate(0, born[at], used[at], often[at])


def _use_of_pages(files: Files, key: bytes) -> int:
    """When the first pages of the file that a note speaks of were last used, for all processes; 0 if none is kept."""
    latest = 0
    for index in range(_FIRST_PAGES):
        for size_class, cell in files.hints.find_any(layout.page_hash(key, index)):
            cells = files.cells(size_class)
            found = None if cells is None else cells.descriptor(cell)
            if found is not None and found.is_published and (found.key, found.index) == (key, index):
                latest = max(latest, found.use >> layout.USE_SHIFT)
    return latest
