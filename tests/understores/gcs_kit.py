"""A server that answers as GCS does, or nearly, to who asks for the bytes of one object."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List

from alluxiofs.interfaces import Deadline, Target, UnderStore, Version
from alluxiofs.plugins.under_store_gcs import GcsUnderStore
from alluxiofs.testing import make_context
from alluxiofs.testing._files import get, soon
from tests.faults import Fault, FaultServer, status

__all__ = ["BY_SESSION", "DATA", "Opened", "anonymous", "content", "look", "opening", "read"]

BY_SESSION = "accept"  # a header that only the requests of gcsfs's own session have
DATA = bytes(range(256)) * 1024
Opened = Callable[..., GcsUnderStore]


@contextlib.contextmanager
def opening() -> Iterator[Opened]:
    """Makes stores, of options or of a ready client, that are closed at the end."""
    stores: List[GcsUnderStore] = []

    def open_store(options: Dict[str, Any], client: Any = None) -> GcsUnderStore:
        stores.append(GcsUnderStore(Target("gs", options, client), GcsUnderStore.Settings(), make_context()))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def look(store: UnderStore, name: str) -> List[Any]:
    """An object, in all the ways in which one is looked at."""
    entry = store.stat(name, soon())
    ends = [store.stat_and_read(name, 10, soon(), from_end=from_end) for from_end in (False, True)]
    return [entry, get(store, entry), *ends]


def content(data: bytes, generation: str = "7", span: str = "bytes 0-6/7") -> Fault:
    """An answer with bytes of an object of seven."""
    return status(206, data, {"Content-Range": span, "X-Goog-Generation": generation})


def anonymous(server: FaultServer) -> Dict[str, Any]:
    """Options that reach a server without credentials."""
    return {"project": "test", "token": "anon", "endpoint_url": server.url()}


def read(store: UnderStore, deadline: float = 30, stall: float = 30) -> bytes:
    """All of the object, at the generation 7."""
    data = bytearray(7)
    store.read_into(
        "bucket/file", Version("generation:7", 7, None), 0, memoryview(data), Deadline.after(deadline, stall)
    )
    return bytes(data)
