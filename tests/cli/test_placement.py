"""``alluxiofs placement``: what it measures, recommends and draws."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from alluxiofs.cli.commands import placement
from alluxiofs.cli.placement.judging import recommendations, share_text
from alluxiofs.cli.placement.measuring import Case, Measured, even_chance, measure
from alluxiofs.cli.placement.picture import draw
from tests.cli.conftest import Command

QUICK = ("--seconds", 0.1, "--keys", 2000)


def test_the_table_and_a_recommendation(command: Command) -> None:
    done = command("placement", "--workers", "3,5", "--policy", "rendezvous", "--policy", "jump", *QUICK)
    assert done.code == 0
    rows = [line.split() for line in done.lines if "rendezvous" in line or " jump " in line]
    assert [row[:2] for row in rows[:4]] == [
        ["3", "rendezvous"],
        ["jump", rows[1][1]],
        ["5", "rendezvous"],
        rows[3][:2],
    ]
    assert any(line.startswith("5 workers: rendezvous.") for line in done.lines), "with jump far more keys move"


def test_as_json_with_virtual_nodes(command: Command) -> None:
    words = ("--workers", 4, "--policy", "consistent-hash", "--virtual-nodes", "5,500", "--json")
    found = command("placement", *words, *QUICK).json()
    few, many = found["measured"]
    assert [one["settings"] for one in (few, many)] == [{"virtual_nodes": 5}, {"virtual_nodes": 500}]
    assert many["spread"] < few["spread"]
    assert 0.15 < many["moved"] < 0.35, "a quarter of the keys are the worker's that leaves"
    assert found["recommended"]


def test_the_pictures(command: Command, tmp_path: Path) -> None:
    png, svg = tmp_path / "placement.png", tmp_path / "placement.svg"
    words = ("--workers", "2,3", "--policy", "maglev", "--picture", png, "--picture", svg)
    assert command("placement", *words, *QUICK).code == 0
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    text = "".join(ElementTree.fromstring(svg.read_text("utf-8")).itertext())
    for words_there in ("Fullest worker", "Keys that move when a worker leaves", "Making the policy", "maglev"):
        assert words_there in text


def test_what_chance_has_placed_is_not_drawn_as_the_policys_doing(command: Command, tmp_path: Path) -> None:
    svg = tmp_path / "placement.svg"
    words = ("--workers", "2,200", "--policy", "rendezvous", "--picture", svg)
    assert command("placement", *words, *QUICK).code == 0
    drawing = ElementTree.fromstring(svg.read_text("utf-8"))
    assert "where keys are enough to tell it from chance" in "".join(drawing.itertext())
    points = {
        line.get("id"): len([mark for mark in line.iter() if mark.tag.endswith("}use")])
        for line in drawing.iter()
        if line.get("id", "").endswith(": rendezvous")
    }
    assert points.pop("Fullest worker: rendezvous") == 1, "that of 200 workers with 10 keys each is left out"
    assert list(points.values()) == [2, 2, 2]


def test_a_policy_that_few_keys_were_given_is_not_drawn_beside_one_of_many(tmp_path: Path) -> None:
    few = Measured(23_000, 1.65, 1.61, 0.0, 0.001, 0.001, 1e-4, 1000, 2000)
    many = Measured(1_000_000, 1.13, 1.09, 0.02, 0.001, 0.001, 1e-6, 1000, 2000)
    rows = [(Case("slow and even", 1000, 1, 1), few), (Case("quick", 1000, 1, 1), many)]
    draw(rows, str(tmp_path / "placement.svg"))
    drawing = ElementTree.fromstring((tmp_path / "placement.svg").read_text("utf-8"))
    points = {
        line.get("id"): len([mark for mark in line.iter() if mark.tag.endswith("}use")])
        for line in drawing.iter()
        if line.get("id", "").startswith(("Fullest worker: ", "Making the policy: "))
    }
    assert points == {
        "Fullest worker: slow and even": 0,
        "Fullest worker: quick": 1,
        "Making the policy: slow and even": 1,
        "Making the policy: quick": 1,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--workers", "ten"), "numbers with commas"),
        (("--workers", "0"), "numbers from 1"),
        (("--policy", "magleff"), "maglev"),
        (("--picture", "placement.pdf"), ".png or .svg"),
        (("--picture", "no/such/folder/placement.png"), "there is no folder 'no/such/folder'"),
        (("--picture", "/dev/full/placement.png"), "there is no folder '/dev/full'"),
        (("--workers", "100000", "--virtual-nodes", "5,2000"), "a ring of 200,000,000 points"),
    ],
)
def test_what_cannot_be(command: Command, words: tuple[str, ...], said: str) -> None:
    done = command("placement", *words)
    assert done.code == 2
    assert said in done.errors


def test_a_picture_that_cannot_be_drawn_is_told_before_anything_is_measured(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluxiofs.cli.commands.placement.measure", lambda _: pytest.fail("it is measured"))
    (tmp_path / "taken.png").mkdir()
    done = command("placement", "--picture", tmp_path / "taken.png")
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert "taken.png': it cannot be written" in done.errors

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # as if it were not installed
    done = command("placement", "--picture", tmp_path / "placement.png")
    assert (done.code, len(done.error_lines)) == (2, 1)
    assert "pip install 'alluxiofs[plot]'" in done.errors


def test_chance_and_unevenness_are_told_apart() -> None:
    found = measure(Case("rendezvous", 10, 5_000, 5.0))
    assert found.keys == 5_000
    assert found.spread < 0.05
    assert found.fullest < even_chance(5_000, 10) + 0.1


def test_a_worker_of_many_that_leaves_takes_its_own_keys_along_and_chance_has_no_part_in_it() -> None:
    found = measure(Case("multi-probe", 1_000, 2_000, 5.0))
    assert found.moved == pytest.approx(1 / 1_000), "no other's keys move, however many it had of these"
    assert share_text(found.moved) == "0.1%"


def test_memory_is_told_as_it_is_and_as_it_was_while_the_policy_was_made() -> None:
    found = measure(Case("consistent-hash", 100, 1_000, 5.0, {"virtual_nodes": 2000}))
    assert found.memory is not None
    assert found.peak is not None
    assert 200_000 * 8 <= found.memory <= found.peak
    assert found.peak > 3 * 200_000 * 8, "the points are sorted as Python's numbers"


def measured(spread: float, moved: float, seconds: float) -> Measured:
    return Measured(1000, 1.0 + spread, 1.0, spread, moved, seconds, 1e-6, 1000, 2000)


def test_the_most_even_policy_is_recommended_that_costs_little() -> None:
    rows = [
        (Case("even but slow to make", 10, 1, 1), measured(0.0, 0.1, 20.0)),
        (Case("even but all moves", 10, 1, 1), measured(0.0, 0.9, 0.1)),
        (Case("fit", 10, 1, 1), measured(0.05, 0.1, 0.1)),
        (Case("uneven", 10, 1, 1), measured(0.5, 0.1, 0.1)),
    ]
    assert next(iter(recommendations(rows))).startswith("10 workers: fit.")
    said = next(iter(recommendations(rows[:2])))
    assert "none of these" in said
    assert "made in 20.0 s" in said


def test_of_policies_that_are_alike_the_one_is_recommended_that_moves_fewest_keys() -> None:
    rows = [
        (Case("moves others' keys", 3, 1, 1), measured(0.009, 0.5018, 0.0001)),
        (Case("moves a few", 3, 1, 1), measured(0.0, 0.36, 0.0001)),
        (Case("moves its own", 3, 1, 1), measured(0.02, 1 / 3, 0.05)),
        (Case("moves its own, later", 3, 1, 1), measured(0.01, 1 / 3, 0.4)),
    ]
    assert next(iter(recommendations(rows))).startswith("3 workers: moves its own. ")
    said = next(iter(recommendations(rows[:1])))
    assert "none of these (moves others' keys: 50% of the keys move)" in said, "however even it is"


def test_where_the_best_is_not_alluxios_own_the_number_of_virtual_nodes_is_told_besides() -> None:
    rows = [
        (Case("rendezvous", 10, 1, 1), measured(0.0, 0.1, 0.00001)),
        (Case("consistent-hash", 10, 1, 1, {"virtual_nodes": 5}), measured(0.4, 0.1, 0.0001)),
        (Case("consistent-hash", 10, 1, 1, {"virtual_nodes": 2000}), measured(0.011, 0.1, 0.01)),
    ]
    said = next(iter(recommendations(rows)))
    assert said.startswith("10 workers: rendezvous. Shares differ by 0%, ")
    assert "it is made in < 0.001 s" in said
    assert said.endswith("Of Alluxio's own ring: consistent-hash virtual_nodes=2000, whose shares differ by 1.1%.")
    assert "Of Alluxio's own ring" not in next(iter(recommendations(rows[1:])))


@pytest.mark.parametrize(("width", "headings"), [(80, 9), (110, 12), (160, 12)])
def test_the_table_fits_into_terminals(width: int, headings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=width)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(placement, "on_terminal", lambda: True)
    monkeypatch.setattr(placement, "write_rich", console.print)
    monkeypatch.setattr(
        placement,
        "measure",
        lambda _: Measured(1_000_000, 10.81, 1.39, 0.997, 0.0001, 15.534, 1326.4e-6, 260 * 2**20, 937 * 2**20),
    )
    words = ["--workers", "10000", "--virtual-nodes", "2000", "--policy", "consistent-hash"]
    placement.command.main(words, standalone_mode=False)
    (row,) = [line.split() for line in shown.getvalue().splitlines() if "consistent-hash  " in line]
    assert row[:4] == ["10,000", "consistent-hash", "2,000", "10.81"]
    assert "15.534 s 1,326 us 260M" in " ".join(row)
    assert len(row) == headings + 2, "two of them have units of their own"
    assert "…" not in shown.getvalue()


def test_one_worker_is_one(command: Command) -> None:
    done = command("placement", "--workers", 1, "--policy", "rendezvous", *QUICK)
    assert any(line.startswith("1 worker: rendezvous.") for line in done.lines)


def test_round_robin_has_no_worker_for_a_key() -> None:
    assert measure(Case("round-robin", 4, 2_000, 5.0)).moved > 0.5


def test_a_policy_that_is_not_there_is_told_as_by_a_filesystem_and_before_others_are_measured(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluxiofs.cli.commands.placement.measure", lambda _: pytest.fail("it is measured"))
    done = command("placement", "--policy", "rendezvous", "--policy", "magleff")
    assert done.code == 2
    assert done.errors.startswith("alluxiofs: argument 'policy': there is no worker policy 'magleff'")


def test_why_what_is_more_even_is_not_recommended() -> None:
    rows = [
        (Case("consistent-hash", 10_000, 1, 1, {"virtual_nodes": 100}), measured(0.1, 0.0001, 0.5)),
        (Case("consistent-hash", 10_000, 1, 1, {"virtual_nodes": 2000}), measured(0.02, 0.0001, 15.5)),
        (Case("jump", 10_000, 1, 1), measured(0.0, 0.5, 0.001)),
    ]
    said = next(iter(recommendations(rows)))
    assert said.startswith("10,000 workers: consistent-hash virtual_nodes=100.")
    assert "at a price: consistent-hash virtual_nodes=2000 (made in 15.5 s); jump (50% of the keys move)." in said


def test_how_soon_a_policy_is_made_decides_nothing_where_nobody_notices() -> None:
    rows = [
        (Case("sooner", 10, 1, 1), measured(0.02, 0.1, 0.0001)),
        (Case("more even", 10, 1, 1), measured(0.01, 0.1, 0.09)),
    ]
    assert next(iter(recommendations(rows))).startswith("10 workers: more even.")
