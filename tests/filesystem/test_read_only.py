"""Stores that can be read only: each change is refused, by name, and nothing is done."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import Any, Callable

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from alluxiofs import AlluxioFileSystem
from alluxiofs.errors import NotSupportedError, ReadOnlyError
from alluxiofs.interfaces import Target
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.testing import make_context

CHANGES = [
    pytest.param(lambda fs: fs.mkdir("new"), id="mkdir"),
    pytest.param(lambda fs: fs.makedirs("new/below"), id="makedirs"),
    pytest.param(lambda fs: fs.rm("a/b"), id="rm"),
    pytest.param(lambda fs: fs.rm("a", recursive=True), id="rm-recursive"),
    pytest.param(lambda fs: fs.mv("a/b", "a/c"), id="mv"),
    pytest.param(lambda fs: fs.cp("a/b", "a/c"), id="cp"),
    pytest.param(lambda fs: fs.pipe_file("a/c", b"new"), id="pipe_file"),
    pytest.param(lambda fs: fs.touch("a/b"), id="touch"),
    pytest.param(lambda fs: fs.open("a/c", "wb"), id="wb"),
    pytest.param(lambda fs: fs.open("a/b", "ab"), id="ab"),
    pytest.param(lambda fs: fs.open("a/c", "xb"), id="xb"),
]


@pytest.fixture
def archive(tmp_path: Path) -> str:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/b", b"content")
    return str(path)


def over(**arguments: Any) -> AlluxioFileSystem:
    return AlluxioFileSystem(page_store=None, skip_instance_cache=True, **arguments)


@pytest.mark.parametrize("change", CHANGES)
def test_an_archive_is_not_changed(archive: str, change: Callable[[AlluxioFileSystem], Any]) -> None:
    fs = over(fs=fsspec.filesystem("zip", fo=archive, skip_instance_cache=True))
    before = Path(archive).read_bytes()
    with pytest.raises(ReadOnlyError, match=r"under store 'fsspec' \(zip\) cannot be written") as caught:
        change(fs)
    assert caught.value.errno == errno.EROFS
    assert str(caught.value.filename).split("/")[0] in ("a", "new")
    assert Path(archive).read_bytes() == before
    assert fs.find("") == ["a/b"]
    assert fs.cat_file("a/b") == b"content"


@pytest.mark.parametrize(
    ("protocol", "options"),
    [("zip", {"fo": "archive.zip"}), ("tar", {"fo": "archive.tar"}), ("reference", {"fo": {}}), ("data", {})],
)
def test_protocols_that_are_read_only(protocol: str, options: Any) -> None:
    """Known before there is a client: nothing is opened."""
    with pytest.raises(ReadOnlyError, match=rf"under store 'fsspec' \({protocol}\) cannot be written"):
        over(target_protocol=protocol, target_options=options).mkdir("new")


def test_a_web_server_is_read_only() -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(ReadOnlyError, match=r"under store 'fsspec' \(http\) cannot be written"):
        over(target_protocol="http").pipe_file("http://127.0.0.1:9/file", b"new")


def test_behind_a_directory_it_is_as_read_only(archive: str) -> None:
    inner = fsspec.filesystem("zip", fo=archive, skip_instance_cache=True)
    with pytest.raises(ReadOnlyError):
        over(fs=DirFileSystem(path="a", fs=inner)).rm("b")


def test_an_archive_opened_for_writing_is_written(tmp_path: Path) -> None:
    inner = fsspec.filesystem("zip", fo=str(tmp_path / "new.zip"), mode="w", skip_instance_cache=True)
    store = FsspecUnderStore(Target("zip", client=inner), FsspecUnderStore.Settings(), make_context())
    assert store.capabilities.writable
    inner.zip.close()


def test_a_client_that_says_nothing_is_quoted_with_nothing(tmp_path: Path) -> None:
    class Mute(LocalFileSystem):
        protocol = "mute"
        cachable = False

        def sign(self, path: str, expiration: int = 0, **kwargs: Any) -> str:
            raise NotImplementedError

    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotSupportedError) as caught:
        over(fs=Mute()).sign(str(tmp_path / "file"))
    assert str(caught.value).endswith("file: the client cannot do this")
