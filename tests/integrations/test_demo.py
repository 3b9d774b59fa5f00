"""``alluxiofs demo``: on local files and on a real S3 server, with every number right."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest

from alluxiofs.cli.demo.report import Report, Step
from alluxiofs.gateway.keeping import PART
from tests.cli.conftest import Command
from tests.integrations.needed import needed
from tests.servers import S3Server

needed("pyarrow.dataset")
needed("numpy")

NAMES = ["write", "first pass", "second pass", "PyFileSystem", "ray", "another program", "through the gateway", "taken"]


def check(report: Any) -> None:
    assert report["ok"]
    assert (report["rows"], report["files"]) == (336_776, 12)
    steps = report["steps"]
    assert [name in step["name"] for name, step in zip(NAMES, steps)] == [True] * len(NAMES)
    assert all(step["rows"] == 336_776 for step in steps if not step["skipped"])
    _, first, second, handler, _, elsewhere, here, without = steps
    # Of a file that is opened for its schema first, and then again, the part that its footer begins in comes twice.
    assert report["bytes"] <= first["fetched"] <= report["bytes"] + 3 * PART
    assert second["fetched"] == handler["fetched"] == 0
    assert second["hits"] > 0
    for step in (elsewhere, here):
        assert 0 < step["fetched"] < report["bytes"] / 4
    assert without["fetched"] > 0
    assert "page store 'disk' does not work" in without["note"]


def test_on_local_files(command: Command) -> None:
    outcome = command("demo", "--json", "--no-ray")
    assert (outcome.code, outcome.errors) == (0, "")
    check(outcome.json())


def test_on_s3(command: Command, s3_bucket: str, s3_server: S3Server, s3_client: Any) -> None:
    options = ["-o", f"target_options={json.dumps(s3_server.options)}"]
    outcome = command("demo", "--json", "--no-ray", "--under-store", f"s3://{s3_bucket}/some", *options)
    assert outcome.code == 0, outcome.errors
    check(outcome.json())
    assert s3_client.find(s3_bucket) == []


def test_a_bucket_that_is_not_there_is_said_and_not_made(command: Command, s3_server: S3Server, s3_client: Any) -> None:
    bucket = f"missing-{uuid4().hex[:12]}"
    options = ["-o", f"target_options={json.dumps(s3_server.options)}"]
    outcome = command("demo", "--no-ray", "--under-store", f"s3://{bucket}/some", *options)
    assert outcome.code == 3
    assert outcome.error_lines == [
        f"alluxiofs: s3://{bucket}: there is no such bucket; make it first, or name one that is there"
    ]
    s3_client.invalidate_cache()
    assert not s3_client.exists(bucket)


def test_on_s3_by_the_environment(
    command: Command, s3_bucket: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"target_options": json.dumps(s3_server.options)}  # as FSSPEC_ALLUXIOFS_TARGET_OPTIONS gives it
    monkeypatch.setitem(fsspec.config.conf, "alluxiofs", options)
    outcome = command("demo", "--json", "--no-ray", "--under-store", f"s3://{s3_bucket}/some")
    assert outcome.code == 0, outcome.errors
    check(outcome.json())


def test_the_place_is_a_url(command: Command) -> None:
    outcome = command("demo", "--under-store", "some/folder")
    assert outcome.code == 2
    assert "--under-store some/folder: a URL is needed" in outcome.errors


def test_kept_data_stay(command: Command, tmp_path: Path) -> None:
    assert command("demo", "--keep", "--no-ray", "--under-store", f"file://{tmp_path}").code == 0
    assert len(list(tmp_path.glob("alluxiofs-demo-*/month=*/*.parquet"))) == 12


def test_without_its_packages_it_says_what_to_install(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    outcome = command("demo")
    assert outcome.code == 2
    assert outcome.error_lines == ["alluxiofs: the demo needs pyarrow: pip install 'alluxiofs[demo]'"]


def test_a_wrong_result_is_said_and_ends_with_an_error() -> None:
    right, wrong = Step("a", rows=1), Step("b", rows=2, wrong={"rows": (1, 2)})
    about = {"rows": 1, "files": 1, "bytes": 1, "under_store": "x", "page_size": 1}
    assert Report(about, [right]).ok
    report = Report(about, [right, wrong])
    assert not report.ok
    assert report.as_data()["steps"][1]["wrong"] == {"rows": (1, 2)}
