"""What workers write of themselves into etcd."""

from __future__ import annotations

import json

from alluxiofs.interfaces import Worker

__all__ = ["etcd_key", "etcd_record"]


def etcd_key(worker: Worker, cluster_name: str) -> str:
    """Where a worker that is alive has its key, under a lease."""
    return f"/ServiceDiscovery/{cluster_name}/{worker.identity}"


def etcd_record(worker: Worker) -> bytes:
    """What a worker says of itself, member by member as open-source workers do."""
    record = {
        "Identity": {"version": worker.identity.version, "identifier": worker.identity.identifier.hex()},
        "WorkerNetAddress": {
            "Host": worker.host,
            "ContainerHost": "",
            "RpcPort": 29999,
            "DataPort": worker.data_port,
            "SecureRpcPort": 0,
            "NettyDataPort": worker.data_port,
            "WebPort": 30000,
            "DomainSocketPath": "",
            "HttpServerPort": worker.http_port,
        },
        "State": "AUTHORIZED",
        "GenerationNumber": -1,
        "ServiceEntityName": str(worker.identity),
    }
    return json.dumps(record, separators=(",", ":")).encode()
