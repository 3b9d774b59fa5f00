"""What no operation can make sense of is an error that names it; schemes are known in any letter case."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import fsspec
import pytest

from alluxiofs.errors import AlluxioFSError

CONTENT = b"0123456789"


@pytest.fixture
def fs() -> Any:
    made = fsspec.filesystem("alluxiofs", target_protocol="memory", skip_instance_cache=True)
    made.pipe_file("/odd/a", CONTENT)
    yield made
    made.rm("/odd", recursive=True)


@pytest.mark.parametrize(
    ("call", "kind", "named"),
    [
        (lambda fs: fs.cat_file("/odd/a", 1.5), TypeError, "start: 1.5"),
        (lambda fs: fs.cat_file("/odd/a", 0, "3"), TypeError, "end: '3'"),
        (lambda fs: fs.cat_ranges(["/odd/a"], [0, 1], [2]), ValueError, "starts has 2 items for 1 paths"),
        (lambda fs: fs.cat_ranges(["/odd/a"], [0], [2, 3]), ValueError, "ends has 2 items for 1 paths"),
        (lambda fs: fs.cat_ranges(["/odd/a"], ["x"], [2]), TypeError, "starts: 'x'"),
        (lambda fs: fs.cat_ranges(["/odd/a"], 0, 1.5), TypeError, "ends: 1.5"),
        (lambda fs: fs.cat_ranges("/odd/a", 0, 1), TypeError, "paths is a list"),
        (lambda fs: fs.cat_ranges([["/odd/a"]], [0], [1]), TypeError, "a path is text or a path object, not list"),
        (lambda fs: fs.read_block("/odd/a", 1.5, 5), TypeError, "offset: 1.5"),
        (lambda fs: fs.read_block("/odd/a", -1, 5), ValueError, "offset must not be negative"),
        (lambda fs: fs.read_block("/odd/a", 0, "x"), TypeError, "length: 'x'"),
        (lambda fs: fs.read_block("/odd/a", 0, 5, 3), TypeError, "delimiter: 3"),
        (lambda fs: fs.head("/odd/a", 1.5), TypeError, "num_of_bytes: 1.5"),
        (lambda fs: fs.tail("/odd/a", size=-1), ValueError, "size must not be negative, and is -1"),
        (lambda fs: fs.open("/odd/a", block_size="x"), ValueError, "block_size: 'x'"),
        (lambda fs: fs.find("/odd", maxdepth=1.5), TypeError, "maxdepth: 1.5"),
        (lambda fs: fs.find("/odd", maxdepth=0), ValueError, "maxdepth must be at least 1, not 0"),
        (lambda fs: fs.glob("/odd/*", maxdepth="x"), TypeError, "maxdepth: 'x'"),
        (lambda fs: fs.rm("/odd/a", maxdepth="x"), TypeError, "maxdepth: 'x'"),
        (lambda fs: fs.pipe_file("/odd/b", "text"), TypeError, "value is bytes, .* not str"),
        *(
            (lambda fs, name=name: getattr(fs, name)(3), TypeError, "a path is text or a path object, not int: 3")
            for name in ("ls", "info", "exists", "isfile", "find", "glob", "du", "cat", "rm", "mkdir", "touch", "ukey")
        ),
        *(
            (
                lambda fs, name=name: getattr(fs, name)("/odd/a", 3),
                TypeError,
                "a path is text or a path object, not int",
            )
            for name in ("cp", "mv", "get", "get_file", "cp_file")
        ),
    ],
)
def test_it_is_named(fs: Any, call: Callable[[Any], Any], kind: type[Exception], named: str) -> None:
    with pytest.raises(kind, match=named) as caught:
        call(fs)
    assert isinstance(caught.value, AlluxioFSError)
    assert fs.cat_file("/odd/a") == CONTENT


def test_blocks_are_fsspecs(fs: Any) -> None:
    assert fs.read_block("/odd/a", 2, 3) == b"234"
    assert fs.read_block("/odd/a", 1, 4, b"3") == b"456789", "from behind the delimiter to behind the next one"
    assert fs.read_block("/odd/a", 7, None) == b"789"
    assert fs.read_block("/odd/a", 50, 3) == b""


@pytest.mark.parametrize("url", ["MEMORY:///odd/a", "Memory://odd/a", "ALLUXIOFS://odd/a", "Alluxio://MEMORY:///odd/a"])
def test_schemes_in_any_letter_case(fs: Any, url: str) -> None:
    assert fs.cat_file(url) == CONTENT
    assert fs.info(url)["name"] == "/odd/a"


@pytest.mark.parametrize("scheme", ["file://", "FILE://", "File:", "local://"])
def test_local_targets_in_any_letter_case(fs: Any, tmp_path: Path, scheme: str) -> None:
    fs.get_file("/odd/a", f"{scheme}{tmp_path}/got")
    assert (tmp_path / "got").read_bytes() == CONTENT
    fs.put_file(f"{scheme}{tmp_path}/got", "/odd/b")
    assert fs.cat_file("/odd/b") == CONTENT


def test_protocols_in_any_letter_case(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    local = fsspec.filesystem("alluxiofs", target_protocol="FILE", skip_instance_cache=True)
    assert local.info(f"FILE://{tmp_path}/a")["ufs_path"] == f"file://{tmp_path}/a"
