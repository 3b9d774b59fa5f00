"""Opening a file to write it begins with a look at what is there: that wait, too, ends with the deadline."""

from __future__ import annotations

import socket
from typing import Any, Callable, Dict, Iterator, Optional

import fsspec
import pytest

from alluxiofs.testing.guards import at_once
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

DEADLINE = 0.5  # seconds. Without it a minute or two would be waited, and the test does not wait for so long


def s3(host: str, port: int) -> Dict[str, Any]:
    return {"key": "key", "secret": "secret", "endpoint_url": f"http://{host}:{port}"}


def gs(host: str, port: int) -> Dict[str, Any]:
    return {"project": "test", "token": "anon", "endpoint_url": f"http://{host}:{port}"}


def oss(host: str, port: int) -> Dict[str, Any]:
    return {"key": "key", "secret": "secret", "endpoint": f"http://{host}:{port}"}


STORES = {
    "s3": ("s3", None, s3),
    "gcs": ("gs", None, gs),
    "oss": ("oss", None, oss),
    "fsspec": ("s3", "fsspec", s3),
}


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that lets everybody connect, and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener


def raised(operation: Callable[[], object]) -> Callable[[], Optional[BaseException]]:
    """Calls an operation, and gives what it raises."""

    def called() -> Optional[BaseException]:
        try:
            operation()
        except OSError as error:
            return error
        return None

    return called


@pytest.mark.timeout(50)
@pytest.mark.parametrize("name", STORES)
def test_opening_and_touching_end_with_the_deadline(silent: socket.socket, name: str) -> None:
    protocol, under_store, options = STORES[name]
    fs = fsspec.filesystem(
        "alluxiofs",
        target_protocol=protocol,
        target_options=options(*silent.getsockname()),
        under_store=under_store,
        page_store=None,
        timeout=DEADLINE,
        deadline=DEADLINE,
        retries=0,
        skip_instance_cache=True,
    )
    operations = [
        lambda: fs.open("bucket/new", "xb"),
        lambda: fs.open("bucket/log", "ab"),
        lambda: fs.touch("bucket/empty"),
        lambda: fs.touch("bucket/old", truncate=False),
        lambda: fs.pipe_file("bucket/file", b"content", mode="create"),
    ]
    for error in at_once(*map(raised, operations)):
        assert isinstance(error, TimeoutError), repr(error)
