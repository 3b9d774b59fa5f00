"""``alluxiofs cache pin``, ``unpin``, ``evict``, ``clear`` and ``verify``."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from tests.cli.cache.conftest import PAGE, SIZES, Kept, content, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the page store on disk needs Linux or macOS")

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


def test_what_was_kept_of_a_file_that_does_not_fit_is_not_pinned_either(kept: Kept) -> None:
    write(kept.files / "huge", content("huge", 4 << 20))
    kept.program("1MB").cat_file(f"{kept.files}/huge", 0, 2 * PAGE)
    assert kept.pin(f"{kept.url}/huge", capacity="1MB").code == 1
    assert kept("stats", "--json").json()["pinned_pages"] == 0


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


def test_parts_of_pages_are_told_apart_from_pages(kept: Kept) -> None:
    write(kept.files / "parted", content("parted", 4 << 20))
    fs = AlluxioFileSystem(**{**kept.arguments(), "options": {"alluxio.worker.page.store.page.size": "1MB"}})
    with fs.open(f"{kept.files}/parted", block_size=1, cache_type="none") as file:
        for offset in (1 << 20, 3 << 20):
            file.seek(offset + 5)
            file.read(10)
        file.seek(0)
        file.read()
    evict = ("evict", f"{kept.url}/parted")
    assert kept(*evict).lines == ["dropped 1 file, 4 pages (4.0M), 2 parts of pages (128K)"]
    assert kept(*evict, "--json").json() == {"files": 0, "pages": 0, "bytes": 0, "parts": 0, "part_bytes": 0}


def test_what_is_kept_of_an_open_file_after_it_was_evicted_has_its_name_again(kept: Kept) -> None:
    write(kept.files / "huge", content("huge", 4 << 20))
    with kept.program().open(f"{kept.files}/huge") as file:
        file.read(10)
        assert kept("evict", f"{kept.url}/huge", "--json").json()["files"] == 1
        deadline = time.monotonic() + 30
        for offset in range(PAGE, 4 << 20, PAGE):  # what is kept at once may have none: it is not noted each time
            file.seek(offset)
            file.read(10)
            if "huge" in kept.listed():
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert kept("evict", f"{kept.url}/huge", "--json").json()["files"] == 1
    assert kept("stats", "--json").json()["pages"] == 0


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
    kept.store().put_note(bytes.fromhex(entry["keys"][0]), json.dumps(name).encode())
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
