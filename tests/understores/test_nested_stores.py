"""Prefixes of ``under_stores`` within the space of another store: what is hidden, listed, and refused."""

from __future__ import annotations

import errno
import functools
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Tuple
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.interfaces import Target
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import content, put, soon
from tests.servers import S3Server
from tests.understores.failing import make_store

OUTER = {"top": b"1", "dir/a": b"22", "lake/f": content(9000), "lake/hidden": b"4", "lakes/a": b"55555"}
INNER = {"lake/f": content(70_000)[::-1], "lake/dir/b": b"7", "deep/er/c": b"88", "unseen": b"9"}


Mounted = Tuple[Any, str, str]  # a filesystem; what names of the outer store begin with, and those of the inner one


def filesystem(outer: Dict[str, Any], inner: Dict[str, Any], url: str, default: bool) -> Mounted:
    """The inner store has two places within the outer one, which is the default store or has a prefix itself."""
    stores = {f"{url}/lake": inner, f"{url}/deep/er": inner}
    arguments: Dict[str, Any] = {"under_stores": {**stores, url: outer}}
    if default:
        given = {"target_protocol": outer["protocol"], "target_options": outer.get("options")}
        arguments = {**given, "under_store": outer.get("under_store"), "under_stores": stores}
    fs = fsspec.filesystem("alluxiofs", **arguments, page_store=None, skip_instance_cache=True)
    return fs, fs.gateway.path_of(fs.gateway.locate(url)), url


def in_memory(files: Dict[str, bytes]) -> Dict[str, Any]:
    """A store of its own."""

    class Apart(MemoryFileSystem):
        store: ClassVar[Dict[str, Any]] = {}
        pseudo_dirs: ClassVar[List[str]] = [""]

    client = Apart(skip_instance_cache=True)
    client.pipe({f"/top/{name}": data for name, data in files.items()})
    made = FsspecUnderStore(Target("memory", client=client), FsspecUnderStore.Settings(), make_context())
    return {"protocol": "memory", "under_store": made}


@pytest.fixture(params=[True, False], ids=["beside a default store", "all have prefixes"])
def mounted(request: pytest.FixtureRequest) -> Mounted:
    return filesystem(in_memory(OUTER), in_memory(INNER), "memory:///top", request.param)


@pytest.fixture(params=[True, False], ids=["beside a default store", "all have prefixes"])
def in_buckets(request: pytest.FixtureRequest, s3_server: S3Server, minio_server: S3Server) -> Mounted:
    """One bucket of this name on versitygw, another one on MinIO."""
    name = f"test-{uuid4().hex[:12]}"
    for server, files in ((s3_server, OUTER), (minio_server, INNER)):
        store = make_store("s3", server.options)
        store.make_directory(name, soon())
        for key, data in files.items():
            put(store, f"{name}/{key}", data)
        store.close()
    outer, inner = ({"protocol": "s3", "options": server.options} for server in (s3_server, minio_server))
    return filesystem(outer, inner, f"s3://{name}", request.param)


def test_listings_name_them_and_have_nothing_that_they_hide(mounted: Mounted) -> None:
    check_listings(mounted)


def test_and_so_do_those_of_buckets(in_buckets: Mounted) -> None:
    check_listings(in_buckets)


def check_listings(mounted: Mounted) -> None:
    fs, outer, inner = mounted
    found = {name: fs.info(name)["type"] for name in fs.ls(outer)}
    assert found == {
        f"{outer}/deep": "directory",
        f"{outer}/dir": "directory",
        f"{inner}/lake": "directory",
        f"{outer}/lakes": "directory",
        f"{outer}/top": "file",
    }
    assert fs.ls(f"{outer}/deep") == [f"{inner}/deep/er"]
    assert sorted(fs.ls(f"{outer}/lake")) == [f"{inner}/lake/dir", f"{inner}/lake/f"]
    visible = {
        **{f"{outer}/{name}": data for name, data in OUTER.items() if not name.startswith("lake/")},
        **{f"{inner}/{name}": data for name, data in INNER.items() if name != "unseen"},
    }
    assert fs.find(outer) == sorted(visible)
    assert fs.du(outer, total=False) == {name: len(data) for name, data in visible.items()}
    assert {name for _, _, files in fs.walk(outer, detail=True) for name in map(_name, files.values())} == set(visible)
    assert fs.info(f"{inner}/lake/f")["size"] == len(INNER["lake/f"]), "what was listed is not the hidden file's"
    assert {name: fs.cat_file(name) for name in visible} == visible
    with pytest.raises(FileNotFoundError):
        fs.info(f"{outer}/lake/hidden")


def _name(info: Dict[str, Any]) -> str:
    return str(info["name"])


def test_a_tree_is_copied_out_of_all_of_them(mounted: Mounted, tmp_path: Path) -> None:
    fs, outer, _ = mounted
    expected = {name: data for name, data in {**OUTER, **INNER}.items() if name not in ("lake/hidden", "unseen")}
    fs.get(outer, str(tmp_path / "got"), recursive=True)
    assert {
        str(file.relative_to(tmp_path / "got")): file.read_bytes()
        for file in (tmp_path / "got").rglob("*")
        if file.is_file()
    } == expected
    there = f"{outer}/dir/copy"
    fs.cp(outer, there, recursive=True)
    assert {name[len(there) + 1 :]: data for name, data in fs.cat(there, recursive=True).items()} == expected


def test_a_directory_with_others_in_it_is_not_removed_as_one(mounted: Mounted) -> None:
    fs, outer, inner = mounted
    before = fs.find(outer)
    for name in (outer, f"{outer}/deep"):
        for remove in (functools.partial(fs.rm, recursive=True), fs.rmdir):
            with pytest.raises(OSError, match="prefixes of other under stores") as caught:
                remove(name)
            assert caught.value.errno == errno.EBUSY
    assert fs.find(outer, refresh=True) == before, "nothing was removed"
    fs.rm(f"{inner}/lake", recursive=True, sync_parent=True)
    fs.rm(f"{outer}/dir", recursive=True)
    assert fs.find(outer, refresh=True) == sorted([f"{inner}/deep/er/c", f"{outer}/lakes/a", f"{outer}/top"])


def test_nor_is_what_others_have_there_removed_level_by_level(mounted: Mounted) -> None:
    fs, outer, inner = mounted
    before = fs.find(outer)
    for depth in (1, 2, 9):
        with pytest.raises(OSError, match="prefixes of other under stores") as caught:
            fs.rm(outer, recursive=True, maxdepth=depth)
        assert caught.value.errno == errno.EBUSY
    assert fs.find(outer, refresh=True) == before, "nothing was removed"
    fs.pipe_file(f"{outer}/up/deep/f", b"1")
    fs.rm([f"{outer}/up", f"{outer}/dir", f"{inner}/lake"], recursive=True, maxdepth=3)
    assert fs.find(outer, refresh=True) == sorted([f"{inner}/deep/er/c", f"{outer}/lakes/a", f"{outer}/top"])


def test_the_directory_above_a_prefix_is_the_one_that_lists_it(mounted: Mounted) -> None:
    fs, outer, inner = mounted
    assert fs._parent(f"{inner}/lake") == outer
    assert fs._parent(f"{inner}/lake/f") == f"{inner}/lake"
    assert fs._parent(f"{inner}/deep/er") == f"{outer}/deep"
    assert fs._parent(outer) == fs._parent(f"{inner}")


def test_a_directory_with_others_in_it_moves_file_by_file(mounted: Mounted) -> None:
    fs, outer, inner = mounted
    fs.mv(f"{outer}/deep", f"{outer}/moved")
    assert fs.cat(f"{outer}/moved", recursive=True) == {f"{outer}/moved/er/c": b"88"}
    fs.mv(f"{outer}/moved", f"{outer}/deep/")
    assert fs.find(f"{outer}/deep", refresh=True) == [f"{outer}/deep/moved/er/c"]
    fs.mv(f"{outer}/deep/moved/er", f"{outer}/deep/er")
    assert fs.find(f"{outer}/deep", refresh=True) == [f"{inner}/deep/er/c"], "back into the store that it came from"
