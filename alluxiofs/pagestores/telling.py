"""Uses of pages that other processes are told of, some at a time: to tell of one costs as much as to read it."""

from __future__ import annotations

from typing import Callable, Dict, List, Tuple

from alluxiofs.pagestores.ondisk.found import Found
from alluxiofs.pagestores.ondisk.pages import Pages

__all__ = ["Telling"]

_TOGETHER = 128


class Telling:
    """Collects uses until there are enough of them. Used by many threads: a use that two of them add at the same time
    as a third one tells may be told twice, or with the next ones.

    Parameters
    ----------
    pages_of:
        The folder that a page of a key belongs into.
    """

    def __init__(self, pages_of: Callable[[bytes, int], Pages]) -> None:
        self._pages_of = pages_of
        self._untold: List[Tuple[bytes, int, Found]] = []

    def add(self, key: bytes, index: int, found: Found) -> None:
        """A page was used."""
        self._untold.append((key, index, found))
        if len(self._untold) >= _TOGETHER:
            self.tell()

    def tell(self) -> None:
        """Tell of those that were collected."""
        untold, self._untold = self._untold, []
        by_folder: Dict[Pages, List[Found]] = {}
        for key, index, found in untold:
            by_folder.setdefault(self._pages_of(key, index), []).append(found)
        for pages, told in by_folder.items():
            pages.tell_uses(told)
