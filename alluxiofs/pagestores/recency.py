"""Least recently used, exactly, without a lock or a list operation per hit."""

from __future__ import annotations

import threading
from itertools import count
from operator import itemgetter
from typing import Any, Callable, Generic, Iterable, Iterator, List, Optional, Tuple, TypeVar

__all__ = ["Recency", "Tally"]

_FIRST = itemgetter(0)

Member = TypeVar("Member")


class Tally:
    """An integer that many threads count up, without a lock and without losing any.

    ``self.n += 1`` is a read and a write; ``next()`` of an :func:`itertools.count` is one step, in every build of
    Python. Its value can only be had by counting once more, so those looks are subtracted.
    """

    def __init__(self) -> None:
        self.numbers: Iterator[int] = count(1)
        self.tick: Callable[[], int] = self.numbers.__next__
        self._lock = threading.Lock()
        self._uncounted = 0

    def value(self) -> int:
        """How often :attr:`tick` was called, or one of :attr:`numbers` taken."""
        with self._lock:
            self._uncounted += 1
            return self.tick() - self._uncounted


class Recency(Generic[Member]):
    """Who was used least recently, told from a stamp that every use writes into the member (``member.used``).

    A use is one plain store into one slot, which needs no lock. The order is made when it is asked for: a sorted
    snapshot of the stamps, consumed from its old end. Who was used since, or came since, is younger than all that
    is left of the snapshot, so the first one whose stamp is unchanged is the least recent of all. When the snapshot
    is used up the next one is made: its cost is spread over as many evictions and uses as it has members.

    All methods are called under the owner's lock.

    Parameters
    ----------
    members:
        All there are now; each with an attribute ``used``.
    present:
        Whether one from the snapshot is still a member.
    """

    def __init__(self, members: Callable[[], Iterable[Member]], present: Callable[[Member], bool]) -> None:
        self._members = members
        self._present = present
        self._snapshot: List[Tuple[int, Any]] = []
        self._absent = 0

    def oldest(self) -> Optional[Member]:
        """The least recently used member, which the caller removes; ``None`` if there is none."""
        while self._snapshot:
            used, member = self._snapshot.pop()
            if member.used == used and self._present(member):
                return member  # type: ignore[no-any-return]  # the snapshot holds members, whose `used` mypy cannot see
        # Uses go on while this is sorted. Its first one was the oldest when it began: good enough, and it ends.
        members: Iterable[Any] = self._members()
        self._snapshot = sorted([(member.used, member) for member in members], key=_FIRST, reverse=True)
        self._absent = 0
        return self._snapshot.pop()[1] if self._snapshot else None

    def removed(self, number: int) -> None:
        """So many members were removed by other ways than :meth:`oldest`: let no large number linger here."""
        self._absent += number
        if 2 * self._absent > len(self._snapshot):
            self._snapshot = [item for item in self._snapshot if self._present(item[1])]
            self._absent = 0
