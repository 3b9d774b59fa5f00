"""A store that speaks S3 without ETags: times in whole seconds are all there is, and bytes are right all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import fsspec
import pytest

from alluxiofs import AlluxioFileSystem
from tests.servers import S3Server, free_port, program, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("nometa")
    (folder / "data" / "bucket").mkdir(parents=True)
    server = S3Server("127.0.0.1", free_port(), "tester", "tester-secret")
    command = [
        program("versitygw"),
        "--port",
        f"{server.host}:{server.port}",
        "posix",
        "--nometa",
        str(folder / "data"),
    ]
    secrets = {"ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret}
    with started(command, server.port, folder / "log", environment=secrets):
        yield server


def filesystem(server: S3Server, folder: Path) -> AlluxioFileSystem:
    fs: AlluxioFileSystem = fsspec.filesystem(
        "alluxiofs",
        target_protocol="s3",
        target_options=server.options,
        page_store={"name": "disk", "path": str(folder), "capacity": "50MB"},
        skip_instance_cache=True,
    )
    return fs


def test_writes_of_one_length_within_a_second_are_told_apart(server: S3Server, tmp_path: Path) -> None:
    fs = filesystem(server, tmp_path)
    for number in range(5):
        data = b"%08d" % number * 1000
        fs.pipe_file("bucket/overwritten", data)
        assert "ETag" not in fs.info("bucket/overwritten")
        assert fs.cat_file("bucket/overwritten") == data
        assert filesystem(server, tmp_path).cat_file("bucket/overwritten", refresh=True) == data
