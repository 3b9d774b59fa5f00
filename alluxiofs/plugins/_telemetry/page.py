"""The page ``/metrics``: what filesystems have recorded, in Prometheus' words, and the server that shows it.

One page a port, however many filesystems record there, and one a registry; both are of this process.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Dict, Hashable, Iterator, List, Optional, Set, Tuple, Type

from alluxiofs import forks
from alluxiofs.errors import MissingExtraError
from alluxiofs.logs import fields
from alluxiofs.plugins._telemetry.catalogue import Kind
from alluxiofs.plugins._telemetry.samples import bounds_of, histograms, numbers
from alluxiofs.plugins._telemetry.tally import Tally

__all__ = ["Page", "leave", "page_for", "prometheus_client"]

_PATIENCE = 10.0  # seconds that a client may take to ask


def prometheus_client() -> Any:
    """The module; ``MissingExtraError`` with the line that installs it."""
    try:
        import prometheus_client
        import prometheus_client.core
        import prometheus_client.exposition
    except ImportError as error:
        raise MissingExtraError(
            "telemetry 'prometheus' needs prometheus-client: pip install 'alluxiofs[otel]'"
        ) from error
    return prometheus_client


class _Collector:
    """What a registry asks."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Any]:
        """The metrics as they are now."""
        core = prometheus_client().core
        for metric, distributions in histograms(self._tally):
            family = core.HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            bounds = (*bounds_of(metric), "+Inf")
            for labels, distribution in sorted(distributions.items()):
                family.add_metric(labels, list(zip(bounds, distribution.counts)), distribution.total)
            yield family
        for metric, values in numbers(self._tally):
            make = core.CounterMetricFamily if metric.kind is Kind.COUNTER else core.GaugeMetricFamily
            family = make(metric.name, metric.help, labels=metric.labels)
            for labels, value in sorted(values.items()):
                family.add_metric(labels, value)
            yield family


class Page:
    """What is recorded under one port or in one registry.

    Parameters
    ----------
    key:
        What it is found by.
    registry:
        One of prometheus_client; ``None``: one of its own.
    """

    def __init__(self, key: Hashable, registry: Any) -> None:
        self.key = key
        self.tally = Tally()
        self.registry = prometheus_client().CollectorRegistry() if registry is None else registry
        self._collector = _Collector(self.tally)
        self.registry.register(self._collector)
        self._lock = threading.RLock()
        self._users: Set[object] = set()
        self._servers: Dict[Tuple[str, int], Optional[_Server]] = {}  # None: it could not be had

    def enter(self, user: object) -> None:
        """Somebody records here."""
        with self._lock:
            self._users.add(user)

    def leave(self, user: object) -> bool:
        """Somebody records here no more. ``True`` if that was the last, and the page is not shown any more."""
        with self._lock:
            if user not in self._users:
                return False
            self._users.remove(user)
            if self._users:
                return False
            servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            if server is not None:
                server.stop()
        self.registry.unregister(self._collector)
        return True

    def serve(self, host: str, port: int, logger: logging.Logger) -> Optional[int]:
        """Show the page at an address, unless it is. Returns the port; ``None``, after one warning, if it is taken."""
        with self._lock:
            if (host, port) not in self._servers:
                try:
                    self._servers[host, port] = _Server(host, port, self.registry)
                except OSError as error:
                    self._servers[host, port] = None
                    more = fields(component="prometheus", reason="unavailable")
                    logger.warning(
                        "the metrics are not served, for %s:%d cannot be had: %s", host, port, error, extra=more
                    )
            server = self._servers[host, port]
            return None if server is None else server.port

    def after_fork(self) -> None:
        """In the child: the port is the parent's alone, and what is recorded from now on is the child's."""
        self._lock = threading.RLock()
        for server in self._servers.values():
            if server is not None:
                server.socket.close()
        self._servers = {}


class _Server(ThreadingHTTPServer):
    """Serves ``/metrics`` from a thread of its own."""

    daemon_threads = True
    # On Windows this would let two programs have one port.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, host: str, port: int, registry: Any) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _handler(registry))
        self.port: int = self.socket.getsockname()[1]
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="alluxiofs-metrics", daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        """As in the classes above, without looking up the name of the host, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked has gone: no matter."""

    def _run(self) -> None:
        # Not serve_forever: it wakes twice a second to see whether it should end.
        try:
            while not self._stopped:
                self.handle_request()
        finally:
            self.server_close()

    def stop(self) -> None:
        """End, and give the port back."""
        self._stopped = True
        if threading.current_thread() is self._thread:
            return  # the collector of garbage runs anywhere
        with contextlib.suppress(OSError):
            socket.create_connection((self.server_name, self.port), timeout=1).close()
        self._thread.join(timeout=1)


def _handler(registry: Any) -> Type[BaseHTTPRequestHandler]:
    exposition = prometheus_client().exposition

    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE
        server_version = "alluxiofs"
        sys_version = ""

        def do_GET(self) -> None:  # the name that http.server calls
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, explain="the metrics are at /metrics")
                return
            encode, content_type = exposition.choose_encoder(self.headers.get("Accept", ""))
            body = encode(registry)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # http.server's name
            """Being asked is nothing to write to the standard error stream."""

    return Handler


# --- the pages of this process ----------------------------------------------------------------------------------

# Re-entrant, as those of the pages: the collector of garbage closes what nobody uses, wherever it runs.
_lock = threading.RLock()
_pages: Dict[Hashable, Page] = {}


def page_for(user: object, host: str, port: Optional[int], registry: Any) -> Page:
    """The page of the registry, or else of the port. ``user`` (anything hashable) records there until :func:`leave`."""
    key: Hashable = ("port", host, port) if port else ("user", user)
    if registry is not None:
        key = ("registry", id(registry))  # the page holds the registry, so no other one gets its id
    with _lock:
        page = _pages.get(key)
        if page is None:
            page = _pages[key] = Page(key, registry)
        page.enter(user)
        return page


def leave(page: Page, user: object) -> None:
    """``user`` records on the page no more."""
    with _lock:
        if page.leave(user):
            _pages.pop(page.key, None)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    pages: List[Page] = list(_pages.values())
    for page in pages:
        page.after_fork()


forks.in_child(_after_fork)
