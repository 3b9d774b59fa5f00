"""How a filesystem is made of options, configuration and paths; secrets stay hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List

import fsspec.config
import pytest

from alluxiofs.cli.arguments import parse_assignment, put_argument
from alluxiofs.cli.failures import UsageError
from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("replicas=3", ["replicas"], "3"),
        ("cluster_name=10", ["cluster_name"], "10"),
        ("fallback=false", ["fallback"], "false"),
        ("page_store=null", ["page_store"], None),
        ("page_store.capacity=1GB", ["page_store", "capacity"], "1GB"),
        ('policy={"name": "rendezvous"}', ["policy"], {"name": "rendezvous"}),
        ("policy={not json", ["policy"], "{not json"),
        ("target_options.anon=true", ["target_options", "anon"], True),
        ("target_options.max_concurrency=4", ["target_options", "max_concurrency"], 4),
        ("target_options.secret=12345", ["target_options", "secret"], "12345"),
        ("target_options.endpoint_url=http://h:1/?a=b", ["target_options", "endpoint_url"], "http://h:1/?a=b"),
        ("target_options.client_kwargs.region_name=r", ["target_options", "client_kwargs", "region_name"], "r"),
        ("options.alluxio.worker.page.store.page.size=4MB", ["options", "alluxio.worker.page.store.page.size"], "4MB"),
        ("target_protocol=", ["target_protocol"], ""),
    ],
)
def test_assignments(text: str, path: List[str], value: Any) -> None:
    assert parse_assignment(text) == (path, value)


@pytest.mark.parametrize("text", ["replicas", "=3", "", "a..b=1", "policy.=1"])
def test_what_is_no_assignment(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_assignment(text)


def test_settings_join_the_name_of_their_component_in_any_order() -> None:
    first: dict[str, Any] = {}
    put_argument(first, ["page_store"], "disk")
    put_argument(first, ["page_store", "path"], "/fast")
    second: dict[str, Any] = {}
    put_argument(second, ["page_store", "path"], "/fast")
    put_argument(second, ["page_store"], "disk")
    assert first == second == {"page_store": {"name": "disk", "path": "/fast"}}


def test_options_stand_before_or_after_the_command_and_the_later_one_counts(command: Command, url: str) -> None:
    described = command("--page-store", "disk", "-o", "replicas=5", "describe", "--page-store", "memory", "--json", url)
    assert described.json()["page_store"]["name"] == "memory"


def test_describe_shows_what_the_options_made(command: Command, url: str) -> None:
    options = ["--policy", "rendezvous", "--page-store", "memory"]
    options += ["-o", "page_store.capacity=1MB", "-o", "options.alluxio.worker.page.store.page.size=64KB"]
    described = command("describe", url, "--json", *options).json()
    assert described["policy"]["name"] == "rendezvous"
    assert described["page_store"]["settings"]["capacity"] == 2**20
    assert described["page_size"] == 65536
    table = command("describe", url, "--policy", "rendezvous").output.decode()
    assert "policy.name" in table
    assert "rendezvous" in table


def test_secrets_are_shown_nowhere(command: Command) -> None:
    secret = "hunter2-hunter2"
    options = ["-o", f"target_options.secret={secret}", "-o", "target_options.key=AKIA-not-shown"]
    options += ["-o", "target_options.endpoint_url=http://user:pass-word@127.0.0.1:9", "-o", "retries=0"]
    options += ["-o", "timeout=1", "-o", "deadline=2", "--page-store", "none", "--debug"]
    for words in (["describe", "s3://bucket", "--json"], ["describe", "s3://bucket"], ["ls", "s3://bucket"]):
        outcome = command(*words, *options)
        for text in (outcome.output.decode(), outcome.errors):
            assert secret not in text
            assert "AKIA-not-shown" not in text
            assert "pass-word" not in text
    assert command("ls", "s3://bucket", *options).code == 1


def test_fsspec_configuration_applies(command: Command, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "alluxiofs", {"target_protocol": "file", "policy": "rendezvous"})
    assert command("cat", store / "one").output == b"1"
    assert command("describe", "--json").json()["policy"]["name"] == "rendezvous"
    assert command("describe", "--json", "--policy", "consistent-hash").json()["policy"]["name"] == "consistent-hash"


def test_a_bare_path_needs_a_store(command: Command) -> None:
    outcome = command("ls", "bucket/key")
    assert outcome.code == 2
    assert len(outcome.error_lines) == 1
    assert outcome.errors.startswith("alluxiofs: bucket/key: which store is it in? Write a URL (s3://bucket/key, ")


def test_a_mistyped_argument_is_told_before_what_it_would_have_said(command: Command) -> None:
    outcome = command("ls", "-o", "target_protcol=file", "src")
    assert outcome.code == 2
    assert "unknown argument 'target_protcol'; did you mean 'target_protocol'?" in outcome.errors


def test_settings_need_the_name_of_their_component(command: Command, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = command("ls", "-o", "page_store.capacity=2GB", url)
    assert outcome.code == 2
    assert "-o page_store.capacity: of which page store? Add --page-store NAME" in outcome.errors
    for chosen in ("memory", {"name": "memory"}, '{"name": "memory", "capacity": "1GB"}'):
        monkeypatch.setitem(fsspec.config.conf, "alluxiofs", {"page_store": chosen})
        described = command("describe", "--json", "-o", "page_store.capacity=2GB", url).json()
        assert described["page_store"]["settings"]["capacity"] == 2 << 30


def test_several_stores_by_prefix(command: Command, store: Path) -> None:
    stores = json.dumps({f"file://{store}": {"protocol": "file"}, "memory:///": {"protocol": "memory"}})
    assert command("cat", "-o", f"under_stores={stores}", f"file://{store}/one").output == b"1"
