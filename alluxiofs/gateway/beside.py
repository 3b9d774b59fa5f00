"""How many stats to read along with one that another process has noted.

Who reads the files of a directory looks for the stat of each, and they were mostly noted at about the same time, so one
behind the other. Reading some that follow costs less than looking for each of them. Where these are of use, more are
read along; elsewhere only a few, once.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence

__all__ = ["Beside"]

_MOST = 64
_FEWEST = 16
_UNPROVEN = 64  # that may wait to be of use where none has been so far: looking for so many takes some 2 ms
_MOST_UNPROVEN = 4096  # the same where many have been: each is remembered by its URL
_SKIPPED = 2  # looks in a directory before any is read along: who opens a file or two needs no others
_PAUSE = 16  # looks without any, after too many that were of no use
_DIRECTORIES = 256


class _Directory:
    __slots__ = ("pause", "under_way", "used", "waiting")

    def __init__(self) -> None:
        self.pause = _SKIPPED
        self.used = 0
        self.waiting: List[str] = []
        self.under_way = False


class Beside:
    """Knows for each of some directories what was read along, and how much of that was of use.

    Used by many threads without a lock: what two of them do at the same time costs a few looks, and nothing else.

    Parameters
    ----------
    was_used:
        Whether a file, by its URL, was opened.
    """

    def __init__(self, was_used: Callable[[str], bool]) -> None:
        self._was_used = was_used
        self._directories: Dict[str, _Directory] = {}

    def number(self, directory: str) -> int:
        """How many to read along with one that was looked for, and found. Who is told a number but 0 says at the end,
        by :meth:`done`, which they were."""
        place = self._directories.get(directory)
        if place is None:
            if len(self._directories) >= _DIRECTORIES:
                self._directories.clear()
            place = self._directories.setdefault(directory, _Directory())
        if place.under_way:
            return 0
        if place.pause:
            place.pause -= 1
            return 0
        most = min(_UNPROVEN + place.used, _MOST_UNPROVEN)
        if len(place.waiting) >= most:
            waiting = [url for url in place.waiting if not self._was_used(url)]
            place.used += len(place.waiting) - len(waiting)
            place.waiting = waiting
            if len(waiting) >= min(_UNPROVEN + place.used, _MOST_UNPROVEN):
                place.pause = _PAUSE
                return 0
        place.under_way = True
        return min(max(_FEWEST, place.used // 2), _MOST)

    def done(self, directory: str, read: Sequence[str]) -> None:
        """These were read along."""
        place = self._directories.get(directory)
        if place is not None:
            place.waiting += read
            place.under_way = False
            if not read:
                place.pause = _PAUSE  # nothing is noted there that could be of use
