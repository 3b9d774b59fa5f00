"""The contract of under stores, of names and of what is there to be read: also for stores that cannot be written."""

from __future__ import annotations

import pickle
from typing import Any, Callable, Dict, List
from urllib.parse import quote

import pytest

from alluxiofs.errors import InvalidPathError, Kind, NotSupportedError, kind_of
from alluxiofs.interfaces import Entry, UnderStore
from alluxiofs.testing._files import below, content, get, put, soon
from alluxiofs.testing.guards import at_once

__all__ = ["ReadingContract"]


class ReadingContract:
    """What the gateway relies on in any under store, with the fixture ``files``: what there is to be read."""

    @pytest.fixture
    def store(self) -> UnderStore:
        """A store of the class under test."""
        raise NotImplementedError("override the fixture `store`: it gives an instance of your class")

    @pytest.fixture
    def root(self, store: UnderStore) -> str:
        """A directory: where the test may write, if the store can be written."""
        if not store.capabilities.writable:
            return store.root
        raise NotImplementedError("override the fixture `root`: it gives the name of an empty directory in the store")

    @pytest.fixture
    def files(self, store: UnderStore, root: str) -> Dict[str, bytes]:
        """Names and contents of files that are there. Those of a store that only reads are told here."""
        if not store.capabilities.writable:
            raise NotImplementedError("override the fixture `files`: {name: content} of some that the store has")
        there = {below(root, "kept/long"): content(70_000), below(root, "kept/empty"): b""}
        for name, data in there.items():
            put(store, name, data)
        return there

    # --- names --------------------------------------------------------------------------------------------------

    def test_every_scheme_names_the_same_file(self, store: UnderStore, root: str) -> None:
        name = below(root, "x")
        rest = store.url(name).partition("://")[2]
        for scheme in store.schemes():
            assert store.strip(f"{scheme}://{rest}") == name
            assert store.strip(f"{scheme}://{rest}/") == name
        assert store.url(name).partition("://")[0] in store.schemes()

    def test_a_url_is_not_quoted(self, store: UnderStore, root: str) -> None:
        name = below(root, "a b%20c")
        assert quote(name) not in store.url(name)
        assert name in store.url(name)

    @pytest.mark.parametrize("climb", ["../" * 40 + "x", "a/" + "../" * 41 + "x"])
    def test_a_path_does_not_leave_the_root(self, store: UnderStore, root: str, climb: str) -> None:
        with pytest.raises(InvalidPathError):
            store.strip(below(root, climb))

    def test_a_nul_is_in_no_name(self, store: UnderStore, root: str) -> None:
        with pytest.raises(InvalidPathError):
            store.strip(below(root, "a\0b"))

    def test_the_root_is_its_own_parent(self, store: UnderStore) -> None:
        assert store.parent(store.root) == store.root
        assert store.strip(store.root) == store.root

    def test_the_identity_stays(self, store: UnderStore) -> None:
        assert store.identity() == store.identity()
        for option, value in store.target.options.items():
            secret = any(word in option for word in ("key", "secret", "token", "password"))
            assert not (secret and str(value) in store.identity()), f"the identity shows {option}"

    def test_the_name_of_a_file_that_is_there_is_the_one_it_has(
        self, store: UnderStore, files: Dict[str, bytes]
    ) -> None:
        for name in files:
            assert store.strip(name) == store.strip(store.url(name)) == name
            assert store.stat(name, soon()).name == name

    # --- what is there ------------------------------------------------------------------------------------------

    def test_a_file_that_is_there_is_read_whole_and_in_ranges(self, store: UnderStore, files: Dict[str, bytes]) -> None:
        for name, data in files.items():
            entry, size = store.stat(name, soon()), len(data)
            assert (entry.kind, entry.size, entry.version.length) == ("file", size, size)
            assert get(store, entry) == data
            for start, stop in ((0, size // 2), (size // 2, size), (size // 3, size // 3 + min(size, 1)), (size, size)):
                around = bytearray(b"\xee" * (stop - start + 2))
                store.read_into(name, entry.version, start, memoryview(around)[1:-1], soon())
                assert bytes(around) == b"\xee" + data[start:stop] + b"\xee"

    def test_bytes_of_their_own_are_those_of_the_file(self, store: UnderStore, files: Dict[str, bytes]) -> None:
        for name, data in files.items():
            version, size = store.stat(name, soon()).version, len(data)
            for start, stop in ((0, size), (0, size // 2), (size // 3, size), (size, size)):
                got = store.read(name, version, start, stop - start, soon())
                assert type(got) is bytes, "what is read belongs to whoever asked, and nobody changes it"
                assert got == data[start:stop]

    def test_several_threads_read_what_is_there(self, store: UnderStore, files: Dict[str, bytes]) -> None:
        def task(name: str) -> Callable[[], bytes]:
            return lambda: get(store, store.stat(name, soon()))

        names = [name for name in files for _ in range(max(2, 8 // len(files)))]
        assert at_once(*map(task, names)) == [files[name] for name in names]

    def test_a_listing_says_what_a_look_says(self, store: UnderStore, files: Dict[str, bytes]) -> None:
        for name in files:
            entry, above = store.stat(name, soon()), store.parent(name)
            assert store.stat(above, soon()).kind == "directory"
            (listed,) = (one for one in store.list(above, soon()) if one.name == name)
            for other in (listed, *store.list(name, soon())):
                assert (other.name, other.kind, other.size) == (entry.name, entry.kind, entry.size)
                assert other.version.same_as(entry.version) is not False
            for part in store.capabilities.version:
                assert getattr(entry.version, part) is not None, f"capabilities.version says that {part} is known"

    def test_what_is_not_there_is_not_found(self, store: UnderStore, root: str, files: Dict[str, bytes]) -> None:
        none = below(root, "none")
        version = store.stat(next(iter(files)), soon()).version
        for look in (
            lambda: store.stat(none, soon()),
            lambda: list(store.list(none, soon())),
            lambda: store.read_into(none, version, 0, memoryview(bytearray(1)), soon()),
            lambda: store.read(none, version, 0, 1, soon()),
        ):
            with pytest.raises(FileNotFoundError) as caught:
                look()
            assert kind_of(caught.value) is Kind.ANSWER

    def test_errors_travel_between_processes(self, store: UnderStore, root: str) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            store.stat(below(root, "none"), soon())
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), FileNotFoundError)  # noqa: S301 our own bytes

    def test_a_store_that_only_reads_says_so_of_each_change(self, store: UnderStore, files: Dict[str, bytes]) -> None:
        if store.capabilities.writable:
            return
        name = next(iter(files))
        above, other = store.parent(name), f"{name}-other"
        changes: List[Callable[[], Any]] = [
            lambda: store.create(other).commit(),
            lambda: store.append(name).commit(),
            lambda: store.touch(name, soon()),
            lambda: store.remove(name, soon()),
            lambda: store.move(name, other, soon()),
            lambda: store.copy(name, other, soon()),
            lambda: store.make_directory(other, soon()),
            lambda: store.remove_directory(above, soon(), recursive=True),
        ]
        before = _entries(store, above)
        for change in changes:
            with pytest.raises((NotSupportedError, PermissionError)) as caught:
                change()
            assert kind_of(caught.value) is Kind.ANSWER
        assert _entries(store, above) == before
        assert get(store, store.stat(name, soon())) == files[name]


def _entries(store: UnderStore, directory: str) -> List[Entry]:
    return sorted(store.list(directory, soon()), key=lambda entry: entry.name)
