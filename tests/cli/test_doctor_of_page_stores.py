"""``alluxiofs doctor`` says whether pages are kept; ``describe()`` says what kept them from it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import fsspec
import pytest

from alluxiofs.cli import main
from alluxiofs.cli.doctor.page_store import examine_page_store
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context

DATA = b"a file of a few bytes"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(DATA)
    return tmp_path / "file"


def settings(name: str, folder: Path) -> Dict[str, Any]:
    """One that no other test of this process has, and keeps its pages in: filesystems share those that are alike."""
    disk = {"path": str(folder)}
    of_each: Dict[str, Dict[str, Any]] = {"memory": {"capacity": "77MB"}, "disk": disk, "tiered": {"disk": disk}}
    return {"name": name, **of_each[name]}


def findings(capfd: Any, file: Path, page_store: Dict[str, Any]) -> List[Dict[str, Any]]:
    main(["doctor", str(file), "--json", "-o", "target_protocol=file", "-o", f"page_store={json.dumps(page_store)}"])
    found: List[Dict[str, Any]] = json.loads(capfd.readouterr().out)["findings"]
    return [one for one in found if one["what"].startswith("page store")]


@pytest.mark.parametrize("name", ["memory", "disk", "tiered"])
def test_one_that_keeps_pages(name: str, file: Path, tmp_path: Path, capfd: Any) -> None:
    (found,) = findings(capfd, file, settings(name, tmp_path / "pages"))
    assert (found["what"], found["grade"]) == (f"page store {name}", "ok")
    assert found["facts"]["pages"] == found["facts"]["bytes"] == 0  # what was tried was dropped
    assert found["facts"]["capacity"] > 0
    where = "" if name == "memory" else f" in {tmp_path / 'pages'}"
    assert found["text"].startswith(f"keeps pages{where}: 0 of ")


def test_a_capacity_that_the_disk_has_no_room_for(file: Path, tmp_path: Path, capfd: Any) -> None:
    capacity = 2 * shutil.disk_usage(tmp_path).total
    kept, warned = findings(capfd, file, {**settings("disk", tmp_path / "pages"), "capacity": capacity})
    assert (kept["grade"], warned["grade"]) == ("ok", "warning")
    assert 0 < warned["facts"]["room"] < warned["facts"]["capacity"] == capacity
    assert "name a capacity that it has room for" in warned["advice"]


def test_folders_are_told_before_all_of_them_have_pages(file: Path, tmp_path: Path, capfd: Any) -> None:
    folders = [str(tmp_path / name) for name in "ab"]
    (found,) = findings(capfd, file, {"name": "disk", "path": folders, "capacity": "8MB"})
    assert found["text"] == f"keeps pages in {', '.join(folders)}: 0 of 8.0M are in use"


def test_each_disk_needs_room_for_the_folders_on_it(file: Path, tmp_path: Path, capfd: Any) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs folders on two disks, and /dev/shm is none of its own here")
    with tempfile.TemporaryDirectory(dir=memory) as there:
        free = {one: shutil.disk_usage(one).free for one in (there, str(tmp_path))}
        small, large = sorted(free, key=lambda one: free[one])
        folders = [f"{small}/pages", f"{large}/pages"]
        # All of it together has room, and one of the folders has none.
        capacity = [free[small] + (free[large] - free[small]) // 2, "8MB"]
        store = {"name": "disk", "path": folders, "capacity": capacity}
        _, warned = findings(capfd, file, store)
    assert warned["grade"] == "warning"
    assert f"the capacity of {folders[0]} is " in warned["text"]
    assert warned["facts"]["folders"] == folders[:1]
    assert warned["facts"]["room"] < warned["facts"]["capacity"]


@pytest.mark.parametrize("where", ["text", "list", "address", "nothing"])
def test_a_plugin_says_where_it_keeps_pages_as_it_likes(where: str, tmp_path: Path) -> None:
    described = {"text": str(tmp_path), "list": [str(tmp_path)], "address": "host:6379", "nothing": None}[where]

    class Elsewhere(MemoryPageStore):
        """One of a plugin."""

        name = "elsewhere"

        def describe(self) -> Dict[str, Any]:
            return {"path": described}

    store = Elsewhere(Elsewhere.Settings(capacity=Size("8MB")), make_context(), 2**20)
    fs = fsspec.filesystem("alluxiofs", target_protocol="file", page_store=store)
    (found,) = examine_page_store(fs.gateway)
    folder = f" in {tmp_path}" if where in ("text", "list") else ""
    assert found.text.startswith(f"keeps pages{folder}: 0 of ")


def test_one_thing_is_told_as_one(tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "lake" / "part").mkdir(parents=True)
    (tmp_path / "lake" / "part" / "file").write_bytes(b"1")
    for name, said in (
        ("lake", "1 entry, 1 of them a folder; 1 file was found in it and 1 folder below"),
        ("lake/part", "1 entry"),
        ("lake/part/file", "a file of 1 byte"),
    ):
        main(["doctor", f"file://{tmp_path}/{name}", "--json"])
        found = json.loads(capfd.readouterr().out)["findings"]
        (text,) = (one["text"] for one in found if one["what"] == "under store local")
        assert text == f"file://{tmp_path}/{name}: {said}"


@pytest.mark.parametrize("name", ["disk", "tiered"])
def test_a_folder_that_others_may_write_to(name: str, file: Path, tmp_path: Path, capfd: Any) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    pages.chmod(0o775)
    (found,) = findings(capfd, file, settings(name, pages))
    assert found["grade"] == "wrong"
    assert "others may write to the folder; chmod go-w it" in found["text"]
    assert list(pages.iterdir()) == []


def test_what_is_wrong_is_described(file: Path, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    pages.chmod(0o775)
    arguments = {"target_protocol": "file", "page_store": settings("disk", pages)}
    fs = fsspec.filesystem("alluxiofs", **arguments)
    assert fs.describe()["page_store"]["problem"] is None
    assert fs.cat_file(str(file)) == DATA
    assert "others may write to the folder" in fs.describe()["page_store"]["problem"]
    pages.chmod(0o700)
    other = fsspec.filesystem("alluxiofs", **arguments, metadata_ttl=1)
    assert other.cat_file(str(file)) == DATA
    described = other.describe()
    assert described["page_store"]["problem"] is None
    assert described["counters"]["page_store"]["pages"] == 1
