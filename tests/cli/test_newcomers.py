"""What somebody who has only read the introduction writes, and what the command makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from alluxiofs.cli.session import Session
from tests.cli.cache.conftest import SIZES, Kept, content, kept
from tests.cli.conftest import Command

__all__ = ["kept"]


@pytest.mark.parametrize("age", ["7", "0", "1.5"])
def test_an_age_without_a_unit_drops_nothing(kept: Kept, age: str) -> None:
    kept.read("one")
    outcome = kept("evict", "--older-than", age)
    assert outcome.code == 2
    assert f"{age} of what? Write {age}d, {age}h, {age}min" in outcome.errors
    assert list(kept.listed()) == ["one"]


def test_pin_takes_a_folder(kept: Kept) -> None:
    page_size = "options.alluxio.worker.page.store.page.size=16KB"
    outcome = kept("pin", f"{kept.url}/one", "-o", page_size, "--json")
    assert (outcome.code, outcome.json()["files"]) == (0, 1)
    assert kept.listed()["one"]["pinned_pages"] == 1
    twice = kept("pin", f"{kept.url}/one", "--page-store", "disk")
    assert (twice.code, "give one of them" in twice.errors) == (2, True)


def test_a_url_is_no_path_of_this_machine(
    command: Command, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["get", "-r", url, "s3://b/x"], ["put", "s3://b/x", url]):
        outcome = command(*words)
        assert outcome.code == 2
        assert "s3://b/x: this is a URL" in outcome.errors
    assert not Path("s3:").exists()


def test_an_error_about_the_configuration_is_told_once_and_says_whence(
    command: Command, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.config import conf

    monkeypatch.setenv("FSSPEC_ALLUXIOFS_REPLICAS", "many")
    monkeypatch.setitem(conf, "alluxiofs", {"replicas": "many"})
    outcome = command("cat", f"{url}/one", f"{url}/two.bin")
    assert outcome.code == 2
    (line,) = outcome.error_lines
    assert line.startswith("alluxiofs: argument 'replicas': 'many' is not a whole number")
    assert line.endswith("(from the environment variable FSSPEC_ALLUXIOFS_REPLICAS)")


def test_load_needs_a_cluster(command: Command) -> None:
    outcome = command("load", "s3://bucket/folder")
    assert outcome.code == 2
    assert "no workers are named that could load anything: -o worker_hosts=HOST" in outcome.errors
    outcome = command("load", "s3://bucket/folder", "-o", "worker_hosts=h1", "--bandwidth", "10 miles")
    assert (outcome.code, outcome.error_lines[0][:23]) == (2, "alluxiofs: --bandwidth:")


def test_the_command_line_is_no_origin(command: Command, url: str) -> None:
    assert "(from " not in command("ls", url, "-o", "replicas=many").errors


def test_spaces_that_the_shell_has_taken_apart(command: Command, url: str) -> None:
    outcome = command("cat", f"{url}/my", "file.csv")
    assert "a name with spaces needs quotes" in outcome.errors


def test_each_run_sees_what_is_there_now(kept: Kept) -> None:
    words = ("--page-store", f'{{"name": "disk", "path": "{kept.pages}"}}')
    kept.read("one")
    (kept.files / "one").write_bytes(b"another")
    assert kept.command("cat", f"{kept.url}/one", *words).output == b"another"
    described = kept.command("describe", kept.url, "--json")
    assert described.json()["metadata"]["ttl"] == 0
    described = kept.command("describe", kept.url, "--json", "-o", "metadata_ttl=5")
    assert described.json()["metadata"]["ttl"] == 5


def test_each_run_uses_the_pages_that_are_kept(kept: Kept) -> None:
    assert kept.pin(f"{kept.url}/large").code == 0  # waits until the version is told from what might be written next
    session = Session()
    for name in ("page_store", "options"):
        session.put([name], kept.arguments()[name])
    place = session.place(f"{kept.url}/large")
    assert place.fs.describe()["metadata"]["ttl"] == 0
    before = place.fs.describe()["counters"]["bytes_from_under_stores"]  # filesystems of equal settings share them
    assert place.fs.cat_file(place.name) == content("large", SIZES["large"])
    assert place.fs.describe()["counters"]["bytes_from_under_stores"] == before


def test_mkdir(command: Command, url: str, store: Path) -> None:
    assert command("mkdir", f"{url}/new", f"{url}/b c").code == 0
    assert (store / "new").is_dir()
    assert (store / "b c").is_dir()
    assert command("mkdir", f"{url}/new").code == 1
    assert command("mkdir", f"{url}/no/such").code == 3
    assert command("mkdir", "-p", f"{url}/no/such", f"{url}/new").code == 0
    assert (store / "no" / "such").is_dir()
