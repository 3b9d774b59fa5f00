"""``alluxiofs cache`` on real page stores on disk."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator

import fsspec
import pytest
from attrs import frozen

from alluxiofs.filesystem import AlluxioFileSystem
from alluxiofs.gateway.naming import decode_name, encode_name
from alluxiofs.interfaces import Version
from tests.cli.conftest import Command, Outcome

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the page store on disk needs Linux or macOS")

PAGE = 16 << 10
SIZES = {"one": 1, "large": 10 * PAGE + 1, "sub/a b#1": PAGE, "subway": 3 * PAGE}


def content(name: str, size: int) -> bytes:
    """Bytes that only this file has."""
    piece = f"{name};".encode()
    return (piece * (size // len(piece) + 1))[:size]


@frozen
class Kept:
    """A folder of files, and the folder of a page store that programs keep them in."""

    command: Command
    files: Path
    pages: Path

    @property
    def url(self) -> str:
        return f"file://{self.files}"

    def arguments(self, capacity: str = "100MB") -> Dict[str, Any]:
        return {
            "target_protocol": "file",
            "page_store": {"name": "disk", "path": str(self.pages), "capacity": capacity},
            "options": {"alluxio.worker.page.store.page.size": PAGE},
        }

    def program(self, capacity: str = "100MB") -> AlluxioFileSystem:
        """What a program reads with."""
        return AlluxioFileSystem(**self.arguments(capacity))

    def read(self, *names: str) -> None:
        """Have a program read files."""
        fs = self.program()
        for name in names or SIZES:
            assert fs.cat_file(f"{self.files}/{name}") == content(name, SIZES[name])

    def __call__(self, command: str, *words: object) -> Outcome:
        """Run ``alluxiofs cache`` on the folder of pages."""
        return self.command("cache", command, *words, "--path", self.pages)

    def pin(self, *words: object, capacity: str = "100MB") -> Outcome:
        """Run ``alluxiofs cache pin`` with the program's arguments."""
        store = json.dumps(self.arguments(capacity)["page_store"])
        page_size = f"options.alluxio.worker.page.store.page.size={PAGE}"
        return self.command("cache", "pin", *words, "--page-store", store, "-o", page_size)

    def listed(self, *words: object) -> Dict[str, Any]:
        """What is kept, by the names of the files."""
        entries = self("ls", "--json", *words).json()
        return {str(entry["url"]).replace(f"{self.url}/", ""): entry for entry in entries}


def write(path: Path, data: bytes) -> None:
    """Write a file that changed some time ago: what was written just now may change again unseen, so that nothing kept
    of it is found again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    settled = time.time() - 3600
    os.utime(path, (settled, settled))


@pytest.fixture
def kept(command: Command, tmp_path: Path) -> Kept:
    files = tmp_path / "files"
    for name, size in SIZES.items():
        write(files / name, content(name, size))
    return Kept(command, files, tmp_path / "pages")


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
    fs = AlluxioFileSystem(target_protocol="file", page_store="disk")
    fs.cat_file(f"{kept.files}/one")
    stats = command("cache", "stats", "--json").json()
    assert (stats["pages"], stats["files"]) == (1, 1)
    # A tenth of what is free, which others use meanwhile, or 10 GB.
    assert stats["capacity"] == pytest.approx(fs.gateway.parts.page_store.counters()["capacity"], rel=0.1)
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
    assert by_path["capacity"] is None
    assert [folder["capacity"] for folder in by_choice["folders"]] == [100 << 20, 80 << 20]
    # The note is in one of them, whatever the order that they are named in.
    for order in (paths, [*paths[2:], *paths[:2]]):
        (entry,) = command("cache", "ls", "--json", *order).json()
        assert (entry["url"], entry["percent"]) == (f"{kept.url}/wide", 100)
    assert command("cache", "evict", f"{kept.url}/wide", *paths).lines == ["dropped 1 file, 100 pages (1.6M)"]
    beside = command("cache", "stats", "--json", "--path", folders[0], "--path", tmp_path / "missing")
    assert (beside.code, beside.json()["pages"]) == (3, 0)


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
    store = kept.program().gateway.parts.page_store
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
    assert kept("evict", key, "--json").json() == {"files": 1, "pages": 11, "bytes": SIZES["large"]}
    assert kept.listed() == {}


@pytest.mark.parametrize(
    "note",
    [b"", b"\xff", b"[]", b"null", b"{}", b"[" * 10000, b'{"url": "a"}', encode_name("s3://a", Version(), 0, 1)],
)
def test_a_note_that_is_no_name(note: bytes) -> None:
    assert decode_name(note) is None


def test_a_name_comes_back_as_it_was_without_credentials() -> None:
    odd = "http://user:word@host/a b%41#?\u00fc\udcff"
    name = decode_name(encode_name(odd, Version(tag="etag:x", length=9), 9, 4))
    assert name is not None
    assert name.url == odd.replace("user:word", "***")
    assert (name.version, name.length, name.page_size) == ("x/9/-", 9, 4)


# --- pinning ----------------------------------------------------------------------------------------------------


def test_what_is_pinned_is_whole_and_stays_when_room_is_needed(kept: Kept) -> None:
    kept.program("1MB").cat_file(f"{kept.files}/large", 0, 10)
    assert kept.pin(f"{kept.url}/large", capacity="1MB").lines == ["pinned 1 file, 11 pages (160K)"]
    write(kept.files / "huge", content("huge", 4 << 20))
    fs = kept.program("1MB")
    assert fs.cat_file(f"{kept.files}/huge") == content("huge", 4 << 20)
    listed = kept.listed()
    assert (listed["large"]["percent"], listed["large"]["pinned_pages"]) == (100, 11)
    assert listed["huge"]["percent"] < 100
    assert kept("unpin", f"{kept.url}/large").lines == ["unpinned 1 file, 11 pages"]
    assert kept.listed()["large"]["pinned_pages"] == 0


def test_a_directory_is_pinned_with_all_that_is_in_it(kept: Kept) -> None:
    without = kept.pin(kept.url)
    assert (without.code, len(without.error_lines)) == (1, 1)
    assert "use -r" in without.errors
    assert kept.pin("-r", kept.url, "--json").json() == {"files": 4, "pages": 16, "bytes": sum(SIZES.values())}
    assert kept("unpin", kept.url).code == 1
    assert kept("stats", "--json").json()["pinned_pages"] == 16
    assert kept("unpin", "-r", f"{kept.url}/sub", "--json").json() == {"files": 1, "pages": 1}
    assert kept("unpin", "--prefix", kept.url, "--json").json() == {"files": 3, "pages": 15}


def test_what_does_not_fit_is_not_pinned(kept: Kept) -> None:
    write(kept.files / "huge", content("huge", 4 << 20))
    outcome = kept.pin(f"{kept.url}/huge", f"{kept.url}/one", capacity="1MB")
    assert outcome.code == 1
    assert f"{kept.url}/huge: " in outcome.errors
    assert "are not kept" in outcome.errors
    assert outcome.lines == ["pinned 1 file, 1 page (1)"]
    assert kept("stats", "--json").json()["pinned_pages"] == 1


def test_pin_tells_what_is_wrong(kept: Kept) -> None:
    missing = kept.pin(f"{kept.url}/missing", f"{kept.url}/one")
    assert (missing.code, missing.lines) == (3, ["pinned 1 file, 1 page (1)"])
    nowhere = kept.command("cache", "pin", f"{kept.url}/one")
    assert (nowhere.code, "--page-store disk" in nowhere.errors) == (2, True)
    memory = kept.command("cache", "pin", f"{kept.url}/one", "--page-store", "memory")
    assert (memory.code, "cannot pin" in memory.errors) == (1, True)


def test_a_file_that_changed_a_moment_ago_is_pinned_once_it_is_settled(kept: Kept) -> None:
    (kept.files / "new").write_bytes(b"new")
    assert kept.pin(f"{kept.url}/new").lines == ["pinned 1 file, 1 page (3)"]
    fs = kept.program()
    fetched = fs.describe()["counters"]["bytes_from_under_stores"]
    assert fs.cat_file(f"{kept.files}/new", refresh=True) == b"new"
    assert fs.describe()["counters"]["bytes_from_under_stores"] == fetched


# --- dropping ---------------------------------------------------------------------------------------------------


def test_evict(kept: Kept) -> None:
    kept.read()
    assert kept("evict", f"{kept.url}/one").lines == ["dropped 1 file, 1 page (1)"]
    assert kept("evict", f"{kept.url}/one").lines == ["dropped 0 files, 0 pages (0)"]
    directory = kept("evict", f"{kept.url}/sub")
    assert directory.code == 1
    assert directory.error_lines == [
        f"alluxiofs: {kept.url}/sub: is a directory with 1 kept file below it (use -r to take these)"
    ]
    assert kept("evict", f"{kept.url}/sub", "-r").code == 0
    assert sorted(kept.listed()) == ["large", "subway"]
    assert kept("evict", "--prefix", kept.url, "--older-than", "1h").lines == ["dropped 0 files, 0 pages (0)"]
    assert kept("evict", "--prefix", f"{kept.url}/l").lines == ["dropped 0 files, 0 pages (0)"]
    assert kept("evict", "--prefix", kept.url, "--json").json()["files"] == 2
    assert kept("ls").output == b""
    kept.read()


@pytest.mark.parametrize(
    ("words", "hint"),
    [([], "--prefix URL"), (["--older-than", "soon"], "'30s'"), (["relative"], "which store is it in?")],
)
def test_evict_says_what_it_needs(kept: Kept, words: list[str], hint: str) -> None:
    kept.read("one")
    outcome = kept("evict", *words)
    assert (outcome.code, len(outcome.error_lines)) == (2, 1)
    assert hint in outcome.errors
    assert list(kept.listed()) == ["one"]


def test_an_age(kept: Kept) -> None:
    kept.read("one")
    entry = kept.listed()["one"]
    name = {"url": entry["url"], "version": "", "length": 1, "page_size": PAGE, "kept_since": int(time.time()) - 7200}
    kept.program().gateway.parts.page_store.put_note(bytes.fromhex(entry["keys"][0]), json.dumps(name).encode())
    kept.read("large")
    assert "oldest    kept 2 hours ago" in kept("stats").lines
    assert kept("evict", "--older-than", "3h", "--json").json()["files"] == 0
    assert kept("evict", "--older-than", "1h", "--json").json()["files"] == 1
    assert list(kept.listed()) == ["large"]


def test_clear(kept: Kept) -> None:
    kept.read()
    kept.pin(f"{kept.url}/one")
    refused = kept("clear")
    assert (refused.code, "--yes" in refused.errors) == (2, True)
    pages = kept("stats", "--json").json()["pages"]
    assert kept("clear", "--yes", "--json").json()["pages"] == pages >= 16
    assert kept("stats", "--json").json()["pages"] == 0
    kept.read()


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, 0), (b"n\n", 1, 1), (b"\x04", 130, 1)])
def test_clear_asks_on_a_terminal(kept: Kept, answer: bytes, code: int, left: int) -> None:
    import pty

    kept.read("one")
    ours, theirs = pty.openpty()
    with contextlib.closing(os.fdopen(ours, "wb", buffering=0)) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "alluxiofs", "cache", "clear", "--path", str(kept.pages)],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            os.close(theirs)
            terminal.write(answer)
            output, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"Drop 1 page, all there is, in {kept.pages}?" in errors.decode()
    assert output.startswith(b"dropped 1 page (") is not bool(left)
    assert kept("stats", "--json").json()["pages"] == left


# --- checking ---------------------------------------------------------------------------------------------------


def break_a_page(pages: Path) -> None:
    """Flip a bit of the content of a kept file."""
    needle = content("large", 64)
    for path in pages.rglob("*.pages"):
        data = bytearray(path.read_bytes())
        at = data.find(needle)
        if at >= 0:
            with path.open("r+b") as file:
                file.seek(at)
                file.write(bytes([data[at] ^ 1]))
            return
    raise AssertionError("no page is there")


def test_verify_drops_what_is_broken(kept: Kept) -> None:
    kept.read()
    whole = kept("verify")
    assert (whole.code, whole.lines) == (0, [f"{kept.pages}: 16 pages right, none broken"])
    break_a_page(kept.pages)
    broken = kept("verify", "--json")
    assert broken.code == 1
    assert (broken.json()["right"], broken.json()["broken"]) == (15, 1)
    assert kept("verify").lines == [f"{kept.pages}: 15 pages right, none broken"]
    kept.read()


# --- while others read ------------------------------------------------------------------------------------------

READER = """
import json, pathlib, sys
from alluxiofs.filesystem import AlluxioFileSystem

arguments, folder, files, stop = json.loads(sys.argv[1])
fs = AlluxioFileSystem(**arguments)
rounds = 0
print("ready", flush=True)
while rounds < 3 or not pathlib.Path(stop).exists():
    for name, size in files.items():
        piece = f"{name};".encode()
        found = fs.cat_file(f"{folder}/{name}")
        if found != (piece * (size // len(piece) + 1))[:size]:
            sys.exit(f"wrong bytes of {name} in round {rounds}")
    rounds += 1
print(rounds)
"""


@pytest.fixture
def reader(kept: Kept, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that reads all files again and again until the test is done, and must never see a wrong byte."""
    stop = tmp_path / "stop"
    words = json.dumps([kept.arguments(), str(kept.files), SIZES, str(stop)])
    process = subprocess.Popen(
        [sys.executable, "-c", READER, words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path.cwd()
    )
    with process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            stop.touch()
            output, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, b"")
        assert int(output) >= 3


@pytest.mark.usefixtures("reader")
def test_all_of_it_while_another_process_reads(kept: Kept) -> None:
    kept.read()
    for _ in range(3):
        for words in (
            ["stats"],
            ["ls"],
            ["verify"],
            ["evict", f"{kept.url}/large"],
            ["evict", "--prefix", kept.url],
            ["unpin", "-r", kept.url],
            ["clear", "--yes"],
        ):
            outcome = kept(*words)
            assert (outcome.code, outcome.errors) == (0, ""), words
        pinned = kept.pin("-r", kept.url)
        assert (pinned.code, pinned.lines) == (0, ["pinned 4 files, 16 pages (224K)"])
