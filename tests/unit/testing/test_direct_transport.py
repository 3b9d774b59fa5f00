"""The transport without workers keeps the contract of transports."""

from __future__ import annotations

import uuid
from typing import Callable

import fsspec
import pytest

from alluxiofs.interfaces import Location, Target, Transport
from alluxiofs.plugins.transport_direct import DirectTransport
from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore
from alluxiofs.testing import TransportContract, make_context


class TestDirectTransport(TransportContract):
    @pytest.fixture
    def store(self) -> FsspecUnderStore:
        return FsspecUnderStore(
            Target("memory", client=fsspec.filesystem("memory")), FsspecUnderStore.Settings(), make_context()
        )

    @pytest.fixture
    def make(self, store: FsspecUnderStore) -> Callable[[], Transport]:
        return lambda: DirectTransport(DirectTransport.Settings(), make_context(), lambda _: store)

    @pytest.fixture
    def location(self, store: FsspecUnderStore) -> Callable[[str], Location]:
        directory = f"/direct-{uuid.uuid4().hex}"

        def locate(name: str) -> Location:
            stripped = f"{directory}/{name}"
            return Location("", stripped, store.url(stripped))

        return locate

    @pytest.fixture
    def put(self, store: FsspecUnderStore) -> Callable[[Transport, Location, bytes], None]:
        return lambda _, location, data: fsspec.filesystem("memory").pipe_file(location.name, data)
