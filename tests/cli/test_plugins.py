"""``alluxiofs plugins``."""

from __future__ import annotations

from tests.cli.conftest import Command

POINTS = {"policy", "membership", "transport", "under_store", "page_store", "telemetry"}


def test_all_extension_points_are_listed_with_what_they_have(command: Command) -> None:
    shown = command("plugins")
    assert shown.code == 0
    text = shown.output.decode()
    for word in (*POINTS, "consistent-hash", "rendezvous", "static", "direct", "s3", "disk", "memory", "alluxiofs"):
        assert word in text


def test_as_json(command: Command) -> None:
    listed = command("plugins", "--json").json()
    assert {one["point"] for one in listed["components"]} == POINTS
    assert (listed["blocked"], listed["broken"]) == ([], {})
    (ring,) = (one for one in listed["components"] if one["name"] == "consistent-hash")
    assert ring["package"] == "alluxiofs"
    assert [(setting["name"], setting["type"], setting["default"]) for setting in ring["settings"]] == [
        ("virtual_nodes", "int", "2000")
    ]


def test_one_component_with_its_settings(command: Command) -> None:
    lines = command("plugins", "disk").lines
    assert lines[0].startswith("page_store disk (alluxiofs ")
    assert any(line.split()[:2] == ["capacity", "Size"] for line in lines)
    (described,) = command("plugins", "disk", "--json").json()
    assert described["point"] == "page_store"


def test_settings_are_shown_with_what_they_mean(command: Command) -> None:
    (line,) = (line for line in command("plugins", "memory").lines if line.split()[:1] == ["capacity"])
    assert line.split()[:6] == ["capacity", "Size", "256MB", "Bytes", "that", "the"]
    (described,) = command("plugins", "memory", "--json").json()
    (capacity,) = described["settings"]
    assert (capacity["name"], capacity["default"]) == ("capacity", "256MB")
    assert capacity["description"].startswith("Bytes that the store may take")


def test_one_extension_point(command: Command) -> None:
    listed = command("plugins", "page-store", "--json").json()
    assert {one["name"] for one in listed} >= {"disk", "memory"}


def test_a_name_that_nobody_has(command: Command) -> None:
    outcome = command("plugins", "consistenthash")
    assert outcome.code == 2
    assert "did you mean 'consistent-hash'?" in outcome.errors
