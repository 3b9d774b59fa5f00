"""The part of the under stores' contract that is about what one request tells."""

from __future__ import annotations

import pytest

from alluxiofs.errors import DeadlineExceededError
from alluxiofs.interfaces import Deadline, UnderStore
from alluxiofs.testing._files import content, put, soon

__all__ = ["StatAndReadContract"]


class StatAndReadContract:
    """``stat_and_read``, where the store has the capability: no other is asked."""

    @pytest.mark.parametrize("from_end", [False, True])
    @pytest.mark.parametrize(("size", "length"), [(10_000, 100), (10_000, 10_000), (10_000, 70_000), (1, 1), (0, 100)])
    def test_what_a_file_is_and_its_bytes_come_together(
        self, store: UnderStore, root: str, size: int, length: int, from_end: bool
    ) -> None:
        if not store.capabilities.stat_and_read:
            return
        data = content(size)
        put(store, f"{root}/file", data)
        entry, start, got = store.stat_and_read(f"{root}/file", length, soon(), from_end=from_end)
        count = min(size, length)
        assert start == (size - count if from_end else 0)
        assert bytes(got) == data[start : start + count]
        looked = store.stat(f"{root}/file", soon())
        assert (entry.name, entry.kind, entry.size) == (looked.name, looked.kind, looked.size)
        assert (entry.created, entry.modified) == (looked.created, looked.modified)
        assert (entry.owner, entry.group, entry.mode) == (looked.owner, looked.group, looked.mode)
        assert dict(entry.extra) == dict(looked.extra)
        assert entry.version.text() == looked.version.text()
        if store.capabilities.conditional_read:
            assert entry.version == looked.version

    def test_and_are_those_of_now(self, store: UnderStore, root: str) -> None:
        if not store.capabilities.stat_and_read:
            return
        for data in (b"old content", b"new content", b"shorter"):
            put(store, f"{root}/file", data)
            entry, _, got = store.stat_and_read(f"{root}/file", 100, soon())
            assert (entry.size, bytes(got)) == (len(data), data)

    def test_and_of_a_directory_that_it_is_one(self, store: UnderStore, root: str) -> None:
        if not store.capabilities.stat_and_read:
            return
        put(store, f"{root}/dir/file", b"x")
        for name in (f"{root}/dir", root, store.root):
            for from_end in (False, True):
                entry, start, got = store.stat_and_read(name, 100, soon(), from_end=from_end)
                assert (entry.name, entry.kind, start, bytes(got)) == (name, "directory", 0, b"")

    def test_and_of_nothing_that_there_is_none(self, store: UnderStore, root: str) -> None:
        if not store.capabilities.stat_and_read:
            return
        with pytest.raises(FileNotFoundError):
            store.stat_and_read(f"{root}/none", 100, soon())
        put(store, f"{root}/file", b"x")
        with pytest.raises(DeadlineExceededError):
            store.stat_and_read(f"{root}/file", 100, Deadline.after(0))
