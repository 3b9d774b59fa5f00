"""The list of the built-ins: the only place that names them. By text, so that what is not chosen is not imported."""

from __future__ import annotations

import importlib
from typing import Sequence, Tuple, Type

from attrs import define

from alluxiofs.hookspecs import hookimpl
from alluxiofs.interfaces import Component

__all__ = ["BuiltIn"]


@define(frozen=True)
class BuiltIn:
    """A component that is imported when it is chosen.

    Parameters
    ----------
    name:
        As in the class.
    path:
        ``module:class``.
    protocols:
        As in the class, for under stores.
    """

    name: str
    path: str
    protocols: Tuple[str, ...] = ()

    def load(self) -> Type[Component]:
        """Import the class."""
        module, _, name = self.path.partition(":")
        cls: Type[Component] = getattr(importlib.import_module(module), name)
        return cls


@hookimpl
def alluxiofs_worker_policies() -> Sequence[BuiltIn]:
    return (
        BuiltIn("consistent-hash", "alluxiofs.policies.consistent_hash:ConsistentHash"),
        BuiltIn("jump", "alluxiofs.policies.jump:Jump"),
        BuiltIn("ketama", "alluxiofs.policies.ketama:Ketama"),
        BuiltIn("local-first", "alluxiofs.policies.local_first:LocalFirst"),
        BuiltIn("maglev", "alluxiofs.policies.maglev:Maglev"),
        BuiltIn("multi-probe", "alluxiofs.policies.multi_probe:MultiProbe"),
        BuiltIn("rendezvous", "alluxiofs.policies.rendezvous:Rendezvous"),
        BuiltIn("round-robin", "alluxiofs.policies.round_robin:RoundRobin"),
    )


@hookimpl
def alluxiofs_memberships() -> Sequence[BuiltIn]:
    return (
        BuiltIn("dns", "alluxiofs.plugins.membership_dns:DnsMembership"),
        BuiltIn("etcd", "alluxiofs.plugins.membership_etcd:EtcdMembership"),
        BuiltIn("static", "alluxiofs.plugins.membership_static:StaticMembership"),
    )


@hookimpl
def alluxiofs_transports() -> Sequence[BuiltIn]:
    return (
        BuiltIn("alluxio", "alluxiofs.plugins.transport_alluxio:AlluxioTransport"),
        BuiltIn("direct", "alluxiofs.plugins.transport_direct:DirectTransport"),
    )


@hookimpl
def alluxiofs_under_stores() -> Sequence[BuiltIn]:
    return (
        BuiltIn("fsspec", "alluxiofs.plugins.under_store_fsspec:FsspecUnderStore", ("*",)),
        BuiltIn("local", "alluxiofs.plugins.under_store_local:LocalUnderStore", ("file", "local")),
        BuiltIn("s3", "alluxiofs.plugins.under_store_s3:S3UnderStore", ("s3", "s3a")),
        BuiltIn("gcs", "alluxiofs.plugins.under_store_gcs:GcsUnderStore", ("gs", "gcs")),
        BuiltIn("oss", "alluxiofs.plugins.under_store_oss:OssUnderStore", ("oss",)),
        BuiltIn("hdfs", "alluxiofs.plugins.under_store_hdfs:HdfsUnderStore", ("hdfs",)),
        # Last: of those that serve a protocol the first one does unless another is named.
        BuiltIn("obstore", "alluxiofs.plugins.under_store_obstore:ObstoreUnderStore", ("s3", "s3a", "gs", "gcs")),
    )


@hookimpl
def alluxiofs_page_stores() -> Sequence[BuiltIn]:
    return (
        BuiltIn("memory", "alluxiofs.pagestores.memory:MemoryPageStore"),
        BuiltIn("disk", "alluxiofs.pagestores.disk:DiskPageStore"),
        BuiltIn("tiered", "alluxiofs.pagestores.tiered:TieredPageStore"),
    )


@hookimpl
def alluxiofs_telemetry() -> Sequence[BuiltIn]:
    return (
        BuiltIn("none", "alluxiofs.plugins.telemetry_none:NoTelemetry"),
        BuiltIn("otel", "alluxiofs.plugins.telemetry_otel:OtelTelemetry"),
        BuiltIn("prometheus", "alluxiofs.plugins.telemetry_prometheus:PrometheusTelemetry"),
    )
