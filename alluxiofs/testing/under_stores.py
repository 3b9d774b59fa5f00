"""The contract of under stores."""

from __future__ import annotations

import errno
import os
from typing import Callable, ClassVar, List, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alluxiofs.errors import (
    DeadlineExceededError,
    FileChangedError,
    InvalidPathError,
    Kind,
    kind_of,
)
from alluxiofs.interfaces import Component, Deadline, UnderStore
from alluxiofs.testing._appends import AppendContract
from alluxiofs.testing._files import ODD_NAMES, content, get, get_bytes, put, soon
from alluxiofs.testing._reading import ReadingContract
from alluxiofs.testing._stat_and_read import StatAndReadContract
from alluxiofs.testing.components import ComponentContract
from alluxiofs.testing.guards import at_once

__all__ = ["ODD_NAMES", "UnderStoreContract"]


class UnderStoreContract(AppendContract, StatAndReadContract, ReadingContract, ComponentContract):
    """What the gateway relies on in any under store.

    Override the fixtures ``store`` (one of your class) and ``root`` (the name of a directory in it, or of a bucket,
    that exists, is empty, and is the test's own). What a store cannot do, as its ``capabilities`` say, is not asked.
    For one that only reads (``writable=False``) override ``store`` and ``files`` (names and contents of some that it
    has): what is written by a test is skipped then, and writing has to be refused.

    Attributes
    ----------
    refused:
        Text that no name may have in it, for the store's client cannot be given it: a path with it is an
        ``InvalidPathError``, never another file.
    many:
        Entries of a long listing: more than your store lists at a time.
    """

    refused: ClassVar[Tuple[str, ...]] = ()
    many: ClassVar[int] = 1005

    def refuses(self, store: UnderStore, name: str) -> bool:
        """Whether a name is one that the store refuses; fails if it does not say so."""
        if not any(text in name for text in self.refused):
            return False
        with pytest.raises(InvalidPathError):
            store.strip(name)
        return True

    @pytest.fixture
    def component(self, store: UnderStore) -> Component:
        return store

    @pytest.fixture(autouse=True)
    def _what_it_can(self, store: UnderStore, request: pytest.FixtureRequest) -> None:
        name = request.function.__name__
        if not store.capabilities.writable and not (hasattr(ReadingContract, name) or hasattr(ComponentContract, name)):
            pytest.skip("the store only reads, as its capabilities say")

    # --- names --------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("part", ODD_NAMES)
    def test_any_name_comes_back_as_it_was(self, store: UnderStore, root: str, part: str) -> None:
        name = f"{root}/odd/{part}"
        if self.refuses(store, name):
            return
        assert store.strip(name) == name
        assert store.strip(store.url(name)) == name
        assert store.parent(name) == f"{root}/odd"
        data = part.encode()
        entry = put(store, name, data)
        assert (entry.name, entry.kind, entry.size) == (name, "file", len(data))
        assert get(store, entry) == data
        assert [each.name for each in store.list(f"{root}/odd", soon())] == [name]
        store.remove(name, soon())
        with pytest.raises(FileNotFoundError):
            store.stat(name, soon())

    @pytest.mark.parametrize("part", ODD_NAMES)
    def test_any_name_is_one_of_a_directory(self, store: UnderStore, root: str, part: str) -> None:
        name = f"{root}/odd/{part}"
        if self.refuses(store, name):
            return
        entry = put(store, f"{name}/file", b"x")
        assert store.stat(name, soon()).kind == "directory"
        assert [each.name for each in store.list(f"{root}/odd", soon())] == [name]
        assert [each.name for each in store.list(name, soon())] == [entry.name]
        store.move(name, f"{root}/moved", soon())
        assert [each.name for each in store.list(root, soon()) if each.name != f"{root}/odd"] == [f"{root}/moved"]
        store.remove_directory(f"{root}/moved", soon(), recursive=True)

    # --- reading ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", [0, 1, 4096, 1_000_003])
    def test_what_was_written_is_read(self, store: UnderStore, root: str, size: int) -> None:
        data = content(size)
        entry = put(store, f"{root}/deep/er/file", data, piece=65_537)
        assert entry.size == entry.version.length == size
        assert get(store, entry) == data
        assert store.stat(f"{root}/deep", soon()).kind == "directory"

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bounds=st.tuples(st.integers(0, 70_000), st.integers(0, 70_000)).map(sorted))
    def test_any_range_is_exact(self, store: UnderStore, root: str, bounds: List[int]) -> None:
        data = content(70_000)
        name = f"{root}/ranges"
        try:
            entry = store.stat(name, soon())
        except FileNotFoundError:
            entry = put(store, name, data)
        start, stop = bounds
        around = bytearray(b"\xee" * (stop - start + 2))
        store.read_into(name, entry.version, start, memoryview(around)[1:-1], soon())
        assert bytes(around) == b"\xee" + data[start:stop] + b"\xee"

    def test_many_threads_read_one_file(self, store: UnderStore, root: str) -> None:
        data = content(320_000)
        entry = put(store, f"{root}/shared", data)

        def task(number: int) -> Callable[[], bytes]:
            return lambda: b"".join(
                get(store, entry, start, start + 4000) for start in range(number * 20_000, (number + 1) * 20_000, 4000)
            )

        assert b"".join(at_once(*(task(number) for number in range(16)))) == data

    def test_times_are_those_of_the_write(self, store: UnderStore, root: str) -> None:
        import time

        before = time.time()
        entry = put(store, f"{root}/timed", b"x")
        if entry.modified is not None:
            assert before - 2 <= entry.modified <= time.time() + 2

    def test_two_looks_at_one_version_agree(self, store: UnderStore, root: str) -> None:
        entry = put(store, f"{root}/same", b"same")
        assert store.stat(entry.name, soon()).version.same_as(entry.version) is not False
        (listed,) = store.list(root, soon())
        assert listed.version.same_as(entry.version) is not False
        assert (listed.name, listed.kind, listed.size) == (entry.name, entry.kind, entry.size)
        for part in store.capabilities.version:
            assert getattr(entry.version, part) is not None, f"capabilities.version says that {part} is always known"

    def test_another_content_of_the_same_size_is_another_version(self, store: UnderStore, root: str) -> None:
        old = put(store, f"{root}/file", b"old content")
        if not old.version.tells:
            return
        new = put(store, f"{root}/file", b"new content")
        assert new.version.canonical() != old.version.canonical()
        for read in (get, get_bytes):
            with pytest.raises(FileChangedError):
                read(store, old)
            assert read(store, new) == b"new content"

    @pytest.mark.parametrize("data", [b"short", b"longer than it was"])
    def test_a_file_of_another_size_is_not_read_as_the_old(self, store: UnderStore, root: str, data: bytes) -> None:
        old = put(store, f"{root}/file", b"0123456789")
        put(store, f"{root}/file", data)
        for read in (get, get_bytes):
            with pytest.raises(FileChangedError):
                read(store, old)

    def test_what_is_gone_is_not_found(self, store: UnderStore, root: str) -> None:
        entry = put(store, f"{root}/gone", b"x" * 10)
        store.remove(entry.name, soon())
        for look in (
            lambda: store.stat(entry.name, soon()),
            lambda: get(store, entry),
            lambda: get_bytes(store, entry),
            lambda: list(store.list(entry.name, soon())),
            lambda: store.remove(entry.name, soon()),
            lambda: store.remove_directory(entry.name, soon()),
            lambda: store.move(entry.name, f"{root}/other", soon()),
            lambda: store.copy(entry.name, f"{root}/other", soon()),
        ):
            with pytest.raises(FileNotFoundError) as caught:
                look()
            assert kind_of(caught.value) is Kind.ANSWER

    def test_a_deadline_that_has_passed_is_kept(self, store: UnderStore, root: str) -> None:
        if not store.capabilities.remote:
            return
        entry = put(store, f"{root}/file", b"0123456789")
        over = Deadline.after(0)
        with pytest.raises(DeadlineExceededError):
            store.stat(entry.name, over)
        with pytest.raises(DeadlineExceededError):
            store.read_into(entry.name, entry.version, 0, memoryview(bytearray(10)), over)
        with pytest.raises(DeadlineExceededError):
            store.read(entry.name, entry.version, 0, 10, over)

    # --- listing ------------------------------------------------------------------------------------------------

    def test_a_listing_has_each_child_once(self, store: UnderStore, root: str) -> None:
        for name in ("b", "a", "dir/x", "dir/y", "dir/sub/z", "dir2/w"):
            put(store, f"{root}/{name}", name.encode())
        listed = sorted((entry.name, entry.kind, entry.size) for entry in store.list(root, soon()))
        assert listed == [
            (f"{root}/a", "file", 1),
            (f"{root}/b", "file", 1),
            (f"{root}/dir", "directory", 0),
            (f"{root}/dir2", "directory", 0),
        ]
        assert [entry.name for entry in store.list(f"{root}/a", soon())] == [f"{root}/a"]

    def test_a_listing_of_everything_below_is_of_files_alone(self, store: UnderStore, root: str) -> None:
        if not store.capabilities.recursive_list:
            return
        for name in ("dir/x", "dir/sub/z", "dir/sub/deep/er/y", "dir2/w"):
            put(store, f"{root}/{name}", name.encode())
        if store.capabilities.directories:
            store.make_directory(f"{root}/dir/empty", soon())
        below = sorted((entry.name, entry.kind) for entry in store.list(f"{root}/dir", soon(), recursive=True))
        assert below == [(f"{root}/dir/{name}", "file") for name in ("sub/deep/er/y", "sub/z", "x")]
        with pytest.raises(FileNotFoundError):
            list(store.list(f"{root}/none", soon(), recursive=True))

    def test_a_listing_is_fresh(self, store: UnderStore, root: str) -> None:
        put(store, f"{root}/d/one", b"1")
        assert [entry.name for entry in store.list(f"{root}/d", soon())] == [f"{root}/d/one"]
        put(store, f"{root}/d/two", b"22")
        assert sorted(entry.name for entry in store.list(f"{root}/d", soon())) == [f"{root}/d/one", f"{root}/d/two"]
        put(store, f"{root}/d/one", b"111")
        assert store.stat(f"{root}/d/one", soon()).size == 3

    def test_a_long_listing_is_complete(self, store: UnderStore, root: str) -> None:
        names = [f"{root}/many/{number:04}" for number in range(self.many)]
        parts = [names[start::16] for start in range(16)]

        def task(part: List[str]) -> Callable[[], None]:
            def make() -> None:
                for name in part:
                    store.create(name).commit()

            return make

        at_once(*map(task, parts))
        assert sorted(entry.name for entry in store.list(f"{root}/many", soon())) == names
        store.remove_directory(f"{root}/many", soon(), recursive=True)
        with pytest.raises(FileNotFoundError):
            list(store.list(f"{root}/many", soon()))

    # --- writing ------------------------------------------------------------------------------------------------

    def test_nothing_is_seen_before_the_commit(self, store: UnderStore, root: str) -> None:
        old = put(store, f"{root}/file", b"old")
        writers = [store.create(f"{root}/file"), store.create(f"{root}/new")]
        for writer in writers:
            for _ in range(3):
                writer.write(memoryview(content(400_000)))
        assert get(store, store.stat(old.name, soon())) == b"old"
        with pytest.raises(FileNotFoundError):
            store.stat(f"{root}/new", soon())
        assert [entry.name for entry in store.list(root, soon())] == [old.name]
        for writer in writers:
            writer.abort()
            writer.abort()
        del writer, writers
        assert get(store, store.stat(old.name, soon())) == b"old"
        assert [entry.name for entry in store.list(root, soon())] == [old.name]

    def test_abort_after_commit_does_nothing(self, store: UnderStore, root: str) -> None:
        writer = store.create(f"{root}/file")
        writer.write(memoryview(b"data"))
        writer.commit()
        writer.abort()
        assert get(store, store.stat(f"{root}/file", soon())) == b"data"

    def test_the_view_is_the_callers_again(self, store: UnderStore, root: str) -> None:
        buffer = bytearray(b"first")
        writer = store.create(f"{root}/file")
        writer.write(memoryview(buffer))
        buffer[:] = b"other"
        writer.write(memoryview(buffer))
        buffer[:] = b"third"
        writer.commit()
        assert get(store, store.stat(f"{root}/file", soon())) == b"firstother"

    def test_exclusive_creation_keeps_what_is_there(self, store: UnderStore, root: str) -> None:
        assert get(store, put(store, f"{root}/file", b"mine", exclusive=True)) == b"mine"
        with pytest.raises(FileExistsError):
            put(store, f"{root}/file", b"theirs", exclusive=True)
        late = store.create(f"{root}/late", exclusive=True)
        late.write(memoryview(b"late"))
        put(store, f"{root}/late", b"early")
        with pytest.raises(FileExistsError):
            late.commit()
        assert get(store, store.stat(f"{root}/file", soon())) == b"mine"
        assert get(store, store.stat(f"{root}/late", soon())) == b"early"

    def test_a_directory_is_no_file_to_write(self, store: UnderStore, root: str) -> None:
        if not store.capabilities.directories:
            return
        store.make_directory(f"{root}/dir", soon())
        with pytest.raises(IsADirectoryError):
            put(store, f"{root}/dir", b"x")

    def test_touch(self, store: UnderStore, root: str) -> None:
        store.touch(f"{root}/file", soon())
        assert store.stat(f"{root}/file", soon()).size == 0
        put(store, f"{root}/file", b"content")
        store.touch(f"{root}/new", soon(), truncate=False)
        assert store.stat(f"{root}/new", soon()).size == 0
        store.touch(f"{root}/file", soon())
        assert store.stat(f"{root}/file", soon()).size == 0

    # --- moving, copying, removing --------------------------------------------------------------------------------

    @pytest.mark.parametrize("operation", ["move", "copy"])
    @pytest.mark.parametrize("part", ["plain", "x?versionId=1&y=2", "a b%41#*[é]"])
    def test_a_file_goes_over_another(self, store: UnderStore, root: str, operation: str, part: str) -> None:
        source, target = f"{root}/from/{part}", f"{root}/to/{part}"
        if self.refuses(store, source):
            return
        put(store, source, b"content")
        put(store, target, b"what was there")
        getattr(store, operation)(source, target, soon())
        assert get(store, store.stat(target, soon())) == b"content"
        assert [entry.name for entry in store.list(f"{root}/to", soon())] == [target]
        if operation == "copy":
            assert get(store, store.stat(source, soon())) == b"content"
        else:
            with pytest.raises(FileNotFoundError):
                store.stat(source, soon())

    @pytest.mark.parametrize("operation", ["move", "copy"])
    def test_a_file_onto_itself_stays(self, store: UnderStore, root: str, operation: str) -> None:
        put(store, f"{root}/file", b"content")
        getattr(store, operation)(f"{root}/file", f"{root}/file", soon())
        assert get(store, store.stat(f"{root}/file", soon())) == b"content"

    def test_a_directory_moves_with_what_is_in_it(self, store: UnderStore, root: str) -> None:
        put(store, f"{root}/from/a", b"a")
        put(store, f"{root}/from/sub/b", b"b")
        store.move(f"{root}/from", f"{root}/to", soon())
        assert get(store, store.stat(f"{root}/to/sub/b", soon())) == b"b"
        assert get(store, store.stat(f"{root}/to/a", soon())) == b"a"
        assert [entry.name for entry in store.list(root, soon())] == [f"{root}/to"]

    def test_files_and_directories_are_removed_each_its_way(self, store: UnderStore, root: str) -> None:
        put(store, f"{root}/dir/sub/file", b"x")
        put(store, f"{root}/file", b"x")
        with pytest.raises(IsADirectoryError):
            store.remove(f"{root}/dir", soon())
        with pytest.raises(NotADirectoryError):
            store.remove_directory(f"{root}/file", soon())
        with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)) as caught:
            store.remove_directory(f"{root}/dir", soon())
        assert caught.value.errno == errno.ENOTEMPTY
        store.remove_directory(f"{root}/dir", soon(), recursive=True)
        assert [entry.name for entry in store.list(root, soon())] == [f"{root}/file"]

    def test_directories_are_made(self, store: UnderStore, root: str) -> None:
        put(store, f"{root}/file", b"x")
        with pytest.raises(FileExistsError):
            store.make_directory(f"{root}/file", soon())
        store.make_directory(f"{root}/a/b", soon())
        if not store.capabilities.directories:
            return
        assert list(store.list(f"{root}/a/b", soon())) == []
        assert store.stat(f"{root}/a/b", soon()).kind == "directory"
        store.make_directory(f"{root}/a/b", soon())
        with pytest.raises(FileExistsError):
            store.make_directory(f"{root}/a/b", soon(), exist_ok=False)
        with pytest.raises(FileNotFoundError):
            store.make_directory(f"{root}/c/d", soon(), parents=False)
        store.remove_directory(f"{root}/a/b", soon())
        with pytest.raises(FileNotFoundError):
            store.stat(f"{root}/a/b", soon())
