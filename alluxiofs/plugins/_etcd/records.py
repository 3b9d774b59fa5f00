"""What Alluxio's workers write about themselves into etcd."""

from __future__ import annotations

import json
from typing import Any, Iterable, List, Mapping, Tuple

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import Worker, WorkerIdentity
from alluxiofs.plugins.worker_hosts import parse_workers

__all__ = ["live_prefix", "parse_records"]


_ARGUMENT = "worker_hosts="  # what errors begin with, where users name workers


def live_prefix(cluster_name: str) -> str:
    """Below what the workers that are alive have their keys: each is gone when the worker's lease is."""
    return f"/ServiceDiscovery/{cluster_name}/"


def parse_records(records: Iterable[Tuple[str, bytes]]) -> Tuple[List[Worker], List[str]]:
    """The workers of keys and values, in the order of the keys, which is the one that placement depends on; and what is
    wrong with those that cannot be read.

    A value is JSON: ``{"Identity": {"version": 1, "identifier": "<hex>"}, "WorkerNetAddress": {"Host": …,
    "HttpServerPort": …, "DataPort": …}, …}``.
    """
    workers: List[Worker] = []
    wrong: List[str] = []
    seen = set()
    for key, value in sorted(records):
        try:
            worker = _parse(json.loads(value))
        except ConfigurationError as error:
            wrong.append(f"{key}: {str(error).replace(_ARGUMENT, '', 1)}")
            continue
        except KeyError as error:
            wrong.append(f"{key}: it has no {error}")
            continue
        except (ValueError, TypeError, RecursionError) as error:
            wrong.append(f"{key}: it is no record of a worker: {error}")
            continue
        if worker.identity in seen:
            wrong.append(f"{key}: another key has the same identity")
            continue
        seen.add(worker.identity)
        workers.append(worker)
    return workers, wrong


def _parse(record: Mapping[str, Any]) -> Worker:
    identity, address = record["Identity"], record["WorkerNetAddress"]
    version, identifier = identity["version"], bytes.fromhex(identity["identifier"])
    if isinstance(version, bool) or not isinstance(version, int):
        raise ConfigurationError(f"the version of an identity is a number, not {version!r}")
    described = {
        "host": address["Host"],
        "http_port": address["HttpServerPort"],
        "data_port": address.get("DataPort") or None,
        "identity": WorkerIdentity(version, identifier),
    }
    return parse_workers([described])[0]
