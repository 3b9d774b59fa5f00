"""A whole cluster is down, and everybody goes to the under store at once: so many requests at a time as are allowed."""

from __future__ import annotations

import socket
import threading
from typing import Any, Dict, Iterator
from uuid import uuid4

import fsspec
import pytest
from attrs import define

from alluxiofs.gateway.breaker import process_breakers
from alluxiofs.gateway.budget import process_budget
from alluxiofs.testing._files import content, put, soon
from alluxiofs.testing.guards import at_once
from tests.faults import Fault, FaultProxy, Request
from tests.faults.wire import Head
from tests.servers import free_port
from tests.understores.failing import make_store
from tests.understores.needed import needed

needed("gcsfs", "gcs")
needed("ossfs", "oss")

DATA = content(6_000)


class Counter(FaultProxy):
    """Counts the requests that are being answered, and answers none until there are so many, or nobody asks more."""

    def __init__(self, host: str, port: int, enough: int) -> None:
        self.enough, self.now, self.most = enough, 0, 0
        self._counting, self._full = threading.Lock(), threading.Event()
        super().__init__(host, port)

    def _answer(self, connection: socket.socket, head: Head, request: Request, fault: Fault) -> bool:
        with self._counting:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now >= self.enough:
                self._full.set()
        try:
            self._full.wait(30)
            return super()._answer(connection, head, request, fault)
        finally:
            with self._counting:
                self.now -= 1


@define(frozen=True)
class Bound:
    """What the documents say of a store."""

    server: str
    protocol: str
    most: int
    options: Dict[str, Any]


PATHS: Dict[str, Any] = {"s3": {"addressing_style": "path"}}
BOUNDS = {
    "s3": Bound("s3_server", "s3", 64, {}),
    "s3, 8 connections": Bound("s3_server", "s3", 8, {"config_kwargs": {**PATHS, "max_pool_connections": 8}}),
    "gs": Bound("gcs_server", "gs", 100, {}),
    "oss": Bound("oss_server", "oss", 64, {}),
}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What this process knows of workers, and how often it may ask again."""
    process_breakers.reset()
    process_budget.reset()
    yield
    process_breakers.reset()
    process_budget.reset()


@pytest.mark.parametrize("name", list(BOUNDS))
def test_a_cluster_that_is_down_is_no_stampede(request: pytest.FixtureRequest, name: str) -> None:
    bound = BOUNDS[name]
    server = request.getfixturevalue(bound.server)
    store, bucket = make_store(bound.protocol, server.options), f"test-{uuid4().hex[:12]}"
    store.make_directory(bucket, soon())
    sizes = range(5_000, 5_000 + max(64, bound.most + 16))
    for size in sizes:
        put(store, f"{bucket}/{size}", DATA[:size])
    store.close()
    with Counter(server.host, server.port, bound.most) as proxy:
        fs = fsspec.filesystem(
            "alluxiofs",
            target_protocol=bound.protocol,
            target_options={**server.options_at(f"http://{proxy.host}:{proxy.port}"), **bound.options},
            worker_hosts=[f"127.0.0.1:{free_port()}"],
            page_store={"name": "memory", "capacity": "64MB"},
            deadline=100,
            timeout=100,
            skip_instance_cache=True,
        )
        read = at_once(*[lambda size=size: fs.cat_file(f"{bucket}/{size}") for size in sizes])
        assert read == [DATA[:size] for size in sizes]
        assert proxy.most == bound.most, "so many at a time, and no more"
        assert fs.describe()["counters"]["bytes_from_under_stores"] == sum(sizes), "each page once"
