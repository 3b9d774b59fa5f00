"""Any legal name works, in every spelling, and comes back as it can be passed in again."""

from __future__ import annotations

from typing import Any, Callable

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluxiofs.errors import InvalidPathError
from alluxiofs.filesystem import AlluxioFileSystem
from tests.filesystem.conftest import Place

ODD_NAMES = [
    "with space",
    " leading and trailing ",
    "%41",
    "100%",
    "hash#tag",
    "what?",
    "a&b",
    "a+b",
    "a=b",
    "star*",
    "*",
    "[bracket]",
    "f[1].txt",
    "curly{a,b}",
    "tilde~",
    "dollar$HOME",
    "quote'\"",
    "semi;colon",
    "comma,name",
    "at@sign",
    "colon:name",
    "double::colon",
    "back\\slash",
    "ünïcödé",
    "日本語",
    "e\u0301",
    "\U0001f600",
    "...",
    "x" * 255,
]
# versitygw keeps keys in files: it has no keys like the first, and does not overwrite ones like the second.
NOT_ON_S3 = {"back\\slash", "x" * 255}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_works_in_every_operation(fs: AlluxioFileSystem, place: Place, name: str) -> None:
    if place.arguments["target_protocol"] == "s3" and name in NOT_ON_S3:
        pytest.skip("the S3 server has no such keys")
    folder = place.path("odd")
    path = f"{folder}/{name}"
    data = name.encode()
    fs.pipe_file(path, data)
    fs.pipe_file(f"{folder}/f1.txt", b"bystander")
    assert place.client.cat_file(path) == data
    assert fs.cat_file(path) == data
    assert fs.cat(path) == data
    with fs.open(path) as file:
        assert file.read() == data
    assert fs.info(path)["name"] == path
    assert fs.exists(path)
    assert fs.isfile(path)
    assert path in fs.ls(folder)
    assert path in fs.find(folder)
    assert fs.head(path, 2) == data[:2]
    assert fs.tail(path, 2) == data[-2:]
    assert fs.size(path) == len(data)
    assert fs.cp(path, f"{folder}/copy") is True
    assert fs.mv(f"{folder}/copy", f"{folder}/{'m' + name[1:]}") is True
    assert fs.cat_file(f"{folder}/{'m' + name[1:]}") == data
    with fs.open(path, "wb") as file:
        file.write(b"anew")
    assert fs.cat_file(path) == b"anew"
    fs.rm(path)
    assert not fs.exists(path)
    assert fs.cat_file(f"{folder}/f1.txt") == b"bystander"


@pytest.mark.parametrize("name", ["f[1].txt", "*", "what?"])
def test_a_name_with_wildcards_is_got_and_put_as_it_is(
    fs: AlluxioFileSystem, place: Place, name: str, tmp_path: Any
) -> None:
    (tmp_path / name).write_bytes(b"local")
    (tmp_path / "f1.txt").write_bytes(b"bystander")
    fs.put(str(tmp_path / name), place.path("target"))
    assert fs.cat_file(place.path("target")) == b"local"
    fs.put(str(tmp_path / name), place.path(name))
    fs.pipe_file(place.path("f1.txt"), b"other")
    fs.get(place.path(name), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"local"
    assert fs.upload(str(tmp_path / name), place.path("f[2].txt")) is True
    assert fs.download(str(tmp_path / "again"), place.path("f[2].txt")) is True
    assert (tmp_path / "again").read_bytes() == b"local"
    fs.rm(place.path(name))
    assert fs.cat_file(place.path("f1.txt")) == b"other"
    assert fs.cat_file(place.path("target")) == b"local"


def test_a_file_has_one_name_however_it_is_spelled(fs: AlluxioFileSystem, place: Place) -> None:
    path = place.path("dir/file")
    fs.pipe_file(path, b"data")
    scheme = place.arguments["target_protocol"]
    url = f"{scheme}://{path}"
    for spelling in (path, url, f"alluxiofs://{path}", f"alluxio://{path}", f"alluxiofs://{url}", f"alluxio://{url}"):
        assert fs.cat_file(spelling) == b"data"
        assert fs.info(spelling)["name"] == path
        assert fs._strip_protocol(spelling) == path
        assert fs._parent(spelling) == place.path("dir")
    assert fs.info(path)["ufs_path"] == url
    assert fs.cat_file(fs.unstrip_protocol(path)) == b"data"
    assert fs._strip_protocol(path + "/") == path


def test_names_that_come_back_can_be_passed_in(fs: AlluxioFileSystem, place: Place) -> None:
    for name in ("a", "d/b", "d/e/c%41"):
        fs.pipe_file(place.path(name), name.encode())
    root = place.root
    names = {path[len(root) + 1 :] for path in fs.find(root)}
    assert names == {"a", "d/b", "d/e/c%41"}
    for path in (
        *fs.find(root),
        *fs.glob(f"{root}/**/c*"),
        *(info["name"] for info in fs.ls(f"{root}/d", detail=True)),
    ):
        assert fs.info(path)["name"] == path
    assert {fs.cat_file(path) for path in fs.find(root)} == {b"a", b"d/b", b"d/e/c%41"}


def test_the_parent_of_a_root_is_the_root(fs: AlluxioFileSystem, place: Place) -> None:
    root = fs.root_marker
    assert fs._parent(root) == root
    scheme = place.arguments["target_protocol"]
    assert fs._parent(f"{scheme}:///top" if scheme == "file" else f"{scheme}://top") == root
    if scheme != "file":  # where no path is the working directory
        assert fs._strip_protocol("alluxiofs://") == root


def test_the_class_knows_no_under_store_and_takes_off_one_scheme_only() -> None:
    strip = AlluxioFileSystem._strip_protocol
    assert strip("alluxiofs://bucket/key") == "bucket/key"
    assert strip("alluxio://s3://bucket/key") == "s3://bucket/key"
    assert strip("alluxiofs://alluxiofs://x") == "alluxiofs://x"
    assert strip(["alluxio://a", "b"]) == ["a", "b"]
    assert strip("s3://bucket/key ") == "s3://bucket/key "


@pytest.mark.parametrize("path", ["a\0b", "alluxiofs://a\0b"])
def test_a_path_with_nul_is_refused_by_every_operation(quick: AlluxioFileSystem, path: str) -> None:
    for operation in (
        quick.open,
        quick.info,
        quick.exists,
        quick.ls,
        quick.cat_file,
        quick.rm,
        quick.mkdir,
        quick.touch,
    ):
        with pytest.raises(InvalidPathError, match="NUL"):
            operation(path)


def test_a_path_that_leaves_its_root_is_refused(fs: AlluxioFileSystem, place: Place) -> None:
    if place.arguments["target_protocol"] == "file":
        pytest.skip("the root of all files is above itself")
    for path in ("../x", "a/../../x", "alluxiofs://../x"):
        with pytest.raises(InvalidPathError, match="leaves"):
            fs.info(path)


def test_a_path_of_another_store_is_refused_with_the_name_of_the_one_there_is(quick: AlluxioFileSystem) -> None:
    with pytest.raises(ValueError, match="memory"):
        quick.info("gs://bucket/key")


def test_a_path_object_is_as_good_as_text(local: Place, filesystem: Callable[..., AlluxioFileSystem]) -> None:
    from pathlib import Path

    fs = filesystem(local)
    fs.pipe_file(Path(local.path("x")), b"1")
    assert fs.cat_file(Path(local.path("x"))) == b"1"
    with pytest.raises(TypeError, match="int"):
        fs.info(3)  # type: ignore[arg-type]  # on purpose


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(
        st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=40
    ).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255)
)
def test_any_name_round_trips(name: str) -> None:
    fs = fsspec.filesystem("alluxiofs", target_protocol="memory")
    path = f"/any/{name}"
    fs.pipe_file(path, name.encode())
    try:
        assert fs.find("/any") == [path]
        assert fs.cat_file(fs.find("/any")[0]) == name.encode()
        assert fs.cat_file(fs.unstrip_protocol(path)) == name.encode()
    finally:
        fs.rm_file(path)
