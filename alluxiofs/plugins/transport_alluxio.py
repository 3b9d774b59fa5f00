"""The transport to Alluxio's workers."""

from __future__ import annotations

import ssl
import threading
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple, Union

import attrs
from attrs import define

from alluxiofs.errors import ConfigurationError, NotSupportedError, NoTurnError
from alluxiofs.interfaces import (
    Context,
    Deadline,
    Entry,
    Examined,
    Location,
    Transport,
    UnderStore,
    Version,
    Worker,
    Workers,
)
from alluxiofs.interfaces.component import SECRET
from alluxiofs.interfaces.telemetry import before_the_call
from alluxiofs.interfaces.transport import AskWorkers
from alluxiofs.logs import fields
from alluxiofs.plugins._alluxio.behind import StorageBehindWorkers
from alluxiofs.plugins._alluxio.dialects import find_dialect
from alluxiofs.plugins._alluxio.examining import examine
from alluxiofs.plugins._alluxio.load_jobs import AlluxioLoadJobs
from alluxiofs.plugins._alluxio.loading import LoadOnMiss
from alluxiofs.plugins._alluxio.owners import Owners
from alluxiofs.plugins._alluxio.page_sizes import PROPERTY, PageSizeError
from alluxiofs.plugins._alluxio.pages import PagesDialect
from alluxiofs.plugins._alluxio.peer import Peer, Peers
from alluxiofs.plugins._alluxio.rest import RestDialect
from alluxiofs.plugins._http.pool import Pools
from alluxiofs.settings.types import Seconds, Size

__all__ = ["AlluxioTransport"]

_Dialect = Union[PagesDialect, RestDialect]
_DIALECTS = ("auto", "pages", "rest")
_CONNECTIONS_FOR_LOADS = 2
_SPOKEN, _BELIEVED = "spoken", 60.0  # what examining a worker has found, and for how many seconds it is believed
_MOST_MET = 10_000
_LOOK = 2.0  # seconds for finding out how long a worker's pages are: the read that waits for it goes on elsewhere then


class AlluxioTransport(Transport):
    """HTTP to Alluxio's workers, in the open-source release's dialect (pages) or the newer one's (rest)."""

    name = "alluxio"
    # Of the dialect; before it is known, all that one of them has.
    capabilities = RestDialect.capabilities

    @define(frozen=True)
    class Settings:
        """Settings of the transport to Alluxio's workers.

        Parameters
        ----------
        dialect:
            ``pages`` (the open-source release), ``rest`` (newer ones), or ``auto``: asked of the first worker.
        scheme:
            ``http``, or ``https`` for TLS, which is always verified.
        ca_certs:
            A file of certificates to trust instead of the system's.
        client_cert:
            A file with certificate and key, or two files.
        headers:
            What is sent to the workers, and to nobody else, with each request.
        max_connections:
            To each port of each worker.
        load_on_miss:
            Dialect ``pages``: have a file loaded that was wanted and is not cached.
        page_size:
            Of the workers.
        version_age:
            Seconds that what a worker said of a file's version is believed while its pages are read.
        """

        dialect: str = "auto"
        scheme: str = "http"
        ca_certs: Optional[str] = None
        client_cert: Optional[Tuple[str, ...]] = None
        headers: Dict[str, str] = attrs.field(
            factory=dict, repr=lambda headers: repr(sorted(headers)), metadata={SECRET: True}
        )
        max_connections: int = 32
        load_on_miss: bool = False
        page_size: Size = Size("1MB")
        version_age: Seconds = Seconds(1)

        def __attrs_post_init__(self) -> None:
            if self.dialect not in _DIALECTS:
                raise ConfigurationError(f"dialect={self.dialect!r}: it is one of {', '.join(_DIALECTS)}")
            if self.scheme not in ("http", "https"):
                raise ConfigurationError(f"scheme={self.scheme!r}: it is http or https")
            if self.page_size < 1 or self.max_connections < 1:
                raise ConfigurationError("page_size and max_connections are at least 1")
            _check_headers(self.headers)

    def __init__(self, settings: Any, context: Context, store_of: Callable[[Location], UnderStore]) -> None:
        super().__init__(settings, context, store_of)
        self._lock = threading.Lock()
        self._untold = threading.Lock()  # who gets it tells of pages of another size; nobody gives it back
        self._finding: Dict[Tuple[str, int], threading.Lock] = {}
        self._peers: Optional[Peers] = None
        self._met: Dict[int, Tuple[Worker, Peer]] = {}  # by the id of the worker: in the path of every read
        self._members: Callable[[], Workers] = tuple
        self._compared: Optional[Workers] = None  # the members by whom it was last looked who is gone
        self._owners = Owners(self._peer_at, self._known_members)
        self._dialect: Optional[_Dialect] = None
        if settings.dialect != "auto":
            self._speak(settings.dialect)

    def meet(self, members: Callable[[], Workers]) -> None:
        self._members = members

    def describe(self) -> Dict[str, Any]:
        """The dialect that the cluster speaks, as far as it is known."""
        return {"dialect": None if self._dialect is None else self._dialect.name}

    def close(self) -> None:
        """Close all connections."""
        if self._peers is not None:
            self._peers.close()

    # --- the transport ------------------------------------------------------------------------------------------

    def stat(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Entry:
        peer = self._peer_of(worker)
        return self._dialect_of(peer, deadline).stat(peer, location, deadline)

    def list(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> Iterator[Entry]:
        peer = self._peer_of(worker)
        return self._dialect_of(peer, deadline).list(peer, location, deadline)

    def read_into(
        self,
        worker: Optional[Worker],
        location: Location,
        version: Version,
        offset: int,
        view: memoryview,
        deadline: Deadline,
    ) -> None:
        known = self._met.get(id(worker))
        peer = known[1] if known is not None and known[0] is worker else self._peer_of(worker)
        dialect = self._dialect or self._dialect_of(peer, deadline)
        try:
            dialect.read_into(peer, location, version, offset, view, deadline)
        except PageSizeError:
            if self._untold.acquire(blocking=False):
                self._tell_page_size(peer, dialect.name, location, version, deadline)
            raise

    def _tell_page_size(
        self, peer: Peer, dialect: str, location: Location, version: Version, deadline: Deadline
    ) -> None:
        """That workers go to waste is seen nowhere else: what they are not read for comes from the under store."""
        found: Optional[int] = None
        try:
            within = Deadline.after(min(_LOOK, deadline.remaining()))
            found = examine(peer, dialect, location, version.length, within).page_size
        except OSError as error:
            more = fields(component=self.name, worker=f"{peer.host}:{peer.http_port}")
            self.context.logger.debug("%s does not show how long its pages are: %s", peer.where, error, extra=more)
        configured = int(self.settings.page_size)
        self.context.logger.warning(
            "page size: %d bytes are configured, and %s has pages of %s: what is behind the first page of a file is "
            "read from the under store, where there is one, never from workers with such pages: set the option %r to "
            "%s (this is said once)",
            configured,
            peer.where,
            "another size" if found is None else f"{found} bytes",
            PROPERTY,
            "what the cluster has" if found is None else str(found),
            extra=fields(path=location.url, component=self.name, worker=f"{peer.host}:{peer.http_port}"),
        )

    def drop(self, worker: Optional[Worker], location: Location, deadline: Deadline) -> None:
        if not self.capabilities.drop:
            raise NotSupportedError("workers of dialect 'pages' cannot be told to forget a file")
        peer = self._peer_of(worker)
        self._dialect_of(peer, deadline).drop(peer, location, deadline)

    def store_behind(self, ask: AskWorkers) -> Optional[UnderStore]:
        """Dialect ``rest`` can change it; what is spoken may be found out with the first change."""
        if self._dialect is not None and not self.capabilities.write:
            return None
        return StorageBehindWorkers(self, self._writable_peer, self._tls, ask, self.context)

    def _writable_peer(self, worker: Worker, deadline: Deadline) -> Peer:
        peer = self._peer_of(worker)
        if not self._dialect_of(peer, deadline).capabilities.write:
            raise NotSupportedError(
                "workers of dialect 'pages' cannot change files: name the under store with target_protocol="
            )
        return peer

    def load_jobs(self) -> AlluxioLoadJobs:
        """Both dialects have them."""
        return AlluxioLoadJobs(self._peer_of, self._dialect_of)

    def examine(
        self, worker: Worker, location: Optional[Location], length: Optional[int], deadline: Deadline
    ) -> Examined:
        """Both dialects tell something: the one that this worker speaks, whatever is configured."""
        peer = self._peer_of(worker)
        dialect = peer.facts.get(_SPOKEN)
        if dialect is None:
            dialect = find_dialect(peer, deadline)
            peer.facts.put(_SPOKEN, dialect, _BELIEVED)
        return examine(peer, dialect, location, length, deadline)

    def _known_members(self) -> Workers:
        return self._members()

    # --- dialects -----------------------------------------------------------------------------------------------

    def _dialect_of(self, peer: Peer, deadline: Deadline) -> _Dialect:
        if self._dialect is not None:
            return self._dialect
        # Each worker has its own turn: one that does not answer keeps nobody from asking another.
        with self._lock:
            finding = self._finding.setdefault((peer.host, peer.http_port), threading.Lock())
        if not finding.acquire(timeout=deadline.wait()):
            raise NoTurnError(f"{peer.where} did not say in time which dialect it speaks")
        try:
            if self._dialect is None:
                with before_the_call():
                    found = find_dialect(peer, deadline)
                more = fields(component=self.name, worker=f"{peer.host}:{peer.http_port}")
                self.context.logger.info("the workers speak dialect %r, says %s", found, peer.where, extra=more)
                self._speak(found)
            spoken: Any = self._dialect
            dialect: _Dialect = spoken
            return dialect
        finally:
            finding.release()

    def _speak(self, name: str) -> None:
        dialect = self._speaking(name)
        self.capabilities = dialect.capabilities
        self._dialect = dialect

    def _speaking(self, name: str) -> _Dialect:
        settings = self.settings
        if name == "rest":
            return RestDialect(
                int(settings.page_size),
                settings.version_age,
                self._owners,
                settings.scheme,
            )
        loading = None
        if settings.load_on_miss:
            loading = LoadOnMiss(
                lambda: Pools(self._tls(), _CONNECTIONS_FOR_LOADS), self.context.logger, self.context.telemetry
            )
        return PagesDialect(int(settings.page_size), settings.version_age, loading, self.context.logger)

    # --- workers ------------------------------------------------------------------------------------------------

    def _peer_of(self, worker: Optional[Worker]) -> Peer:
        if worker is None:
            raise ValueError("the transport 'alluxio' speaks to workers: one must be named")
        peer = self._peer_at(worker.host, worker.http_port, worker.data_port)
        if worker.labels:
            self._owners.note(peer, worker)
        if len(self._met) >= _MOST_MET:
            self._met.clear()
        self._met[id(worker)] = worker, peer
        return peer

    def _peer_at(self, host: str, http_port: int, data_port: int) -> Peer:
        peers = self._peers
        if peers is None:
            with self._lock:
                peers = self._peers
                if peers is None:
                    pools = Pools(self._tls(), self.settings.max_connections)
                    peers = self._peers = Peers(pools, self.settings.headers, self.context.telemetry, self._gone_of)
        return peers.of(host, http_port, data_port)

    def _gone_of(self, peers: List[Peer]) -> Set[Peer]:
        members = self._members()
        if members is self._compared or not members or self._owners.balancers:  # without members nobody knows who is
            return set()
        self._compared = members
        present = {(one.host, one.http_port) for one in members}
        gone = {peer for peer in peers if (peer.host, peer.http_port) not in present}
        if gone:
            self._met.clear()
        return gone

    def _tls(self) -> Optional[ssl.SSLContext]:
        settings = self.settings
        if settings.scheme != "https":
            return None
        try:
            context = ssl.create_default_context(cafile=settings.ca_certs)
            if settings.client_cert:
                context.load_cert_chain(*settings.client_cert)
        except OSError as error:
            given = f"ca_certs={settings.ca_certs!r}, client_cert={settings.client_cert!r}"
            raise ConfigurationError(f"the certificates for the workers cannot be read: {given}: {error}") from error
        return context


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not plain or not all(" " <= character <= "\xff" or character == "\t" for character in value):
            raise ConfigurationError(f"headers: {name!r} is no header that can be sent")
