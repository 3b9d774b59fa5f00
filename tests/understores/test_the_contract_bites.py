"""The contract of under stores fails a store that breaks a promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple, Type

import attrs
import pytest

from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore, Version, Writer
from alluxiofs.plugins.under_store_local import LocalUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import content, put
from alluxiofs.testing.under_stores import UnderStoreContract


class _IgnoresTheVersion(LocalUnderStore):
    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        super().read_into(name, Version(), offset, view, deadline)


class _ReadsOneByteOff(LocalUnderStore):
    def read_into(self, name: str, version: Version, offset: int, view: memoryview, deadline: Deadline) -> None:
        super().read_into(name, version, max(0, offset - 1), view, deadline)


class _GivesOtherBytes(LocalUnderStore):
    def read(self, name: str, version: Version, offset: int, size: int, deadline: Deadline) -> bytes:
        return super().read(name, version, 0, size, deadline)


class _GivesWhatMayChange(LocalUnderStore):
    def read(self, name: str, version: Version, offset: int, size: int, deadline: Deadline) -> bytes:
        return bytearray(super().read(name, version, offset, size, deadline))  # type: ignore[return-value]  # the mistake


class _GivesAnyVersion(LocalUnderStore):
    def read(self, name: str, version: Version, offset: int, size: int, deadline: Deadline) -> bytes:
        with Path(name).open("rb") as file:
            file.seek(offset)
            return file.read(size)


class _LosesAnEntry(LocalUnderStore):
    def list(self, name: str, deadline: Deadline, recursive: bool = False) -> Iterator[Entry]:
        yield from list(super().list(name, deadline))[:1000]


class _Climbs(LocalUnderStore):
    def strip(self, path: str) -> str:
        return path.rpartition("://")[2]


class _WritesInPlace(Writer):
    def __init__(self, name: str) -> None:
        self._path = Path(name)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(b"")

    def write(self, data: memoryview) -> None:
        with self._path.open("ab") as file:
            file.write(data)

    def commit(self) -> None:
        pass

    def abort(self) -> None:
        self._path.unlink()


class _ShowsHalfAFile(LocalUnderStore):
    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        return _WritesInPlace(name)


class _AppendsInPlace(LocalUnderStore):
    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        return _AddsInPlace(name)


class _AddsInPlace(_WritesInPlace):
    def __init__(self, name: str) -> None:
        self._path = Path(name)

    def abort(self) -> None:
        pass


class _ForgetsOthers(LocalUnderStore):
    def append(self, name: str, *, patience: float = Writer.patience) -> Writer:
        writer = self.create(name)
        if Path(name).exists():
            writer.write(memoryview(Path(name).read_bytes()))
        return writer


class _OverwritesAnyway(LocalUnderStore):
    def create(
        self,
        name: str,
        *,
        exclusive: bool = False,
        size_hint: Optional[int] = None,
        patience: float = Writer.patience,
    ) -> Writer:
        return super().create(name, size_hint=size_hint)


class _KeepsTheSource(LocalUnderStore):
    def move(self, source: str, target: str, deadline: Deadline) -> None:
        self.copy(source, target, deadline)


class _TellsAndReads(LocalUnderStore):
    """As it should be, but for what a subclass changes."""

    capabilities = attrs.evolve(LocalUnderStore.capabilities, stat_and_read=True)

    def stat_and_read(
        self, name: str, length: int, deadline: Deadline, *, from_end: bool = False
    ) -> Tuple[Entry, int, bytes]:
        entry = self.stat(name, deadline)
        if not entry.is_file:
            return entry, 0, b""
        data = Path(name).read_bytes()
        start = max(0, len(data) - length) if from_end else 0
        return entry, start, data[start : start + length]


class _TellsLess(_TellsAndReads):
    def stat_and_read(
        self, name: str, length: int, deadline: Deadline, *, from_end: bool = False
    ) -> Tuple[Entry, int, bytes]:
        entry, start, data = super().stat_and_read(name, length, deadline, from_end=from_end)
        return attrs.evolve(entry, modified=None), start, data


class _ReadsTheBeginning(_TellsAndReads):
    def stat_and_read(
        self, name: str, length: int, deadline: Deadline, *, from_end: bool = False
    ) -> Tuple[Entry, int, bytes]:
        return super().stat_and_read(name, length, deadline)


CASES: List[Any] = [
    (_TellsLess, "test_what_a_file_is_and_its_bytes_come_together", (10, 5, False)),
    (_ReadsTheBeginning, "test_what_a_file_is_and_its_bytes_come_together", (10, 5, True)),
    (_IgnoresTheVersion, "test_another_content_of_the_same_size_is_another_version", ()),
    (_IgnoresTheVersion, "test_a_file_of_another_size_is_not_read_as_the_old", (b"longer than it was",)),
    (_GivesAnyVersion, "test_another_content_of_the_same_size_is_another_version", ()),
    (_GivesAnyVersion, "test_a_file_of_another_size_is_not_read_as_the_old", (b"short",)),
    (_ReadsOneByteOff, "test_many_threads_read_one_file", ()),
    (_LosesAnEntry, "test_a_long_listing_is_complete", ()),
    (_Climbs, "test_a_path_does_not_leave_the_root", ("../" * 40 + "x",)),
    (_Climbs, "test_a_nul_is_in_no_name", ()),
    (_ShowsHalfAFile, "test_nothing_is_seen_before_the_commit", ()),
    (_AppendsInPlace, "test_nothing_of_an_append_is_seen_before_its_commit", ()),
    (_AppendsInPlace, "test_append_adds_all_or_nothing", ()),
    (_ForgetsOthers, "test_two_who_append_at_the_same_time_lose_nothing", (3,)),
    (_ForgetsOthers, "test_an_append_goes_to_the_end_of_what_is_there_at_its_commit", ()),
    (_OverwritesAnyway, "test_exclusive_creation_keeps_what_is_there", ()),
    (_KeepsTheSource, "test_a_file_goes_over_another", ("move", "plain")),
]


@pytest.mark.parametrize(("kind", "promise", "arguments"), CASES)
def test_a_broken_store_is_found(kind: Type[UnderStore], promise: str, arguments: Any, tmp_path: Path) -> None:
    store = kind(Target("file"), kind.Settings(), make_context())
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(UnderStoreContract(), promise)(store, str(tmp_path), *arguments)


@pytest.mark.parametrize("kind", [_GivesOtherBytes, _GivesWhatMayChange])
def test_a_store_that_gives_other_bytes_than_it_fills_a_view_with(kind: Type[UnderStore], tmp_path: Path) -> None:
    store = kind(Target("file"), kind.Settings(), make_context())
    files = {str(tmp_path / "file"): content(1000)}
    put(store, str(tmp_path / "file"), content(1000))
    with pytest.raises(AssertionError):
        UnderStoreContract().test_bytes_of_their_own_are_those_of_the_file(store, files)


@pytest.mark.parametrize("from_end", [False, True])
def test_a_store_that_is_right_is_not_accused(from_end: bool, tmp_path: Path) -> None:
    store = _TellsAndReads(Target("file"), _TellsAndReads.Settings(), make_context())
    UnderStoreContract().test_what_a_file_is_and_its_bytes_come_together(store, str(tmp_path), 10, 5, from_end)
    UnderStoreContract().test_and_of_a_directory_that_it_is_one(store, str(tmp_path))
