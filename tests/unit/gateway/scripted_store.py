"""An under store held in memory that counts what it is asked, and fails as it is told."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from alluxiofs.errors import FileChangedError, exists, not_found
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore, UnderStoreCapabilities, Version, Writer
from alluxiofs.testing import make_context


class ScriptedStore(UnderStore):
    """Files are ``name -> bytes``; each write gives a new generation. Directories are what names have in front."""

    name = "scripted"
    protocols = ("scripted",)
    capabilities = UnderStoreCapabilities(version=("tag", "length"), conditional_read=True, recursive_list=True)

    def __init__(self) -> None:
        super().__init__(Target("scripted"), self.Settings(), make_context())
        self.files: Dict[str, Tuple[bytes, Version]] = {}
        self.calls: List[Tuple[Any, ...]] = []
        self.before_read: List[Callable[[], None]] = []
        """What is done before the next reads, one each: raise, overwrite, wait."""
        self._generation = 0
        self._lock = threading.Lock()

    def put(self, name: str, data: bytes) -> None:
        with self._lock:
            self._generation += 1
            self.files[name] = (data, Version(f"generation:{self._generation}", len(data)))

    def reads(self) -> List[Tuple[Any, ...]]:
        return [call for call in self.calls if call[0] == "read"]

    def count(self, method: str) -> int:
        return sum(1 for call in list(self.calls) if call[0] == method)

    def strip(self, path: str) -> str:
        return path.split("://", 1)[-1].rstrip("/")

    def url(self, name: str) -> str:
        return f"scripted://{name}"

    def identity(self) -> str:
        return "scripted"

    def stat(self, name: str, deadline: Deadline) -> Entry:
        self.calls.append(("stat", name))
        return self._entry(name)

    def stat_and_read(
        self, name: str, length: int, deadline: Deadline, *, from_end: bool = False
    ) -> Tuple[Entry, int, bytes]:
        """Only asked of those whose capabilities say so."""
        with self._lock:
            self.calls.append(("both", name, length, from_end))
            act = self.before_read.pop(0) if self.before_read else None
        if act is not None:
            act()
        entry = self._entry(name)
        data = self.files[name][0] if entry.is_file else b""
        start = max(0, len(data) - length) if from_end else 0
        return entry, start, data[start : start + length]

    def _entry(self, name: str) -> Entry:
        if name in self.files:
            data, version = self.files[name]
            return Entry(name, "file", len(data), version)
        if any(other.startswith(name + "/" if name else "") for other in self.files):
            return Entry(name, "directory", 0)
        raise not_found(name)

    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        self.calls.append(("list", name))
        if self._entry(name).is_file:
            return iter([self._entry(name)])
        above = name + "/" if name else ""
        below = [other for other in self.files if other.startswith(above)]
        names = below if recursive else sorted({above + other[len(above) :].split("/")[0] for other in below})
        return iter([self._entry(child) for child in names])

    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        with self._lock:
            self.calls.append(("read", name, offset, len(view)))
            act = self.before_read.pop(0) if self.before_read else None
        if act is not None:
            act()
        if name not in self.files:
            raise not_found(name)
        data, now = self.files[name]
        if now.same_as(version) is False:
            raise FileChangedError("another generation", name)
        view[:] = data[offset : offset + len(view)]

    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        if exclusive and name in self.files:
            raise exists(name)
        return _ScriptedWriter(self, name, b"")

    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        return _ScriptedWriter(self, name, self.files[name][0] if name in self.files else b"")

    def remove(self, name: str, deadline: Deadline) -> None:
        self.calls.append(("remove", name))
        if name not in self.files:
            raise not_found(name)
        del self.files[name]

    def move(self, source: str, target: str, deadline: Deadline) -> None:
        self.put(target, self.files.pop(source)[0])

    def copy(self, source: str, target: str, deadline: Deadline, preserve: bool = True) -> None:
        self.put(target, self.files[source][0])


class _ScriptedWriter(Writer):
    def __init__(self, store: ScriptedStore, name: str, begin: bytes) -> None:
        self._store, self._name, self._data = store, name, bytearray(begin)

    def write(self, data: memoryview) -> None:
        self._data += data

    def commit(self) -> None:
        self._store.calls.append(("commit", self._name))
        self._store.put(self._name, bytes(self._data))

    def abort(self) -> None:
        self._store.calls.append(("abort", self._name))
