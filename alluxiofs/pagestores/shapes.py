"""The lengths and page sizes of file versions that a process has asked for: their pages need not be searched for."""

from __future__ import annotations

from typing import Dict, Optional

from alluxiofs.pagestores.ondisk.places import Shape

__all__ = ["Shapes"]

_MOST = 65_536


class Shapes:
    """By key, for the last ones."""

    def __init__(self) -> None:
        self._shapes: Dict[bytes, Optional[Shape]] = {}
        self.of = self._shapes.get

    def remember(self, key: bytes, length: int, page_size: int) -> None:
        """A file version was asked for with this length and page size."""
        if len(self._shapes) >= _MOST:
            self._shapes.clear()
        shape = length, page_size
        if self._shapes.setdefault(key, shape) != shape:
            self._shapes[key] = None  # one of them is wrong
