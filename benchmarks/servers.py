"""Real servers for benchmarks: the ones that the tests start."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from benchmarks.core import UnavailableError
from tests import servers

__all__ = ["s3_server"]


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[Dict[str, Any]]:
    """A running S3 server over a folder; the options for s3fs."""
    try:
        executable = servers.program("versitygw")
    except pytest.skip.Exception as reason:
        raise UnavailableError(str(reason)) from reason
    data = folder / "s3"
    data.mkdir()
    server = servers.S3Server("127.0.0.1", servers.free_port(), "benchmark", "benchmark-secret")
    command = [executable, "--port", f"{server.host}:{server.port}", "--keep-alive", "posix", str(data)]
    secrets = {"ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret}
    with servers.started(command, server.port, folder / "s3.log", environment=secrets):
        yield server.options
