"""A file that another program has removed: who is told so by a read believes nothing any more of what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional

import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place, page_store_of

LONG = 10**6  # bytes: more than what comes along with what the file is


def _in_a_file(fs: AlluxioFileSystem, path: str) -> None:
    with fs.open(path) as file:
        file.read(10)


READS: Dict[str, Callable[[AlluxioFileSystem, str], Any]] = {
    "cat_file": lambda fs, path: fs.cat_file(path, 10, 20),
    "open": _in_a_file,
    "cat_ranges": lambda fs, path: fs.cat_ranges([path], [10], [20], on_error="raise"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("kept", [None, "memory", "disk"], ids=["no pages", "pages in memory", "pages on disk"])
def test_a_read_that_finds_nothing_is_believed(
    place: Place,
    filesystem: Callable[..., AlluxioFileSystem],
    tmp_path: Path,
    kept: Optional[str],
    read: Callable[[AlluxioFileSystem, str], Any],
) -> None:
    fs = filesystem(place, page_store=page_store_of(kept, tmp_path))
    gone, stays = place.path("folder/gone"), place.path("folder/stays")
    if place.arguments["target_protocol"] == "file":
        place.client.mkdir(place.path("folder"))
    for path in (gone, stays):
        place.client.pipe_file(path, bytes(LONG))
    assert fs.ls(place.path("folder")) == [gone, stays]
    assert fs.find(place.root) == [gone, stays]
    assert fs.info(gone)["size"] == LONG
    place.client.rm_file(gone)
    assert fs.exists(gone)  # believed for metadata_ttl seconds, until something says otherwise
    with pytest.raises(FileNotFoundError):
        read(fs, gone)
    assert not fs.exists(gone)
    with pytest.raises(FileNotFoundError):
        fs.open(gone)
    assert fs.ls(place.path("folder")) == [stays]
    assert fs.find(place.root) == [stays]


def test_a_read_of_an_open_file_is_believed_too(fs: AlluxioFileSystem, place: Place) -> None:
    gone = place.path("gone")
    place.client.pipe_file(gone, bytes(LONG))
    with fs.open(gone, cache_options={"readahead": None}) as file:
        file.read(10)
        place.client.rm_file(gone)
        file.seek(LONG // 2)
        if place.arguments["target_protocol"] == "file":
            return  # the system keeps what somebody has open
        with pytest.raises(FileNotFoundError):
            file.read(10)
    assert not fs.exists(gone)
