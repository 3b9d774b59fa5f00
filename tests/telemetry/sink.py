"""An OTLP sink over gRPC: a collector that keeps what it receives."""

from __future__ import annotations

import importlib
from concurrent import futures
from typing import Any, Dict, List

from tests.servers import free_port

__all__ = ["Sink"]

_METRICS = "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2"
_TRACES = "opentelemetry.proto.collector.trace.v1.trace_service_pb2"


def _attributes(of: Any) -> Dict[str, str]:
    return {one.key: one.value.string_value for one in of.attributes}


class Sink:
    """Listens on the loopback interface within a ``with`` block."""

    def __init__(self) -> None:
        self.metrics: List[Any] = []
        self.spans: List[Any] = []
        self.resources: List[Dict[str, str]] = []

    def __enter__(self) -> Sink:
        grpc: Any = importlib.import_module("grpc")
        metrics, traces = importlib.import_module(_METRICS), importlib.import_module(_TRACES)
        metrics_grpc, traces_grpc = (importlib.import_module(f"{name}_grpc") for name in (_METRICS, _TRACES))

        def keep_metrics(request: Any, _: Any) -> Any:
            for resource in request.resource_metrics:
                self.resources.append(_attributes(resource.resource))
                found = [metric for scope in resource.scope_metrics for metric in scope.metrics]
                self.metrics += [(self.resources[-1], metric) for metric in found]
            return metrics.ExportMetricsServiceResponse()

        def keep_spans(request: Any, _: Any) -> Any:
            self.spans += [
                span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
            ]
            return traces.ExportTraceServiceResponse()

        meters: Any = type("Meters", (metrics_grpc.MetricsServiceServicer,), {})()
        tracers: Any = type("Tracers", (traces_grpc.TraceServiceServicer,), {})()
        meters.Export, tracers.Export = keep_metrics, keep_spans
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        metrics_grpc.add_MetricsServiceServicer_to_server(meters, self._server)
        traces_grpc.add_TraceServiceServicer_to_server(tracers, self._server)
        port = free_port()
        self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()
        self.endpoint = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop(None).wait(10)

    def last(self, name: str) -> Dict[str, Any]:
        """The last value of a metric, by the processes that sent it."""
        return {
            resource.get("service.instance.id", ""): getattr(metric, metric.WhichOneof("data")).data_points[-1]
            for resource, metric in self.metrics
            if metric.name == name
        }
