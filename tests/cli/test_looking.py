"""``ls``, ``stat`` and ``cat``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_ls_lists_names_that_can_be_passed_back(command: Command, url: str) -> None:
    listed = command("ls", url)
    assert (listed.code, listed.lines) == (0, [f"{url}/inner", f"{url}/one", f"{url}/two.bin"])
    assert command("cat", listed.lines[1]).output == b"1"


def test_ls_of_a_configured_store_lists_its_own_names(command: Command, store: Path) -> None:
    assert command("ls", "--target-protocol", "file", store).lines == [
        f"{store}/inner",
        f"{store}/one",
        f"{store}/two.bin",
    ]


def test_ls_of_a_file_and_of_several_paths(command: Command, url: str) -> None:
    assert command("ls", f"{url}/one", f"{url}/inner").lines == [f"{url}/one", f"{url}/inner/three"]


def test_ls_recursive_has_everything_below_and_not_the_directory_itself(command: Command, url: str) -> None:
    assert command("ls", "-r", url).lines == [
        f"{url}/inner",
        f"{url}/inner/three",
        f"{url}/one",
        f"{url}/two.bin",
    ]


def test_ls_long_has_mode_size_time_and_name(command: Command, url: str, store: Path) -> None:
    (store / "two.bin").chmod(0o640)
    line = command("ls", "-l", url).lines[-1].split()
    assert line[:2] == ["-rw-r-----", "2048"]
    assert line[-1] == f"{url}/two.bin"
    assert command("ls", "-lh", url).lines[-1].split()[1] == "2.0K"


def test_ls_json_is_one_array_with_all_that_is_known(command: Command, url: str) -> None:
    entries = command("ls", "--json", url, f"{url}/inner").json()
    assert [(entry["type"], entry["size"]) for entry in entries[1:]] == [("file", 1), ("file", 2048), ("file", 3)]
    assert entries[0]["type"] == "directory"
    assert entries[1]["ufs_path"] == f"{url}/one"


def test_names_in_json_can_be_passed_back_in(command: Command, url: str, store: Path) -> None:
    (store / "a b#c").write_bytes(b"odd")
    for listed in (command("ls", "--json", url).json(), [command("stat", "--json", f"{url}/a b#c").json()]):
        (odd,) = (entry for entry in listed if entry["size"] == 3)
        assert odd["name"] == odd["ufs_path"] == f"{url}/a b#c"
        assert command("cat", odd["name"]).output == b"odd"
    configured = command("ls", "--json", "--target-protocol", "file", store).json()
    assert [entry["name"] for entry in configured] == [
        f"{store}/{name}" for name in ("a b#c", "inner", "one", "two.bin")
    ]


def test_times_in_json_are_iso_8601_in_utc(command: Command, url: str, store: Path) -> None:
    os.utime(store / "one", (1_700_000_000, 1_700_000_000.25))
    for entry in (command("ls", "--json", f"{url}/one").json()[0], command("stat", "--json", f"{url}/one").json()):
        assert entry["modified"] == entry["mtime"] == "2023-11-14T22:13:20.250000+00:00"
        assert list(entry)[:3] == ["name", "type", "size"]


def test_ls_of_an_empty_directory_is_empty_and_of_nothing_an_error(command: Command, url: str, store: Path) -> None:
    (store / "empty").mkdir()
    for options in ([], ["-r"]):
        assert command("ls", *options, f"{url}/empty").lines == []
        missing = command("ls", *options, f"{url}/missing")
        assert missing.code == 3
        assert missing.error_lines == [f"alluxiofs: {url}/missing: No such file or directory"]


def test_stat_shows_what_is_known(command: Command, url: str) -> None:
    shown = dict(line.split(":", 1) for line in command("stat", f"{url}/two.bin").lines)
    assert shown["type"].strip() == "file"
    assert shown["size"].strip() == "2048 (2.0K)"


def test_stat_json_is_one_object_a_line(command: Command, url: str) -> None:
    assert command("stat", "--json", f"{url}/one").json()["size"] == 1
    assert len(command("stat", "--json", f"{url}/one", f"{url}/inner").lines) == 2


def test_cat_joins_files_byte_for_byte(command: Command, url: str) -> None:
    assert command("cat", f"{url}/two.bin", f"{url}/one").output == bytes(range(256)) * 8 + b"1"


def test_one_bad_path_does_not_keep_the_others_from_their_turn(command: Command, url: str) -> None:
    outcome = command("cat", f"{url}/missing", f"{url}/one")
    assert (outcome.code, outcome.output) == (3, b"1")
    assert len(outcome.error_lines) == 1


def test_cat_of_a_directory_is_an_error(command: Command, url: str) -> None:
    outcome = command("cat", url)
    assert outcome.code == 1
    assert outcome.errors.startswith("alluxiofs: ")


@pytest.mark.parametrize("name", ["a b", "%41", "a#b?c&d", "=+*[x]", "grüße-漢字", "x" * 255])
def test_odd_names(command: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(name.encode())
    assert command("ls", f"file://{tmp_path}").lines == [f"file://{tmp_path}/{name}"]
    assert command("cat", f"file://{tmp_path}/{name}").output == name.encode()


@pytest.mark.parametrize(
    "spelling", ["alluxiofs://file://{}", "alluxio://file://{}", "alluxiofs::file://{}", "file://{}"]
)
def test_spellings_of_a_path(command: Command, store: Path, spelling: str) -> None:
    assert command("cat", spelling.format(store / "one")).output == b"1"


def test_cat_in_bounded_memory(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as target:
        target.truncate(600 << 20)
    # What the interpreter has allocated at most; the system's own figure would begin with that of the parent process.
    script = (
        "import sys, tracemalloc; from alluxiofs.cli import main; tracemalloc.start();"
        "code = main(['cat', sys.argv[1]]); print(code, tracemalloc.get_traced_memory()[1], file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, f"file://{file}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    code, peak = map(int, run.stderr.split())
    assert code == 0
    assert peak < 64 << 20


def test_cat_ends_quietly_when_nobody_reads_any_more(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as target:
        target.truncate(64 << 20)
    process = subprocess.Popen(
        [sys.executable, "-m", "alluxiofs", "cat", f"file://{file}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.read(10) == bytes(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 141
