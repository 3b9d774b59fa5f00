"""What each folder of a page store may take, from what is said of all of them."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence

from alluxiofs.pagestores.whereabouts import free_bytes, taken_bytes
from alluxiofs.settings.types import Size

__all__ = ["Shares"]

_DEFAULT = Size("10GB")
_SHARE_OF_FREE = 10


class Shares:
    """The capacities of the folders.

    Parameters
    ----------
    paths:
        The folders.
    capacity:
        As in the settings: none, one for all of them together, or one for each.
    given:
        Those by folder, if there are several.
    """

    def __init__(self, paths: Sequence[str], capacity: Sequence[int], given: Mapping[str, int]) -> None:
        self._paths = paths
        self._capacity = capacity
        self._given = given
        self._default: Optional[int] = None

    def named(self) -> List[Optional[int]]:
        """Bytes of disk that each folder may take, where the settings say it."""
        if self._given:
            return [int(self._given[path]) for path in self._paths]
        return [*_among(len(self._paths), int(self._capacity[0]))] if self._capacity else [None] * len(self._paths)

    def weights(self, agreed: Sequence[Optional[int]]) -> List[int]:
        """How pages are spread over the folders: by capacity, so that all are full at the same time. Only by one that
        was named, for every process must come to the same; a default is what each finds free at its own moment.

        Parameters
        ----------
        agreed:
            What programs have named for each folder, where they have.
        """
        if self._given:
            return [int(self._given[path]) for path in self._paths]
        if not self._capacity and all(agreed):
            return [size or 1 for size in agreed]
        return [1] * len(self._paths)

    def default(self) -> int:
        """Bytes of disk that a folder may take where nobody says it, as it was first asked for. What the stores there
        have counts as free."""
        if self._default is None:
            free = free_bytes(self._paths) + sum(map(taken_bytes, self._paths))
            self._default = _among(len(self._paths), min(_DEFAULT, free // _SHARE_OF_FREE))[0]
        return self._default


def _among(number: int, total: int) -> List[int]:
    share, rest = divmod(total, number)
    return [share + (one < rest) for one in range(number)]
