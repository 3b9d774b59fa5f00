"""``alluxiofs cache stats`` and ``ls``, and which page store they look into."""

from __future__ import annotations

import datetime
import json
import shutil
import sys
import time
from pathlib import Path

import fsspec
import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.gateway.naming import decode_name, encode_name
from alluxiofs.interfaces import Version
from tests.cli.cache.conftest import PAGE, SIZES, Kept, content, write
from tests.cli.conftest import Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the page store on disk needs Linux or macOS")

# --- which page store -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["stats"], ["ls"], ["verify"], ["clear", "--yes"], ["evict", "--older-than", "1d"]])
def test_nothing_is_made_by_looking(kept: Kept, words: list[str]) -> None:
    missing = kept(*words)
    assert (missing.code, missing.output, len(missing.error_lines)) == (3, b"", 1)
    assert missing.errors.startswith(f"alluxiofs: {kept.pages}: there is no page store here")
    assert not kept.pages.exists()
    kept.pages.mkdir()
    (kept.pages / "something").write_bytes(b"else")
    other = kept(*words)
    assert (other.code, other.output) == (3, b"")
    assert [entry.name for entry in kept.pages.iterdir()] == ["something"]


def test_by_default_it_is_the_one_in_the_cache_folder(
    command: Command, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert command("cache", "stats").code == 3
    # Of a capacity of its own: filesystems share what is alike, and others may have been made with another folder.
    choice = {"name": "disk", "capacity": "1GB"}
    fs = AlluxioFileSystem(target_protocol="file", page_store=choice, skip_instance_cache=True)
    fs.cat_file(f"{kept.files}/one")
    stats = command("cache", "stats", "--json").json()
    assert (stats["pages"], stats["files"]) == (1, 1)
    # Less if a tenth of what is free is, which others use meanwhile.
    assert stats["capacity"] == pytest.approx(fs.describe()["counters"]["page_store"]["capacity"], rel=0.1)
    assert str(tmp_path) in stats["folders"][0]["path"]


def test_it_is_named_as_elsewhere(command: Command, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.read("one")
    choice = kept.arguments()["page_store"]
    by_json = command("cache", "stats", "--json", "--page-store", json.dumps(choice)).json()
    assert (by_json["pages"], by_json["capacity"]) == (1, 100 << 20)
    by_setting = command("cache", "stats", "--json", "--page-store", "disk", "-o", f"page_store.path={kept.pages}")
    assert by_setting.json()["pages"] == 1
    tiered = json.dumps({"name": "tiered", "disk": {"path": str(kept.pages)}})
    assert command("cache", "stats", "--json", "--page-store", tiered).json()["pages"] == 1
    monkeypatch.setitem(fsspec.config.conf, "alluxiofs", {"page_store": choice})
    assert command("cache", "stats", "--json").json() == by_json


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--page-store", "memory"], "in memory is that of one process"),
        (["--page-store", "none"], "has no page store"),
        (["--page-store", "dsk"], "'disk'"),
        (["--page-store", "disk", "--path", "/x"], "give one of them"),
    ],
)
def test_a_page_store_that_nobody_can_look_into(command: Command, words: list[str], hint: str) -> None:
    outcome = command("cache", "stats", *words)
    assert (outcome.code, len(outcome.error_lines)) == (2, 1)
    assert hint in outcome.errors


def test_several_folders_are_added_up(command: Command, kept: Kept, tmp_path: Path) -> None:
    folders = [str(tmp_path / "disk 1"), str(tmp_path / "disk 2")]
    store = {"name": "disk", "path": folders, "capacity": ["100MB", "80MB"]}
    fs = AlluxioFileSystem(**{**kept.arguments(), "page_store": store})
    write(kept.files / "wide", content("wide", 100 * PAGE))  # so many pages that each folder gets some
    fs.cat_file(f"{kept.files}/wide")
    paths = [word for folder in folders for word in ("--path", folder)]
    by_path = command("cache", "stats", "--json", *paths).json()
    by_choice = command("cache", "stats", "--json", "--page-store", json.dumps(store)).json()
    assert by_path["pages"] == by_choice["pages"] == 100
    assert [folder["path"] for folder in by_path["folders"]] == folders
    assert all(0 < folder["pages"] < 100 for folder in by_path["folders"])
    assert by_path["capacity"] == 180 << 20, "the folders know it"
    assert [folder["capacity"] for folder in by_choice["folders"]] == [100 << 20, 80 << 20]
    # The note is in one of them, whatever the order that they are named in.
    for order in (paths, [*paths[2:], *paths[:2]]):
        (entry,) = command("cache", "ls", "--json", *order).json()
        assert (entry["url"], entry["percent"]) == (f"{kept.url}/wide", 100)
    assert command("cache", "evict", f"{kept.url}/wide", *paths).lines == ["dropped 1 file, 100 pages (1.6M)"]
    beside = command("cache", "stats", "--json", "--path", folders[0], "--path", tmp_path / "missing")
    assert (beside.code, beside.json()["pages"]) == (3, 0)


def test_a_folder_that_cannot_be_used_does_not_keep_the_others_from_their_turn(kept: Kept, tmp_path: Path) -> None:
    kept.read("one")
    open_to_all, broken = tmp_path / "open to all", tmp_path / "broken"
    shutil.copytree(kept.pages, open_to_all)
    open_to_all.chmod(0o777)
    shutil.copytree(kept.pages, broken)
    broken.chmod(0o700)
    next(broken.rglob("control")).write_bytes(b"something else")
    for command in ("stats", "ls", "verify"):
        outcome = kept(command, "--path", open_to_all, "--path", broken)
        assert (outcome.code, len(outcome.error_lines)) == (1, 2)
        assert "chmod go-w" in outcome.errors
        assert outcome.output != b""


# --- what there is ----------------------------------------------------------------------------------------------


def test_stats(kept: Kept) -> None:
    kept.read()
    before = time.time()
    stats = kept("stats", "--json").json()
    assert (stats["files"], stats["pages"], stats["pinned_pages"]) == (4, 16, 0)
    assert stats["page_bytes"] == sum(SIZES.values())
    assert stats["bytes"] >= stats["page_bytes"]
    oldest = datetime.datetime.fromisoformat(stats["oldest"])
    assert oldest.utcoffset() == datetime.timedelta(0)
    assert before - 60 < oldest.timestamp() <= before
    text = {line.split()[0]: line for line in kept("stats").lines}
    assert text["pages"].split() == ["pages", "16"]
    assert text["files"].split() == ["files", "4"]
    assert "hits" not in kept("stats", "--json").output.decode()


@pytest.mark.parametrize("below", [True, False], ids=["below a prefix", "anywhere"])
def test_ls_says_that_nothing_is_kept(kept: Kept, below: bool) -> None:
    kept.read("one")
    words = [f"{kept.url}/sub"] if below else []
    if not below:
        kept("clear", "--yes")
        kept.store().put_note(bytes(16), b"no name")  # a store with nothing in it
    nothing = kept("ls", *words)
    assert (nothing.code, nothing.output) == (0, b"")
    assert nothing.error_lines == ["alluxiofs: nothing is kept" + f" below {kept.url}/sub" * below]
    as_json = kept("ls", "--json", *words)
    assert (as_json.code, as_json.json(), as_json.errors) == (0, [], ""), "who reads JSON sees that the array is empty"


def test_ls(kept: Kept) -> None:
    kept.read()
    heading, *lines = kept("ls").lines
    assert heading.split() == ["KEPT", "OF", "%", "PAGES", "PINNED", "FILE"]
    assert [line.split(maxsplit=5)[5] for line in lines] == sorted(f"{kept.url}/{name}" for name in SIZES)
    assert lines[0].split()[:5] == ["160K", "160K", "100", "11", "-"]
    assert list(kept.listed()) == sorted(SIZES)
    for name, entry in kept.listed().items():
        info = kept.program().info(f"{kept.files}/{name}")
        assert (entry["bytes"], entry["length"], entry["percent"]) == (SIZES[name], SIZES[name], 100)
        assert (entry["url"], entry["version"]) == (info["ufs_path"], info["version"])


def test_ls_of_a_part_of_a_file(kept: Kept) -> None:
    fs = kept.program()
    fs.cat_file(f"{kept.files}/large", 3 * PAGE, 5 * PAGE)
    entry = kept.listed()["large"]
    assert (entry["bytes"], entry["pages"], entry["percent"]) == (2 * PAGE, 2, 19)


def test_a_prefix_ends_where_names_end(kept: Kept) -> None:
    kept.read()
    for prefix in (f"{kept.url}/sub", f"{kept.url}/sub/", f"alluxiofs://{kept.url}/sub", f"alluxiofs::{kept.url}/sub"):
        assert list(kept.listed(prefix)) == ["sub/a b#1"]
    assert list(kept.listed(f"{kept.files}/sub", "--target-protocol", "file")) == ["sub/a b#1"]
    assert list(kept.listed(f"{kept.url}/large")) == ["large"]
    assert len(kept.listed("file://")) == 4
    assert kept("ls", "s3://bucket").output == b""
    assert kept("ls", "s3://bucket", "--json").json() == []


def test_two_versions_of_a_file_are_two_entries(kept: Kept) -> None:
    kept.read("one")
    write(kept.files / "one", b"another one")
    kept.program().cat_file(f"{kept.files}/one", refresh=True)
    entries = kept("ls", "--json").json()
    assert sorted(entry["length"] for entry in entries) == [1, 11]
    assert kept("evict", f"{kept.url}/one").lines == ["dropped 2 files, 2 pages (12)"]


def test_pages_of_unknown_files_are_listed_by_their_key(kept: Kept) -> None:
    kept.read("large", "one")
    store = kept.store()
    key = kept.listed()["large"]["keys"][0]
    store.drop_notes([bytes.fromhex(key)])
    store.put_note(bytes(16), b"no name")
    last = kept("ls").lines[-1].split()
    assert (last[1], last[-1]) == ("-", key)
    stats = kept("stats", "--json").json()
    assert (stats["files"], stats["files_of_unknown_name"]) == (2, 1)
    assert kept("evict", "--older-than", "0s").lines == [
        "dropped 1 file, 1 page (1)"
    ]  # how old the other is is unknown
    assert list(kept.listed()) == ["None"]
    assert kept("evict", key, "--json").json() == {
        "files": 1,
        "pages": 11,
        "bytes": SIZES["large"],
        "parts": 0,
        "part_bytes": 0,
    }
    assert kept.listed() == {}


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b"[" * 10000,
        b'{"url": "a"}',
        pytest.param(encode_name("s3://a", Version(), 0, 1), id="a name of no bytes"),  # it holds the time of now
    ],
)
def test_a_note_that_is_no_name(note: bytes) -> None:
    assert decode_name(note) is None


def test_a_name_comes_back_as_it_was_without_credentials() -> None:
    odd = "http://user:word@host/a b%41#?\u00fc\udcff"
    name = decode_name(encode_name(odd, Version(tag="etag:x", length=9), 9, 4))
    assert name is not None
    assert name.url == odd.replace("user:word", "***")
    assert (name.version, name.length, name.page_size) == ("x/9/-", 9, 4)
