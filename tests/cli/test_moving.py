"""``get``, ``put``, ``cp``, ``mv`` and ``rm``: what goes where, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import fsspec.config
import pytest

from tests.cli.conftest import Command
from tests.servers import S3Server


def contents(folder: Path) -> Dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- the rules of Unix for what goes where: the same for all that copy ------------------------------------------


@pytest.fixture(params=["get", "put", "cp"])
def copy(request: pytest.FixtureRequest, command: Command) -> Any:
    """Copies paths of this machine by one of the commands, which differ in which side is a URL."""

    def run(*sources: Path, target: str, recursive: bool = False) -> Any:
        from_url = "" if request.param == "put" else "file://"
        to_url = "" if request.param == "get" else "file://"
        options = ["-r"] if recursive else []
        return command(request.param, *options, *(f"{from_url}{source}" for source in sources), f"{to_url}{target}")

    return run


def test_a_file_gets_the_name_of_the_target(copy: Any, store: Path, tmp_path: Path) -> None:
    assert copy(store / "two.bin", target=f"{tmp_path}/new").code == 0
    assert (tmp_path / "new").read_bytes() == (store / "two.bin").read_bytes()


def test_a_file_that_is_there_is_replaced(copy: Any, store: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"old and longer")
    assert copy(store / "one", target=f"{tmp_path}/new").code == 0
    assert (tmp_path / "new").read_bytes() == b"1"


@pytest.mark.parametrize("slash", ["", "/"])
def test_files_go_into_a_directory(copy: Any, store: Path, tmp_path: Path, slash: str) -> None:
    (tmp_path / "there").mkdir()
    assert copy(store / "one", store / "inner" / "three", target=f"{tmp_path}/there{slash}").code == 0
    assert contents(tmp_path / "there") == {"one": b"1", "three": b"333"}


def test_a_slash_at_the_end_says_directory(copy: Any, store: Path, tmp_path: Path) -> None:
    assert copy(store / "one", target=f"{tmp_path}/new/").code == 0
    assert contents(tmp_path / "new") == {"one": b"1"}


def test_several_sources_need_a_directory(copy: Any, store: Path, tmp_path: Path) -> None:
    outcome = copy(store / "one", store / "two.bin", target=f"{tmp_path}/new")
    assert outcome.code == 2
    assert "several sources need a directory" in outcome.errors
    assert not (tmp_path / "new").exists()


def test_a_directory_needs_the_option(copy: Any, store: Path, tmp_path: Path) -> None:
    outcome = copy(store / "inner", store / "one", target=f"{tmp_path}/new/")
    assert outcome.code == 1
    assert outcome.error_lines == [outcome.error_lines[0]]
    assert "use -r" in outcome.errors
    assert contents(tmp_path / "new") == {"one": b"1"}


def test_a_directory_becomes_the_target(copy: Any, store: Path, tmp_path: Path) -> None:
    (store / "empty").mkdir()
    assert copy(store, target=f"{tmp_path}/new", recursive=True).code == 0
    assert contents(tmp_path / "new") == contents(store)
    assert (tmp_path / "new" / "empty").is_dir()


def test_a_directory_goes_into_a_directory(copy: Any, store: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert copy(store, target=f"{tmp_path}/there", recursive=True).code == 0
    assert contents(tmp_path / "there" / "store") == contents(store)


def test_a_directory_does_not_replace_a_file(copy: Any, store: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"mine")
    assert copy(store, target=f"{tmp_path}/new", recursive=True).code == 1
    assert (tmp_path / "new").read_bytes() == b"mine"


def test_nothing_there(copy: Any, store: Path, tmp_path: Path) -> None:
    outcome = copy(store / "missing", store / "one", target=f"{tmp_path}/new/")
    assert outcome.code == 3
    assert contents(tmp_path / "new") == {"one": b"1"}


@pytest.mark.parametrize("name", ["a b", "%41", "a#b?c", "*", "[x]", "grüße"])
def test_names_are_taken_as_they_are(copy: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / name).write_bytes(b"odd")
    (tmp_path / "from" / "another").write_bytes(b"not asked for")
    assert copy(tmp_path / "from" / name, target=f"{tmp_path}/to/").code == 0
    assert contents(tmp_path / "to") == {name: b"odd"}


# --- what each does besides ---------------------------------------------------------------------------------------


def test_get_makes_no_folder_that_was_not_named_as_one(command: Command, url: str, tmp_path: Path) -> None:
    assert command("get", f"{url}/one", tmp_path / "no" / "file").code == 3
    assert not (tmp_path / "no").exists()


def test_put_reads_regular_files_only(command: Command, url: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    outcome = command("put", tmp_path / "pipe", f"{url}/pipe")
    assert outcome.code == 1
    assert "neither a file nor a directory" in outcome.errors


def test_put_takes_the_rest_of_a_folder_in_which_something_cannot_be_taken(
    command: Command, url: str, store: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "file").write_bytes(b"taken")
    (tree / "last").write_bytes(b"taken")
    os.mkfifo(tree / "inner" / "pipe")
    (tree / "dangling").symlink_to(tmp_path / "nothing")
    (tree / "itself").symlink_to(tree / "itself")
    (tree / "round").symlink_to(tree, target_is_directory=True)
    outcome = command("put", "-r", tree, f"{url}/tree")
    assert (outcome.code, len(outcome.error_lines)) == (3, 4)
    for name, said in (
        ("dangling", "No such file or directory"),
        ("itself", "Too many levels of symbolic links"),
        ("inner/pipe", "neither a file nor a directory"),
        ("round", "a symbolic link leads back to a folder that it is in"),
    ):
        assert f"alluxiofs: {tree}/{name}: {said}" in outcome.error_lines
    assert contents(store / "tree") == {"inner/file": b"taken", "last": b"taken"}


def test_put_does_not_follow_a_link_in_circles(command: Command, url: str, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "up").symlink_to(tmp_path / "tree", target_is_directory=True)
    outcome = command("put", "-r", tmp_path / "tree", f"{url}/tree")
    assert outcome.code == 1
    assert "leads back" in outcome.errors


def test_cp_refuses_a_copy_onto_or_into_itself(command: Command, url: str, store: Path) -> None:
    assert command("cp", f"{url}/one", f"{url}/one").code == 2
    assert command("cp", "-r", f"{url}/inner", f"{url}/inner/copy").code == 2
    assert sorted(contents(store)) == ["inner/three", "one", "two.bin"]


def test_cp_and_mv_from_one_store_to_another(
    command: Command, store: Path, url: str, s3_bucket: str, s3_server: S3Server
) -> None:
    options = ["-o", f"target_options={s3_json(s3_server)}", "--page-store", "none"]
    assert command("put", *options, "-r", store, f"s3://{s3_bucket}/tree").code == 0
    assert command("ls", *options, f"s3://{s3_bucket}/tree/inner").lines == [f"s3://{s3_bucket}/tree/inner/three"]
    assert command("mv", *options, f"s3://{s3_bucket}/tree/inner", f"s3://{s3_bucket}/moved").code == 0
    assert command("cat", *options, f"s3://{s3_bucket}/moved/three").output == b"333"
    assert command("rm", *options, f"s3://{s3_bucket}/tree").code == 1
    assert command("rm", *options, "-r", f"s3://{s3_bucket}/tree").code == 0
    assert command("ls", *options, f"s3://{s3_bucket}").lines == [f"s3://{s3_bucket}/moved"]
    assert command("cp", f"{url}/one", "memory:///cli-test/one").code == 0
    assert command("mv", "memory:///cli-test", f"{url}/from-memory").code == 0
    assert (store / "from-memory" / "one").read_bytes() == b"1"
    assert command("ls", "memory:///cli-test").code == 3


@pytest.mark.parametrize("said", ["by options", "by options and protocol", "by the environment"])
def test_options_of_one_store_are_not_those_of_the_other(
    command: Command,
    store: Path,
    url: str,
    s3_bucket: str,
    s3_server: S3Server,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = ["-o", f"target_options={s3_json(s3_server)}"]
    if said == "by options and protocol":
        options += ["--target-protocol", "s3"]
    elif said == "by the environment":
        conf = {"target_protocol": "s3", "target_options": s3_json(s3_server)}
        monkeypatch.setitem(fsspec.config.conf, "alluxiofs", conf)
        options = []
    assert command("cp", *options, f"{url}/two.bin", f"s3://{s3_bucket}/two").errors == ""
    assert command("cp", *options, f"s3://{s3_bucket}/two", f"{url}/back").errors == ""
    assert (store / "back").read_bytes() == (store / "two.bin").read_bytes()
    assert command("mv", *options, f"{url}/back", f"s3://{s3_bucket}/moved").errors == ""
    assert not (store / "back").exists()
    assert command("cat", *options, f"s3://{s3_bucket}/moved").output == (store / "two.bin").read_bytes()
    assert command("ls", *options, f"{url}/one").lines == [f"{url}/one"]
    if said == "by the environment":
        assert command("ls", "--target-protocol", "file", store / "one").lines == [str(store / "one")]
        assert command("ls", f"{s3_bucket}/moved").lines == [f"{s3_bucket}/moved"]


def test_stores_with_options_of_their_own(
    command: Command, store: Path, url: str, s3_bucket: str, s3_server: S3Server
) -> None:
    stores = {f"s3://{s3_bucket}": {"options": s3_server.options}, "s3://elsewhere": {"options": {"anon": True}}}
    options = ["-o", f"under_stores={json.dumps(stores)}"]
    assert command("cp", *options, f"{url}/one", f"s3://{s3_bucket}/one").errors == ""
    assert command("cat", *options, f"s3://{s3_bucket}/one").output == b"1"
    outcome = command("cat", *options, "s3://unnamed/one")
    assert outcome.code == 2
    assert "below none of the prefixes" in outcome.errors


def s3_json(server: S3Server) -> str:
    return json.dumps(server.options)


def test_get_refuses_names_that_lead_out_of_the_target() -> None:
    from alluxiofs.cli.trees import checked_relative
    from alluxiofs.errors import InvalidPathError

    for name in ("../x", "a/../../x", "a//b", "./a", "", "a\0b"):
        with pytest.raises(InvalidPathError):
            checked_relative(name, local=True)
    assert checked_relative("a/b..c/..d", local=True) == "a/b..c/..d"


def test_mv_renames_files_and_directories(command: Command, url: str, store: Path) -> None:
    assert command("mv", f"{url}/one", f"{url}/eins").code == 0
    assert command("mv", f"{url}/inner", f"{url}/innen").code == 0
    assert command("mv", f"{url}/eins", f"{url}/innen").code == 0
    assert sorted(contents(store)) == ["innen/eins", "innen/three", "two.bin"]


def test_mv_replaces_a_file_and_refuses_a_directory(command: Command, url: str, store: Path) -> None:
    assert command("mv", f"{url}/one", f"{url}/two.bin").code == 0
    assert (store / "two.bin").read_bytes() == b"1"
    (store / "other" / "inner").mkdir(parents=True)
    assert command("mv", f"{url}/inner", f"{url}/other").code == 1
    assert command("mv", f"{url}/inner", f"{url}/inner/deeper").code == 2
    assert contents(store) == {"two.bin": b"1", "inner/three": b"333"}


def test_rm_removes_files_and_nothing_else(command: Command, url: str, store: Path) -> None:
    outcome = command("rm", f"{url}/inner", f"{url}/one")
    assert outcome.code == 1
    assert "use -r" in outcome.errors
    assert sorted(contents(store)) == ["inner/three", "two.bin"]


def test_rm_recursive(command: Command, url: str, store: Path) -> None:
    assert command("rm", "-r", f"{url}/inner", f"{url}/one").code == 0
    assert sorted(contents(store)) == ["two.bin"]


def test_rm_takes_names_as_they_are(command: Command, url: str, store: Path) -> None:
    (store / "*").mkdir()
    (store / "*" / "x").write_bytes(b"")
    assert command("rm", "-r", f"{url}/*").code == 0
    assert sorted(contents(store)) == ["inner/three", "one", "two.bin"]
    assert command("rm", f"{url}/*").code == 3


def test_rm_of_what_is_not_there(command: Command, url: str) -> None:
    assert command("rm", f"{url}/missing").code == 3
    assert command("rm", "-f", f"{url}/missing").code == 0


def test_rm_never_removes_a_root(command: Command) -> None:
    for root in ("memory:///", "memory://", "file:///"):
        outcome = command("rm", "-r", root)
        assert outcome.code == 2
        assert "root" in outcome.errors


@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_long_transfer_shows_its_progress_on_a_terminal(tmp_path: Path, on_terminal: bool) -> None:
    import pty

    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 << 20)
    reader, writer = pty.openpty() if on_terminal else os.pipe()
    command = [sys.executable, "-m", "alluxiofs", "get", f"file://{tmp_path}/large", str(tmp_path / "copy")]
    with subprocess.Popen(command, stderr=writer, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}) as process:
        os.close(writer)
        shown = b""
        while True:
            try:
                piece = os.read(reader, 65536)
            except OSError:  # how a terminal ends on Linux
                break
            if not piece:
                break
            shown += piece
        os.close(reader)
        assert process.wait(timeout=60) == 0
    assert (b"get 1 file" in shown) is on_terminal
    assert on_terminal or shown == b""
    assert (tmp_path / "copy").stat().st_size == 64 << 20
