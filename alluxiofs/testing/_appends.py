"""The contract of under stores, of appending."""

from __future__ import annotations

from typing import Optional

import pytest

from alluxiofs.errors import NotSupportedError
from alluxiofs.interfaces import UnderStore, Writer
from alluxiofs.testing._files import content, get, put, soon

__all__ = ["AppendContract"]


class AppendContract:
    """What the gateway relies on in any under store that can append; one that cannot says so with
    :class:`~alluxiofs.errors.NotSupportedError`, and has no ``append`` among its capabilities."""

    @staticmethod
    def appender(store: UnderStore, name: str) -> Optional[Writer]:
        """What appends to a file, or ``None`` from a store that cannot."""
        try:
            return store.append(name)
        except NotSupportedError:
            assert not store.capabilities.append, "capabilities.append says that it can append"
            return None

    def test_append_adds_all_or_nothing(self, store: UnderStore, root: str) -> None:
        name = f"{root}/log"
        for data in (b"one,", b"two,", b""):
            writer = self.appender(store, name)
            if writer is None:
                return
            writer.write(memoryview(data))
            writer.commit()
            writer.abort()
        writer = store.append(name)
        writer.write(memoryview(b"never"))
        writer.abort()
        writer.abort()
        assert get(store, store.stat(name, soon())) == b"one,two,"

    def test_nothing_of_an_append_is_seen_before_its_commit(self, store: UnderStore, root: str) -> None:
        old = put(store, f"{root}/file", b"old")
        writers = [self.appender(store, f"{root}/file"), self.appender(store, f"{root}/new")]
        for writer in filter(None, writers):
            for _ in range(3):
                writer.write(memoryview(content(400_000)))
            assert get(store, store.stat(old.name, soon())) == b"old"
            assert [entry.name for entry in store.list(root, soon())] == [old.name]
        for writer in filter(None, writers):
            writer.abort()
        del writer, writers
        assert get(store, store.stat(old.name, soon())) == b"old"
        assert [entry.name for entry in store.list(root, soon())] == [old.name]

    @pytest.mark.parametrize("size", [0, 3, 6_000_000], ids=["no file", "small", "large"])
    def test_two_who_append_at_the_same_time_lose_nothing(self, store: UnderStore, root: str, size: int) -> None:
        name, old = f"{root}/file", content(size)
        if size:
            put(store, name, old)
        writers = [self.appender(store, name), self.appender(store, name)]
        for number, writer in enumerate(filter(None, writers)):
            writer.write(memoryview(b"of %d," % number))
        for writer in filter(None, writers):
            writer.commit()
        if None not in writers:
            assert get(store, store.stat(name, soon())) == old + b"of 0,of 1,"

    def test_an_append_goes_to_the_end_of_what_is_there_at_its_commit(self, store: UnderStore, root: str) -> None:
        name = f"{root}/file"
        put(store, name, b"old")
        writer = self.appender(store, name)
        if writer is None:
            return
        writer.write(memoryview(b", appended"))
        put(store, name, b"replaced meanwhile")
        writer.commit()
        assert get(store, store.stat(name, soon())) == b"replaced meanwhile, appended"

    def test_a_writer_has_the_patience_that_was_asked_for(self, store: UnderStore, root: str) -> None:
        writers = [store.create(f"{root}/new", patience=7.5)]
        if self.appender(store, f"{root}/log") is not None:
            writers.append(store.append(f"{root}/log", patience=7.5))
        for writer in writers:
            assert writer.patience == 7.5
            writer.abort()

    def test_nothing_is_appended_to_a_directory(self, store: UnderStore, root: str) -> None:
        put(store, f"{root}/dir/file", b"x")
        with pytest.raises((IsADirectoryError, NotSupportedError)):
            store.append(f"{root}/dir")
