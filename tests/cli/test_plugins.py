"""``alluxiofs plugins``."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Command
from tests.unit.plugins_on_disk import Install, install, policy_source

__all__ = ["install"]

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
    assert any(line.split()[:1] == ["capacity"] for line in lines)
    (described,) = command("plugins", "disk", "--json").json()
    assert described["point"] == "page_store"


def test_settings_are_shown_with_what_they_mean(command: Command) -> None:
    (line,) = (line for line in command("plugins", "memory").lines if line.split()[:1] == ["capacity"])
    assert line.split()[:6] == ["capacity", "Size", "256MB", "Bytes", "that", "the"]
    (described,) = command("plugins", "memory", "--json").json()
    (capacity,) = (setting for setting in described["settings"] if setting["name"] == "capacity")
    assert (capacity["name"], capacity["default"]) == ("capacity", "256MB")
    assert capacity["description"].startswith("Bytes that the store may take")


def test_one_extension_point(command: Command) -> None:
    listed = command("plugins", "page-store", "--json").json()
    assert {one["name"] for one in listed} >= {"disk", "memory"}


def test_a_name_that_nobody_has(command: Command) -> None:
    outcome = command("plugins", "consistenthash")
    assert outcome.code == 2
    assert "did you mean 'consistent-hash'?" in outcome.errors


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (policy_source("rendezvous"), "two worker policy plugins have the name 'rendezvous'"),
        (policy_source("bad").replace("policies()", "policies(workers)"), "takes (workers)"),
        ("import there_is_no_such_module", "No module named 'there_is_no_such_module'"),
    ],
)
def test_a_bad_plugin_is_told_of_beside_the_others(command: Command, install: Install, bad: str, why: str) -> None:
    install("later", policy_source("mine"))
    install("bad", bad)
    install("first", policy_source("other"))
    listed = command("plugins", "--json")
    assert (listed.code, listed.errors) == (0, "")
    assert {"disk", "rendezvous", "mine", "other"} <= {one["name"] for one in listed.json()["components"]}
    assert listed.json()["blocked"] == []
    (message,) = listed.json()["broken"].values()
    assert why in message
    (line,) = (line for line in command("plugins").lines if "cannot be loaded: " in line)
    assert line.startswith("cannot be loaded: bad 1.2: ")
    for name in ("disk", "mine", "other"):
        assert command("plugins", name).code == 0
