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


def test_of_two_plain_names_the_first_is_the_local_one(files: AlluxioFileSystem, local: Place, tmp_path: Path) -> None:
    source, target = Path(local.path("source")), tmp_path / "target"
    source.write_bytes(b"data")
    for first, second in (
        (target, source),
        ([str(target)], [str(source)]),
        (target.as_uri(), source),
    ):
        target.write_bytes(b"old")
        assert files.download(first, second) is True
        assert (source.read_bytes(), target.read_bytes()) == (b"data", b"data")
    by_name: Dict[str, Any] = {"lpath": str(target)}
    target.write_bytes(b"old")
    assert files.download(rpath=str(source), **by_name) is True
    assert (source.read_bytes(), target.read_bytes()) == (b"data", b"data")
    target.write_bytes(b"old")
    assert files.download(str(source), **by_name) is True  # as fsspec's documentation writes it
    assert (source.read_bytes(), target.read_bytes()) == (b"data", b"data")


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
