"""A page store in memory that keeps notes where several gateways find them."""

from __future__ import annotations

from typing import Dict, Iterable, Optional, Tuple

from alluxiofs.errors import PageStoreError
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import PAGE


class Noting(MemoryPageStore):
    """Keeps notes in a dict that others can have too: each gateway with a store of its own is a process of its own,
    but for what it has forgotten."""

    name = "noting"

    def __init__(self, notes: Dict[bytes, bytes]) -> None:
        super().__init__(MemoryPageStore.Settings(capacity=Size(2**20)), make_context(), PAGE)
        self.notes = notes
        self.broken: Tuple[str, ...] = ()

    def _use(self, method: str) -> None:
        if method in self.broken:
            raise PageStoreError(f"{method} fails")

    def note(self, key: bytes) -> Optional[bytes]:
        self._use("note")
        return self.notes.get(key)

    def put_note(self, key: bytes, note: bytes) -> None:
        self._use("put_note")
        self.notes[key] = note

    def drop_notes(self, keys: Iterable[bytes]) -> None:
        self._use("drop_notes")
        for key in keys:
            self.notes.pop(key, None)
