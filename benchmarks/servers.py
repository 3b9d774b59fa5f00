"""Real servers for benchmarks: the ones that the tests start, and a meter of what they send."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import pytest
from attrs import define

from benchmarks.core import UnavailableError
from benchmarks.data import Content
from tests import servers

__all__ = ["BUCKET", "Meter", "Storage", "storage"]

BUCKET = "benchmark"


@define(frozen=True)
class Meter:
    """Counts what a server has sent and been asked, from outside: nothing stands between it and its clients.

    Parameters
    ----------
    process:
        The server's number.
    log:
        Its access log, a line a request.
    """

    process: int
    log: str

    def read(self) -> Optional[Tuple[int, int]]:
        """Bytes sent, headers included, and requests answered, both since the start; ``None`` if the system does not
        count what a process writes."""
        counts = Path(f"/proc/{self.process}/io")
        if not counts.exists():
            return None
        written = next(line for line in counts.read_text().splitlines() if line.startswith("wchar:"))
        # What it writes goes to its clients or into its log.
        log = Path(self.log).read_bytes()
        return int(written.split()[1]) - len(log), log.count(b"\n")


@define(frozen=True)
class Storage:
    """An S3 server with one bucket.

    Parameters
    ----------
    options:
        For s3fs.
    data:
        The folder of the bucket: each object is a file there.
    meter:
        Of the server.
    server:
        Itself, with no delay before it.
    """

    options: Dict[str, Any]
    data: str
    meter: Meter
    server: servers.S3Server

    def client(self) -> Any:
        """s3fs itself, to put the objects there."""
        import s3fs

        return s3fs.S3FileSystem(**self.options, skip_instance_cache=True, use_listings_cache=False)

    def put(self, key: str, content: Content) -> None:
        """Put an object there."""
        with tempfile.NamedTemporaryFile() as file:
            self.client().put_file(str(content.write(Path(file.name))), f"{BUCKET}/{key}")

    def put_all(self, prefix: str, contents: Sequence[Content]) -> None:
        """Put small objects there, named by their numbers."""
        self.client().pipe({f"{BUCKET}/{prefix}/{content.number}": content.all() for content in contents})

    def copy_object(self, key: str, to: str) -> None:
        """Another object of the same bytes, by way of the folder: copies have the server's attributes (ETag) too."""
        target = Path(self.data, to)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(self.data, key), target)


@contextlib.contextmanager
def storage(folder: Path, latency: int = 0) -> Iterator[Storage]:
    """A running S3 server, its answers so many milliseconds late."""
    with contextlib.ExitStack() as stack:
        try:
            executable = servers.program("versitygw")
            near = servers.free_port()
            server, process = stack.enter_context(_s3_server(executable, near, folder))
            if latency:
                near = stack.enter_context(servers.slow_way(near, latency, folder))
        except pytest.skip.Exception as reason:
            raise UnavailableError(str(reason)) from reason
        options = server.options_at(f"http://127.0.0.1:{near}")
        found = Storage(options, str(folder / "s3" / BUCKET), Meter(process.pid, str(folder / "access.log")), server)
        client = found.client()
        client.mkdir(BUCKET)
        client.pipe_file(f"{BUCKET}/connect", b"x")
        yield found


@contextlib.contextmanager
def _s3_server(executable: str, port: int, folder: Path) -> Iterator[Tuple[servers.S3Server, subprocess.Popen[bytes]]]:
    data = folder / "s3"
    data.mkdir()
    server = servers.S3Server("127.0.0.1", port, "benchmark", "benchmark-secret")
    command = [executable, "--port", f"{server.host}:{server.port}", "--keep-alive", "--quiet"]
    command += ["--access-log", str(folder / "access.log"), "posix", str(data)]
    secrets = {"ROOT_ACCESS_KEY": server.key, "ROOT_SECRET_KEY": server.secret}
    with servers.started(command, server.port, folder / "s3.log", environment=secrets) as process:
        yield server, process
