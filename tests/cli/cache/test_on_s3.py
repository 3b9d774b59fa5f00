"""``alluxiofs cache`` and a program that reads S3 through a configured page store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from tests.cli.conftest import Command
from tests.servers import S3Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the page store on disk needs Linux or macOS")

DATA = bytes(range(256)) * 4096 * 3


def test_what_is_pinned_by_the_command_is_not_fetched_by_the_program(
    command: Command,
    s3_bucket: str,
    s3_server: S3Server,
    s3_client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = {"name": "disk", "path": str(tmp_path / "pages"), "capacity": "100MB"}
    monkeypatch.setitem(fsspec.config.conf, "alluxiofs", {"page_store": store})
    key, url = f"{s3_bucket}/a folder/a#b", f"s3://{s3_bucket}/a folder/a#b"
    s3_client.pipe_file(key, DATA)
    options = ["-o", f"target_options={json.dumps(s3_server.options)}"]
    program = AlluxioFileSystem(target_protocol="s3", target_options=s3_server.options)
    assert program.cat_file(key, 100, 110) == DATA[100:110]

    assert command("cache", "pin", "-r", f"s3a://{s3_bucket}", *options).code == 0
    (entry,) = command("cache", "ls", "--json").json()
    assert (entry["url"], entry["percent"], entry["pinned_pages"] >= 3) == (url, 100, True)
    fetched = program.describe()["counters"]["bytes_from_under_stores"]
    assert program.cat_file(key) == DATA
    assert program.describe()["counters"]["bytes_from_under_stores"] == fetched

    by_name = ["--target-protocol", "s3", *options]
    assert command("cache", "unpin", key, *by_name, "--json").json()["files"] == 1
    assert command("cache", "evict", "--prefix", f"s3a://{s3_bucket}/a folder", "--json").json()["files"] == 1
    assert command("cache", "ls").output == b""
    assert program.cat_file(key) == DATA
    assert s3_client.cat_file(key) == DATA
