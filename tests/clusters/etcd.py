"""A real etcd, and what Alluxio's workers do with it."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence

from attrs import define, field

from alluxiofs.interfaces import Worker, WorkerIdentity
from tests.servers import free_port, program, started

__all__ = ["Etcd", "etcd", "key_of", "make_worker"]

CLUSTER = "DefaultAlluxioCluster"


def make_worker(number: int) -> Worker:
    """A worker as a cluster has it: with an identity that says nothing of its host."""
    return Worker(WorkerIdentity(1, number.to_bytes(16, "big")), f"worker-{number}.example", 28000 + number, 29000)


def key_of(worker: Worker, cluster: str = CLUSTER) -> str:
    """Where a worker that is alive has its key."""
    return f"/ServiceDiscovery/{cluster}/{worker.identity}"


def record_of(worker: Worker) -> bytes:
    """What a worker says of itself: the members that Alluxio's have, in their order."""
    address = {"Host": worker.host, "DataPort": worker.data_port, "HttpServerPort": worker.http_port}
    identity = {"version": worker.identity.version, "identifier": worker.identity.identifier.hex()}
    record = {"Identity": identity, "WorkerNetAddress": address, "State": "AUTHORIZED", "GenerationNumber": -1}
    return json.dumps(record, separators=(",", ":")).encode()


@define
class Etcd:
    """A running etcd."""

    port: int
    folder: Path
    token: Optional[str] = None
    _running: Any = field(default=None, repr=False)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, path: str, body: Dict[str, Any]) -> Dict[str, Any]:
        headers = {"Authorization": self.token} if self.token else {}
        request = urllib.request.Request(f"http://{self.host}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: Dict[str, Any] = json.load(response)
        return answer

    def put(self, key: str, value: bytes, lease: Optional[str] = None) -> None:
        body: Dict[str, Any] = {
            "key": base64.b64encode(key.encode()).decode(),
            "value": base64.b64encode(value).decode(),
        }
        self.ask("/v3/kv/put", {**body, "lease": lease} if lease else body)

    def delete(self, key: str) -> None:
        self.ask("/v3/kv/deleterange", {"key": base64.b64encode(key.encode()).decode()})

    def lease(self, seconds: int) -> str:
        lease: str = self.ask("/v3/lease/grant", {"TTL": seconds})["ID"]
        return lease

    def revoke(self, lease: str) -> None:
        self.ask("/v3/lease/revoke", {"ID": lease})

    def register(self, worker: Worker, lease: Optional[str] = None) -> None:
        self.put(key_of(worker), record_of(worker), lease)

    def become(self, workers: Sequence[Worker]) -> None:
        """Have these workers alive and no others, in one step."""
        everything = {"key": base64.b64encode(b"/ServiceDiscovery/").decode()}
        end = base64.b64encode(b"/ServiceDiscovery0").decode()
        kept = [key_of(worker).encode() for worker in workers]
        found = self.ask("/v3/kv/range", {**everything, "range_end": end, "keys_only": True}).get("kvs", ())
        gone = [one["key"] for one in found if base64.b64decode(one["key"]) not in kept]
        puts = [
            {
                "request_put": {
                    "key": base64.b64encode(key_of(worker).encode()).decode(),
                    "value": base64.b64encode(record_of(worker)).decode(),
                }
            }
            for worker in workers
        ]
        deletes = [{"request_delete_range": {"key": key}} for key in gone]
        self.ask("/v3/kv/txn", {"success": [*puts, *deletes]})

    def stop(self) -> None:
        self._running.close()

    def start(self) -> None:
        peer = free_port()
        self._running = contextlib.ExitStack()
        own = f"http://127.0.0.1:{self.port}"
        other = f"http://127.0.0.1:{peer}"
        self._running.enter_context(
            started(
                [
                    program("etcd"),
                    f"--data-dir={self.folder / 'data'}",
                    f"--listen-client-urls={own}",
                    f"--advertise-client-urls={own}",
                    f"--listen-peer-urls={other}",
                    f"--initial-advertise-peer-urls={other}",
                    f"--initial-cluster=default={other}",
                    "--force-new-cluster",
                ],
                self.port,
                self.folder / "etcd.log",
            )
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.ask("/v3/kv/range", {"key": "AA=="})
                return
            time.sleep(0.05)
        raise RuntimeError(f"etcd does not answer; see {self.folder / 'etcd.log'}")


@contextlib.contextmanager
def etcd(folder: Path) -> Iterator[Etcd]:
    """An etcd of one member, with nothing in it."""
    made = Etcd(free_port(), folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
