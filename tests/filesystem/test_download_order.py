"""``download`` has the local path first and fsspec's own second: a file is never lost because the other was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from alluxiofs.errors import ConfigurationError
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place


@pytest.fixture
def files(local: Place, filesystem: Callable[..., AlluxioFileSystem]) -> AlluxioFileSystem:
    return filesystem(local)


def test_two_plain_names_that_are_both_there_are_refused(
    files: AlluxioFileSystem, local: Place, tmp_path: Path
) -> None:
    source, target = Path(local.path("source")), tmp_path / "target"
    source.write_bytes(b"what others rely on")
    target.write_bytes(b"old")
    for first, second in (
        (source, target),
        (target, source),
        ([str(source)], [str(target)]),
        (source.as_uri(), target),
    ):
        with pytest.raises(ConfigurationError, match=r"rpath=.*lpath=.*get\(rpath, lpath\)"):
            files.download(first, second)
    assert (source.read_bytes(), target.read_bytes()) == (b"what others rely on", b"old")
    assert files.download(rpath=str(source), lpath=str(target)) is True
    assert target.read_bytes() == b"what others rely on"
    target.write_bytes(b"old")
    by_name: Dict[str, Any] = {"lpath": str(target)}
    assert files.download(str(source), **by_name) is True  # as fsspec's documentation writes it
    assert target.read_bytes() == b"what others rely on"


def test_and_so_are_directories_and_patterns(files: AlluxioFileSystem, local: Place, tmp_path: Path) -> None:
    here, there = tmp_path / "here", Path(local.path("there"))
    for folder in (here, there):
        folder.mkdir()
        (folder / "file").write_bytes(folder.name.encode())
    for first, second in ((there, here), (here, there), (f"{there}/*", here)):
        with pytest.raises(ConfigurationError, match="rpath="):
            files.download(str(first), str(second), True)
        with pytest.raises(ConfigurationError, match="rpath="):
            files.download(str(first), str(second), recursive=True)
    assert [path.name for path in (*here.iterdir(), *there.iterdir())] == ["file", "file"]
    assert files.download(str(here) + "/", str(there / "file")) is True  # no directory is read so
    assert (here / "file").read_bytes() == b"there"


def test_what_is_not_found_in_one_order_and_is_there_in_the_other_is_told(
    files: AlluxioFileSystem, local: Place, tmp_path: Path
) -> None:
    source, target = Path(local.path("source")), tmp_path / "target"
    source.write_bytes(b"data")
    with pytest.raises(FileNotFoundError, match=r"rpath=.*source.*lpath=.*target"):
        files.download(str(source), str(target))
    assert (source.read_bytes(), target.exists()) == (b"data", False)
    with pytest.raises(FileNotFoundError) as caught:
        files.download(str(target), str(tmp_path / "none"))
    assert "rpath=" not in str(caught.value)


def test_a_target_on_this_machine_alone_is_replaced(fs: AlluxioFileSystem, place: Place, tmp_path: Path) -> None:
    fs.pipe_file(place.path("x"), b"new")
    fs.pipe_file(place.path("y"), b"other")
    target = tmp_path / "target"
    url = f"alluxiofs://{place.path('x')}"
    for first, second in ((target, url), (url, target)):
        target.write_bytes(b"old")
        assert fs.download(first, second) is True
        assert target.read_bytes() == b"new"
    if place.arguments["target_protocol"] != "file":
        target.write_bytes(b"old")
        assert fs.download(str(target), place.path("x")) is True
        assert target.read_bytes() == b"new"
    with pytest.raises(ConfigurationError, match="both are URLs"):
        fs.download(url, url)
    pairs = [str(tmp_path / "1"), str(tmp_path / "2")], [place.path("x"), place.path("y")]
    assert fs.download(*pairs) is True
    assert [(tmp_path / name).read_bytes() for name in "12"] == [b"new", b"other"]
