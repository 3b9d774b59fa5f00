"""The transport without workers."""

from __future__ import annotations

from typing import Iterator, Optional

from alluxiofs.interfaces import Deadline, Entry, Location, Transport, TransportCapabilities, Version, Worker

__all__ = ["DirectTransport"]


class DirectTransport(Transport):
    """Straight to the under store, without workers."""

    name = "direct"
    capabilities = TransportCapabilities(workers=False, stale_metadata=False)

    def stat(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Entry:
        return self.store_of(location).stat(location.name, deadline)

    def list(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Iterator[Entry]:
        return self.store_of(location).list(location.name, deadline)

    def read_into(
        self,
        worker: Optional[Worker],
        location: Location,
        version: Version,
        offset: int,
        view: memoryview,
        deadline: Deadline,
    ) -> None:
        self.store_of(location).read_into(location.name, version, offset, view, deadline)
