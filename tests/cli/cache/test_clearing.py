"""``alluxiofs cache clear`` where something is wrong, or left over."""

from __future__ import annotations

import shutil

from alluxiofs.pagestores.ondisk.layout import LAYOUT, VERSION
from tests.cli.cache.conftest import Kept


def test_clear_mends_a_store_that_is_broken(kept: Kept) -> None:
    kept.read("large")
    control = kept.pages / LAYOUT / "control"
    broken = bytearray(control.read_bytes())
    broken[2] ^= 1
    control.write_bytes(broken)
    told = kept("stats")
    assert told.code != 0
    assert str(control) in told.errors
    assert "alluxiofs cache clear" in told.errors
    assert kept("clear", "--yes").code == 0
    assert kept("stats", "--json").json()["pages"] == 0
    kept.read("subway")
    assert kept("stats", "--json").json()["files"] == 1


def test_clear_leaves_what_only_has_the_place_of_a_store(kept: Kept) -> None:
    (kept.pages / LAYOUT).mkdir(parents=True, mode=0o700)
    kept.pages.chmod(0o700)
    (kept.pages / LAYOUT / "control").write_bytes(b"precious")
    told = kept("clear", "--yes")
    assert told.code != 0
    assert "move it out of the way" in told.errors
    assert (kept.pages / LAYOUT / "control").read_bytes() == b"precious"


def test_what_older_versions_have_kept_is_shown_and_cleared(kept: Kept) -> None:
    kept.read()
    shutil.copytree(kept.pages / LAYOUT, kept.pages / "v4")
    (kept.pages / "v1").mkdir()
    (kept.pages / "v1" / "notes.txt").write_bytes(b"precious")
    size = kept("stats", "--json").json()["older_versions_bytes"]
    assert size >= sum(path.stat().st_size for path in (kept.pages / "v4").glob("*.pages"))
    assert any("of older versions of the page store; 'alluxiofs cache clear'" in line for line in kept("stats").lines)
    assert kept("clear", "--yes").code == 0
    assert sorted(path.name for path in kept.pages.iterdir()) == ["v1", LAYOUT]
    assert kept("stats", "--json").json()["older_versions_bytes"] == 0


def test_what_a_newer_version_has_kept_is_its_own(kept: Kept) -> None:
    kept.read()
    shutil.copytree(kept.pages / LAYOUT, kept.pages / f"v{VERSION + 1}")
    assert kept("stats", "--json").json()["older_versions_bytes"] == 0
    assert kept("clear", "--yes").code == 0
    assert (kept.pages / f"v{VERSION + 1}" / "control").exists()


def test_older_versions_are_cleared_where_there_is_nothing_else(kept: Kept) -> None:
    kept.read()
    (kept.pages / LAYOUT).rename(kept.pages / "v3")
    assert kept("stats", "--json").json()["older_versions_bytes"] > 0
    assert kept("clear", "--yes").code == 0
    assert list(kept.pages.iterdir()) == []
