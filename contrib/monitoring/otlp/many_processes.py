"""Processes that each send what alluxiofs does to an OpenTelemetry collector: metrics and traces, by OTLP over gRPC.

    pip install 'alluxiofs[otel]' opentelemetry-exporter-otlp-proto-grpc
    OTEL_SERVICE_NAME=training OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4317 \
        python contrib/monitoring/otlp/many_processes.py 4 file:///etc/hosts

It reads a file in each of four processes. With Ray, a DataLoader and the like `begin` is what a worker does first.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from typing import Any, Callable, Dict, Tuple

import fsspec
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from alluxiofs.plugins.telemetry_otel import views


def begin() -> Tuple[Dict[str, Any], Callable[[], None]]:
    """Set up this process: what is passed as ``telemetry``, and what is called at the end.

    Each process says who it is, or the backend takes the counters of all for one that jumps back and forth. All else is
    said by ``OTEL_*`` variables: where to, how often, the name of the service.
    """
    resource = Resource.create({"service.instance.id": f"{socket.gethostname()}-{os.getpid()}"})
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource, views=views())
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    def end() -> None:
        # Processes that multiprocessing forks end without telling anybody: the last values would be lost.
        tracers.shutdown()
        meters.shutdown()

    return {"name": "otel", "meter_provider": meters, "tracer_provider": tracers}, end


def work(url: str) -> int:
    """What one process does: how many bytes it has read."""
    telemetry, end = begin()
    try:
        fs = fsspec.filesystem("alluxiofs", target_protocol=url.partition("://")[0], telemetry=telemetry)
        return len(fs.cat_file(url))
    finally:
        end()


def main(processes: str, url: str) -> None:
    """Read the file in so many processes."""
    # Spawned, not forked: gRPC does not work in a child that was forked from a process that has used it. One file each,
    # or a process that is there early reads those of the others, too.
    with multiprocessing.get_context("spawn").Pool(int(processes), maxtasksperchild=1) as pool:
        sizes = pool.map(work, [url] * int(processes), chunksize=1)
    sys.stdout.write(f"{len(sizes)} processes have read {sum(sizes)} bytes\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
