"""Listing, finding, copying, moving, removing, transferring."""

from __future__ import annotations

import os
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.errors import UnavailableError
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place

TREE = ("a", "d/b", "d/e/c", "d/e/f/g")


@pytest.fixture
def tree(fs: AlluxioFileSystem, place: Place) -> str:
    fs.pipe({place.path(name): name.encode() for name in TREE})
    return place.root


def below(fs: AlluxioFileSystem, root: str) -> Set[str]:
    return {path[len(root) + 1 :] for path in fs.find(root)}


# --- looking --------------------------------------------------------------------------------------------------


def test_ls_gives_names_or_details(fs: AlluxioFileSystem, tree: str) -> None:
    assert fs.ls(tree) == fs.ls(tree + "/") == [f"{tree}/a", f"{tree}/d"]
    details = fs.ls(tree, detail=True)
    assert [(info["name"], info["type"]) for info in details] == [(f"{tree}/a", "file"), (f"{tree}/d", "directory")]
    assert fs.ls(f"{tree}/a") == [f"{tree}/a"]
    for path in (f"{tree}/none", f"{tree}/none/x"):
        with pytest.raises(FileNotFoundError):
            fs.ls(path)


def test_info_has_all_that_is_promised(fs: AlluxioFileSystem, place: Place, tree: str) -> None:
    before = datetime.now(timezone.utc) - timedelta(minutes=5)
    info = fs.info(f"{tree}/d/b")
    assert (info["name"], info["size"], info["type"]) == (f"{tree}/d/b", 3, "file")
    assert info["ufs_path"] == f"{place.arguments['target_protocol']}://{tree}/d/b"
    assert {"created", "modified", "mtime", "owner", "group", "mode", "version"} <= set(info)
    assert before < info["modified"] < datetime.now(timezone.utc) + timedelta(minutes=5)
    assert info["modified"].timestamp() == pytest.approx(info["mtime"])
    assert fs.modified(f"{tree}/d/b") == info["modified"]
    assert isinstance(info["version"], str)
    directory = fs.info(f"{tree}/d")
    assert (directory["name"], directory["size"], directory["type"]) == (f"{tree}/d", 0, "directory")
    with pytest.raises(FileNotFoundError, match="none"):
        fs.info(f"{tree}/none")


def test_created_is_told_where_the_store_knows_it(fs: AlluxioFileSystem, place: Place, tree: str) -> None:
    if fs.info(f"{tree}/a")["created"] is None:
        with pytest.raises(NotImplementedError, match="created"):
            fs.created(f"{tree}/a")
    else:
        assert fs.created(f"{tree}/a").tzinfo is timezone.utc


def test_kinds(fs: AlluxioFileSystem, tree: str) -> None:
    kinds = {name: (fs.exists(path), fs.isfile(path), fs.isdir(path)) for name, path in (
        ("file", f"{tree}/a"), ("directory", f"{tree}/d"), ("nothing", f"{tree}/n"), ("below a file", f"{tree}/a/n")
    )}  # fmt: skip
    assert kinds == {
        "file": (True, True, False),
        "directory": (True, False, True),
        "nothing": (False, False, False),
        "below a file": (False, False, False),
    }
    assert fs.lexists(f"{tree}/a")


class Unreachable(MemoryFileSystem):
    """A store that nobody can reach."""

    protocol = "unreachable"
    cachable = False

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise UnavailableError("nobody answers")

    info = ls = _open = exists = isfile = isdir = find = cat_file = modified = _fail


def test_a_failure_to_find_out_never_looks_like_absence() -> None:
    fs = AlluxioFileSystem(fs=Unreachable(), retries=0)
    for operation in (
        fs.exists, fs.isfile, fs.isdir, fs.info, fs.ls, fs.find, fs.du, fs.glob, lambda path: fs.glob(path + "*"),
        fs.cat_file, fs.open, lambda path: list(fs.walk(path)), lambda path: fs.rm(path, recursive=True),
        lambda path: fs.expand_path(path, recursive=True), lambda path: fs.cp(path, "/y"),
    ):  # fmt: skip
        with pytest.raises(ConnectionError):
            operation("/x")


def test_find_walk_glob_and_du(fs: AlluxioFileSystem, tree: str) -> None:
    files = [f"{tree}/{name}" for name in TREE]
    directories = [f"{tree}/{name}" for name in ("d", "d/e", "d/e/f")]
    assert fs.find(tree) == files
    assert fs.find(tree, withdirs=True) == sorted([tree, *files, *directories])
    assert fs.find(tree, maxdepth=1) == files[:1]
    assert fs.find(tree, maxdepth=2) == files[:2]
    assert fs.find(tree, maxdepth=2, withdirs=True) == sorted([tree, *files[:2], *directories[:2]])
    assert fs.find(tree, prefix="d/e") == files[2:]
    assert fs.find(files[0]) == files[:1]
    assert fs.find(f"{tree}/none") == []
    found = fs.find(tree, detail=True)
    assert {name: info["size"] for name, info in found.items()} == {path: len(path) - len(tree) - 1 for path in files}
    assert [(path[len(tree) :], sorted(dirs), sorted(names)) for path, dirs, names in fs.walk(tree)] == [
        ("", ["d"], ["a"]),
        ("/d", ["e"], ["b"]),
        ("/d/e", ["f"], ["c"]),
        ("/d/e/f", [], ["g"]),
    ]
    assert [path[len(tree) :] for path, _, _ in fs.walk(tree, topdown=False)] == ["/d/e/f", "/d/e", "/d", ""]
    assert [path[len(tree) :] for path, _, _ in fs.walk(tree, maxdepth=2)] == ["", "/d"]
    assert list(fs.walk(f"{tree}/none")) == []
    with pytest.raises(FileNotFoundError):
        list(fs.walk(f"{tree}/none", on_error="raise"))
    errors: List[OSError] = []
    assert list(fs.walk(f"{tree}/none", on_error=errors.append)) == []
    assert isinstance(errors[0], FileNotFoundError)
    for _, dirs, _ in fs.walk(tree):
        dirs[:] = [name for name in dirs if name != "e"]
        assert dirs in (["d"], [])
    assert fs.glob(f"{tree}/*") == [f"{tree}/a", f"{tree}/d"]
    assert fs.glob(f"{tree}/**/g") == files[3:]
    assert fs.glob(f"{tree}/d/[a-c]") == [f"{tree}/d/b"]
    assert fs.glob(f"{tree}/nothing*") == []
    assert fs.du(tree) == sum(map(len, TREE))
    assert fs.du(tree, total=False) == {f"{tree}/{name}": len(name) for name in TREE}
    assert fs.expand_path(f"{tree}/d", recursive=True) == sorted([*directories, *files[1:]])
    for call in (fs.find, fs.expand_path, lambda path, maxdepth: list(fs.walk(path, maxdepth=maxdepth))):
        with pytest.raises(ValueError, match="maxdepth"):
            call(tree, maxdepth=0)


def test_keys_tell_contents_apart(fs: AlluxioFileSystem, place: Place, tree: str) -> None:
    path = f"{tree}/a"
    place.client.pipe_file(path, b"content")  # just now: its time alone may not stand for it yet
    key, checksum = fs.ukey(path), fs.checksum(path)
    assert (fs.ukey(path), fs.checksum(path)) == (key, checksum)
    place.client.pipe_file(path, b"other content")
    assert fs.ukey(path) != key
    assert fs.checksum(path) != checksum


def test_signing_is_for_stores_that_can(fs: AlluxioFileSystem, place: Place, tree: str) -> None:
    if place.arguments["target_protocol"] == "s3":
        import urllib.request

        with urllib.request.urlopen(fs.sign(f"{tree}/a", expiration=60)) as answer:
            assert answer.read() == b"a"
    else:
        with pytest.raises(NotImplementedError, match="(?i)sign"):
            fs.sign(f"{tree}/a")


# --- directories and removing -----------------------------------------------------------------------------------


def test_directories(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("new/deep")
    assert fs.mkdir(path) is True
    assert fs.makedirs(path, exist_ok=True) is True
    assert fs.touch(f"{path}/x") is True
    assert fs.isdir(path)
    for call in (fs.mkdir, fs.makedirs):
        with pytest.raises(FileExistsError):
            call(f"{path}/x")
    assert fs.rm(f"{path}/x") is True
    if place.arguments["target_protocol"] != "s3":
        with pytest.raises(FileExistsError):
            fs.mkdir(path)
        with pytest.raises(OSError, match="."):
            fs.rmdir(place.path("new"))
        fs.rmdir(path)
        assert not fs.exists(path)


def test_touch(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("touched")
    assert fs.touch(path) is True
    assert fs.cat_file(path) == b""
    fs.pipe_file(path, b"x")
    assert fs.touch(path, truncate=False) is True
    assert fs.cat_file(path) == b"x"
    assert fs.touch(path, truncate=True) is True
    assert fs.cat_file(path) == b""


def test_removing(fs: AlluxioFileSystem, place: Place, tree: str) -> None:
    with pytest.raises(IsADirectoryError, match="recursive"):
        fs.rm([f"{tree}/a", f"{tree}/d"])
    with pytest.raises(FileNotFoundError):
        fs.rm([f"{tree}/a", f"{tree}/none"])
    assert below(fs, tree) == set(TREE), "a bad name among others removes nothing"
    assert fs.rm(f"{tree}/d", recursive=True, maxdepth=2) is True
    assert below(fs, tree) == {"a", "d/e/f/g"}
    assert fs.rm([f"{tree}/d", f"{tree}/d/e"], recursive=True, sync_parent=True) is True
    assert below(fs, tree) == {"a"}
    fs.pipe({f"{tree}/p1": b"", f"{tree}/p2": b"", f"{tree}/q": b""})
    assert fs.rm(f"{tree}/p*") is True
    assert below(fs, tree) == {"a", "q"}
    fs.rm_file(f"{tree}/q")
    assert below(fs, tree) == {"a"}
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{tree}/none")
    with pytest.raises(FileNotFoundError):
        fs.rm_file(f"{tree}/none")


def test_the_root_of_a_store_is_not_removed(quick: AlluxioFileSystem, memory: Place) -> None:
    quick.pipe_file(memory.path("x"), b"x")
    for root in ("", "/", "memory://", "alluxiofs://"):
        with pytest.raises(PermissionError, match="root"):
            quick.rm(root, recursive=True)
    assert quick.cat_file(memory.path("x")) == b"x"


def test_dropping_what_is_cached_leaves_the_file(fs: AlluxioFileSystem, place: Place, tree: str) -> None:
    path = f"{tree}/a"
    assert fs.cat_file(path) == b"a"
    place.client.pipe_file(path, b"A")
    assert fs.rm(path, remove_alluxio_only=True) is True
    assert fs.cat_file(path) == b"A"
    assert fs.rm(tree, recursive=True, remove_alluxio_only=True) is True
    assert below(fs, tree) == set(TREE)


# --- copying and moving -----------------------------------------------------------------------------------------


def test_copying(fs: AlluxioFileSystem, place: Place, tree: str) -> None:
    assert fs.cp(f"{tree}/a", f"{tree}/a2") is True
    assert fs.cat_file(f"{tree}/a2") == b"a"
    fs.pipe_file(f"{tree}/a", b"changed")
    assert fs.copy(f"{tree}/a", f"{tree}/a2", force=True, preserve=False) is True
    assert fs.cat_file(f"{tree}/a2") == b"changed"
    assert fs.cp(f"{tree}/a", f"{tree}/d/") is True
    assert fs.cat_file(f"{tree}/d/a") == b"changed"
    assert fs.cp(f"{tree}/d", f"{tree}/copy", recursive=True, threads=2) is True
    assert below(fs, f"{tree}/copy") == {"a", "b", "e/c", "e/f/g"}
    assert fs.cp(f"{tree}/a", f"{tree}/a") is True
    assert fs.cat_file(f"{tree}/a") == b"changed", "a copy onto itself loses nothing"
    with pytest.raises(FileNotFoundError):
        fs.cp(f"{tree}/none", f"{tree}/x")
    assert fs.cp([f"{tree}/none", f"{tree}/a"], [f"{tree}/x", f"{tree}/y"], on_error="ignore") is True
    assert fs.exists(f"{tree}/y")
    for arguments, message in (({"threads": 0}, "threads"), ({"on_error": "omit"}, "on_error")):
        with pytest.raises(ValueError, match=message):
            fs.cp(f"{tree}/a", f"{tree}/x", **arguments)


def test_copying_keeps_times_and_modes_and_force_replaces_what_is_read_only(
    local: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    fs = filesystem(local)
    source, target = Path(local.path("source")), Path(local.path("target"))
    fs.pipe_file(str(source), b"new")
    source.chmod(0o640)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    fs.cp(str(source), str(target))
    assert (stat.S_IMODE(target.stat().st_mode), target.stat().st_mtime) == (0o640, 1_000_000_000)
    fs.cp(str(source), str(target), preserve=False)
    assert target.stat().st_mtime > 1_000_000_000
    target.write_bytes(b"old")
    target.chmod(0o440)
    assert fs.cp(str(source), str(target), force=True) is True
    assert target.read_bytes() == b"new"


def test_moving(fs: AlluxioFileSystem, tree: str) -> None:
    assert fs.mv(f"{tree}/a", f"{tree}/b") is True
    assert below(fs, tree) == {"b", "d/b", "d/e/c", "d/e/f/g"}
    assert fs.mv(f"{tree}/b", f"{tree}/d/") is True
    assert fs.cat_file(f"{tree}/d/b") == b"a"
    assert fs.mv(f"{tree}/d", f"{tree}/moved", recursive=True) is True
    assert below(fs, tree) == {"moved/b", "moved/e/c", "moved/e/f/g"}
    assert fs.mv(f"{tree}/moved/b", f"{tree}/moved/b") is True
    assert fs.cat_file(f"{tree}/moved/b") == b"a"
    with pytest.raises(OSError, match="itself"):
        fs.mv(f"{tree}/moved", f"{tree}/moved/e/deeper", recursive=True)
    assert below(fs, tree) == {"moved/b", "moved/e/c", "moved/e/f/g"}
    with pytest.raises(FileNotFoundError):
        fs.mv(f"{tree}/none", f"{tree}/x")
    fs.makedirs(f"{tree}/target")
    assert fs.mv(f"{tree}/moved/e/*", f"{tree}/target/") is True
    assert "target/c" in below(fs, tree)


def test_files_move_and_are_copied_from_one_store_to_another(
    local: Place, filesystem: Callable[..., AlluxioFileSystem]
) -> None:
    stores = {"under_stores": {"memory://": {"protocol": "memory"}}}
    fs = filesystem(local, **stores)
    fs.pipe_file(local.path("d/x"), b"x")
    fs.pipe_file(local.path("d/e/y"), b"y" * 200_000)
    assert fs.cp(local.path("d"), "memory://across", recursive=True) is True
    assert fs.find("memory://across") == ["memory:///across/e/y", "memory:///across/x"]
    assert fs.cat_file("memory://across/e/y") == b"y" * 200_000
    assert fs.mv("memory://across", local.path("back"), recursive=True) is True
    assert fs.find(local.path("back")) == [local.path("back/e/y"), local.path("back/x")]
    assert fs.find("memory://across") == []


def test_the_root_above_several_stores_lists_them(tmp_path: Path) -> None:
    (tmp_path / "one" / "data").mkdir(parents=True)
    (tmp_path / "two" / "data").mkdir(parents=True)
    (tmp_path / "one" / "data" / "x").write_bytes(b"x")
    (tmp_path / "two" / "data" / "y").write_bytes(b"yy")
    one, two = (f"file://{tmp_path.as_posix()}/{name}/data" for name in ("one", "two"))
    fs = AlluxioFileSystem(under_stores={two: {}, one: {}})
    for root in ("", "/", "alluxiofs://"):
        assert fs.ls(root) == [one, two]
        assert fs.isdir(root)
        assert fs.exists(root)
        assert not fs.isfile(root)
        assert fs.find(root) == [f"{one}/x", f"{two}/y"]
    assert [(info["name"], info["type"]) for info in fs.ls("", detail=True)] == [(one, "directory"), (two, "directory")]
    assert (fs.info("")["name"], fs.info("")["type"]) == ("", "directory")
    # By their URLs: the last parts are the same.
    assert list(fs.walk("")) == [("", [one, two], []), (one, [], ["x"]), (two, [], ["y"])]
    assert fs.find("", maxdepth=1) == []
    assert fs.find("", maxdepth=1, withdirs=True) == [one, two]
    assert fs.find("", maxdepth=2) == [f"{one}/x", f"{two}/y"]
    assert fs.find("", prefix=two) == [f"{two}/y"]
    assert fs.du("") == 3
    assert fs.cat("", recursive=True) == {f"{one}/x": b"x", f"{two}/y": b"yy"}
    with pytest.raises(PermissionError, match="root"):
        fs.rm("", recursive=True)
    with pytest.raises(IsADirectoryError):
        fs.open("")
    with pytest.raises(ValueError, match="name a path in one"):
        fs.pipe_file("", b"x")


def test_users_lists_and_dicts_have_the_types_that_are_asked_for(quick: AlluxioFileSystem, memory: Place) -> None:
    """For mypy, which reads the tests as well: a ``List[str]`` is no ``List[Union[str, PathLike]]``."""
    names: List[str] = [memory.path("a"), memory.path("b")]
    places: List[Path] = [Path(name) for name in names]
    contents: Dict[str, bytes] = dict.fromkeys(names, b"0123")
    by_place: Dict[Path, bytes] = dict.fromkeys(places, b"0123")
    starts: List[int] = [0, 1]
    quick.pipe(contents)
    assert quick.cat_ranges(names, starts, [2, 3]) == [b"01", b"12"]
    assert quick.cat_ranges(tuple(names), starts, 4) == [b"0123", b"123"]
    quick.cp(names, [memory.path("c"), memory.path("d")])
    quick.mv([memory.path("c")], [memory.path("e")])
    quick.rm(names)
    quick.pipe(by_place)
    assert quick.cat(places) == contents
    quick.rm(places)
    assert quick.find(memory.root) == [memory.path("d"), memory.path("e")]
