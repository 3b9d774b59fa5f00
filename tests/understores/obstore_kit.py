"""What the tests of obstore on S3 have in common."""

from __future__ import annotations

from typing import Any

from alluxiofs.interfaces import Deadline, Entry, Target, UnderStore
from alluxiofs.plugins.under_store_obstore import ObstoreUnderStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.faults import Fault, FaultProxy, status

__all__ = ["DATA", "PART", "get", "given_up", "make", "put", "refusal", "soon"]

PART = 5 * 2**20
DATA = bytes(range(256)) * 4096  # 1 MiB


def make(options: Any, **settings: Any) -> ObstoreUnderStore:
    made = ObstoreUnderStore.Settings(part_size=Size(PART), **settings)
    return ObstoreUnderStore(Target("s3", options), made, make_context())


def soon() -> Deadline:
    return Deadline.after(60)


def put(store: UnderStore, name: str, data: bytes, *, exclusive: bool = False) -> Entry:
    writer = store.create(name, exclusive=exclusive)
    writer.write(memoryview(data))
    writer.commit()
    return store.stat(name, soon())


def get(store: UnderStore, entry: Entry, start: int = 0, stop: int = -1) -> bytes:
    target = bytearray(((entry.size or 0) if stop < 0 else stop) - start)
    store.read_into(entry.name, entry.version, start, memoryview(target), soon())
    return bytes(target)


def refusal(code: int, word: str, message: str) -> Fault:
    """An answer in the store's own words."""
    body = f"<?xml version='1.0'?><Error><Code>{word}</Code><Message>{message}</Message></Error>"
    return status(code, body.encode(), {"Content-Type": "application/xml"})


def given_up(proxy: FaultProxy) -> bool:
    """Whether the store was told to forget an upload in parts."""
    return any(request.method == "DELETE" and "uploadId" in request.query for request in proxy.requests)
