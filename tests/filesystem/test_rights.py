"""Files of this machine that the user may not change: what the error names, and that nothing has happened."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import traceback
from pathlib import Path
from typing import Any, Callable, Iterator

import fsspec
import pytest

from alluxiofs.filesystem import AlluxioFileSystem

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="users and modes of POSIX"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

NOBODY = 65534
OLD = b"old content"


@pytest.fixture
def fs() -> Iterator[Any]:
    yield fsspec.filesystem("alluxiofs", target_protocol="file", skip_instance_cache=True)
    AlluxioFileSystem.clear_instance_cache()


@pytest.fixture
def place(fs: Any) -> Iterator[Path]:
    """A folder that everybody may reach, which pytest's own are not, and change."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o777)
    fs.pipe_file(str(place / "warm"), b"x")  # what is loaded late is loaded now: nobody may read where it is
    fs.rm(str(place / "warm"))
    yield place
    for folder, _, _ in os.walk(place):
        os.chmod(folder, 0o755)
    shutil.rmtree(place)


def without_privileges(task: Callable[[], None], place: Path) -> bool:
    """Whether a task goes well in a child that is not root."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(place)
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            task()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("folder", "file", "says"), [(0o555, 0o666, "directory"), (0o777, 0o222, "read"), (0o777, 0o444, "read-only")]
)
def test_nothing_is_appended_without_the_rights_that_it_takes(
    fs: Any, place: Path, folder: int, file: int, says: str
) -> None:
    path = place / "file"
    path.write_bytes(OLD)
    path.chmod(file)
    place.chmod(folder)

    def task() -> None:
        with pytest.raises(PermissionError, match=says) as caught, fs.open(str(path), "ab") as opened:
            opened.write(b"more")
        assert caught.value.filename == str(path)

    assert without_privileges(task, place)
    assert path.stat().st_size == len(OLD)
    assert os.listdir(place) == ["file"]


def test_a_tree_that_cannot_be_removed_names_what_is_in_the_way(fs: Any, place: Path) -> None:
    kept = place / "tree" / "kept" / "file"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(OLD)
    kept.parent.chmod(0o555)

    def task() -> None:
        with pytest.raises(PermissionError) as caught:
            fs.rm(str(place / "tree"), recursive=True)
        # Since Python 3.13 it is the directory whose rights are missing.
        assert caught.value.filename in (str(kept), str(kept.parent))
        assert caught.value.errno == errno.EACCES

    assert without_privileges(task, place)
    assert kept.stat().st_size == len(OLD)


def test_what_is_to_replace_a_private_file_is_private_too(fs: Any, place: Path) -> None:
    path = place / "file"
    path.write_bytes(OLD)
    path.chmod(0o600)
    with fs.open(str(path), "wb", block_size=1) as file:
        file.write(b"secret")
        (partial,) = (each for each in place.iterdir() if each != path)
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
