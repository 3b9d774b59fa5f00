"""Appends through clients that know no conditions: what they can see of others' writes they do not lose."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest
from fsspec.implementations.local import LocalFileSystem

from alluxiofs.errors import FileChangedError
from alluxiofs.interfaces import Target, UnderStore
from alluxiofs.plugins._fsspec.appending import rewriting
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.plugins.under_store_local import LocalUnderStore
from alluxiofs.settings.types import Seconds
from alluxiofs.testing import make_context

OLD, THEIRS, OURS = b"old, ", b"theirs, and longer, ", b"ours"


class Watched(LocalFileSystem):
    """Has somebody else act when it is called, each time or a few times."""

    protocol = "watched"
    cachable = False
    acts: Dict[str, List[Callable[[], Any]]]

    def __init__(self) -> None:
        super().__init__()
        self.acts = {}

    def _act(self, method: str) -> None:
        if self.acts.get(method):
            self.acts[method].pop()()

    def cat_file(self, path: str, *arguments: Any, **options: Any) -> Any:
        self._act("cat_file")
        return super().cat_file(path, *arguments, **options)

    def open(self, path: str, mode: str = "rb", *arguments: Any, **options: Any) -> Any:
        if mode == "wb":
            self._act("open")
        return super().open(path, mode, *arguments, **options)

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        self._act("mv")
        super().mv(path1, path2, **options)


def over(client: Any, write_timeout: float = 60) -> UnderStore:
    settings = FsspecUnderStore.Settings(write_timeout=Seconds(write_timeout))
    return FsspecUnderStore(Target("file", {}, client), settings, make_context())


def append(store: UnderStore, name: str, data: bytes = OURS) -> None:
    writer = store.append(name)
    writer.write(memoryview(data))
    writer.commit()


def removed(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    path.write_bytes(THEIRS)


@pytest.mark.parametrize("during", ["cat_file", "open"])
@pytest.mark.parametrize(("change", "result"), [(replaced, THEIRS), (removed, b"")])
def test_what_others_do_before_the_file_is_replaced_is_kept(
    tmp_path: Path, during: str, change: Callable[[Path], None], result: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    client = Watched()
    client.acts[during] = [lambda: change(path)]
    append(over(client), str(path))
    assert not client.acts[during]
    assert path.read_bytes() == result + OURS
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_appears_meanwhile_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "file"
    client = Watched()
    client.acts["open"] = [lambda: replaced(path)]
    append(over(client), str(path))
    assert path.read_bytes() == THEIRS + OURS


def test_a_file_that_is_always_changed_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    client = Watched()
    changes: List[int] = []

    def change() -> None:
        changes.append(1)
        path.write_bytes(OLD + b"x" * len(changes))

    client.acts["cat_file"] = [change] * 10_000
    with pytest.raises(FileChangedError, match="nothing was appended") as caught:
        append(over(client, write_timeout=2), str(path))
    assert caught.value.filename == str(path)
    assert len(changes) >= 3
    assert path.read_bytes() == OLD + b"x" * len(changes)
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_append_is_not_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    client = Watched()

    def fail() -> None:
        raise ConnectionResetError("connection lost")

    client.acts["mv"] = [fail]
    with pytest.raises(ConnectionResetError):
        append(over(client), str(path))
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", ["general", "any that can create"])
def test_threads_take_turns(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "file")
    local = LocalUnderStore(Target("file"), LocalUnderStore.Settings(), make_context())
    general = over(LocalFileSystem())
    failures: List[Optional[BaseException]] = []

    def work(number: int) -> None:
        try:
            for _ in range(10):
                if kind == "general":
                    append(general, path, b"%d" % number)
                else:
                    writer = rewriting(local, path, block=4096, timeout=60, patience=60)
                    writer.write(memoryview(b"%d" % number))
                    writer.commit()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(Path(path).read_text()) == sorted("0123" * 10)


def test_what_does_not_fit_into_memory_is_collected_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    block = os.urandom(1 << 20)
    writer = over(LocalFileSystem()).append(str(path))
    for _ in range(20):
        writer.write(memoryview(block))
    assert path.read_bytes() == OLD
    writer.commit()
    assert path.read_bytes() == OLD + block * 20
