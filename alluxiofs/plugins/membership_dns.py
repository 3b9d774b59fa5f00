"""The membership behind a name: every address that a domain resolves to is a worker."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import Any, Callable, List, Optional, Union

from attrs import define

from alluxiofs.errors import ConfigurationError, DeadlineExceededError, UnavailableError
from alluxiofs.interfaces import Context, Deadline, Membership, Snapshot, Worker, WorkerIdentity, Workers
from alluxiofs.logs import fields
from alluxiofs.plugins._discovery.published import Published
from alluxiofs.plugins.worker_hosts import parse_workers
from alluxiofs.settings.types import Seconds

__all__ = ["DnsMembership"]

_AGAIN_AFTER = 5.0  # seconds until a name that could not be resolved is looked up again
_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class DnsMembership(Membership):
    """The addresses of a domain, looked up again and again, as in Kubernetes' headless services.

    A domain with one address stays a name: it may be a balancer, which resolves otherwise tomorrow. Of a domain with
    addresses of both kinds those of IPv4 count, for both kinds are mostly the same workers.
    """

    name = "dns"

    @define(frozen=True)
    class Settings:
        """Settings of the membership by name.

        Parameters
        ----------
        domain:
            The name; ``localhost`` is the worker on this machine.
        http_port, data_port:
            Where all of them listen.
        refresh:
            Seconds until it is resolved again.
        """

        domain: str
        http_port: int = 28080
        data_port: int = 29998
        refresh: Seconds = Seconds(30)

        def __attrs_post_init__(self) -> None:
            try:
                named = parse_workers([{"host": self.domain}], self.http_port, self.data_port)
            except ConfigurationError as error:
                raise type(error)(f"load_balance_domain={self.domain!r} cannot be a domain: {error}") from error
            object.__setattr__(self, "domain", named[0].host)

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._published = Published()
        self._lock = threading.Lock()
        self._looking: Optional[_Looking] = None
        self._due = 0.0
        self._failure: Optional[Exception] = None
        self._warned = False

    def known(self) -> Snapshot:
        """The addresses as last found."""
        return self._published.latest or Snapshot(())

    def snapshot(self, deadline: Deadline) -> Snapshot:
        """The addresses as last found. Once they are too old they are looked up again meanwhile, by another thread."""
        latest = self._published.latest
        if latest is not None:
            if time.monotonic() >= self._due:
                self._look()
            return latest
        if self._failure is not None and time.monotonic() < self._due:
            raise self._unavailable(self._failure)
        looking = self._look()
        # Nothing limits how long the system's resolver takes, so another thread waits for it.
        if not looking.done.wait(deadline.wait()):
            raise DeadlineExceededError(f"{self.settings.domain}: the name was not resolved in time")
        latest = self._published.latest
        if latest is None:
            raise self._unavailable(self._failure)
        return latest

    def subscribe(self, changed: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have ``changed`` called when other addresses are found, which somebody has to ask for."""
        return self._published.subscribe(changed)

    def close(self) -> None:
        """Tell nobody any more; a look-up under way ends by itself."""
        self._published.close()

    def _look(self) -> _Looking:
        with self._lock:
            looking = self._looking
            if looking is None:
                looking = _Looking(self._find)
                looking.start()
                self._looking = looking
            return looking

    def _find(self) -> None:
        """Look the name up: the other thread's part."""
        try:
            workers = self._workers(_addresses(self.settings.domain))
        except (OSError, ValueError) as error:  # the latter for a label that is too long, and what is no address
            self._failure = error
            self._due = time.monotonic() + _AGAIN_AFTER
            if self._published.latest is not None and not self._warned:
                self._warned = True
                self.context.logger.warning(
                    "%s cannot be resolved (%s): the workers found before are used",
                    self.settings.domain,
                    error,
                    extra=fields(component=self.name, reason="unavailable"),
                )
        else:
            self._due = time.monotonic() + self.settings.refresh
            self._failure, self._warned = None, False
            self._published.publish(workers)
        finally:
            with self._lock:
                self._looking = None

    def _workers(self, addresses: List[str]) -> Workers:
        settings = self.settings
        hosts = addresses if len(addresses) > 1 else [settings.domain]
        return tuple(
            Worker(
                WorkerIdentity.from_host(host),
                host,
                settings.http_port,
                settings.data_port,
                {"domain": settings.domain},
            )
            for host in hosts
        )

    def _unavailable(self, cause: Optional[Exception]) -> UnavailableError:
        error = UnavailableError(f"{self.settings.domain}: the name of the workers cannot be resolved: {cause}")
        error.__cause__ = cause
        return error


class _Looking(threading.Thread):
    """One look-up, by a thread that ends with it."""

    def __init__(self, find: Callable[[], None]) -> None:
        super().__init__(name="alluxiofs-dns", daemon=True)
        self.done = threading.Event()
        self._find = find

    def run(self) -> None:
        try:
            self._find()
        finally:
            self.done.set()


def _addresses(domain: str) -> List[str]:
    """The addresses of a domain in their order as numbers: the same everywhere. One, if all are this machine's."""
    found = {str(info[4][0]) for info in socket.getaddrinfo(domain, None, type=socket.SOCK_STREAM)}
    parsed = {text: ipaddress.ip_address(text.partition("%")[0]) for text in found}
    if all(address.is_loopback for address in parsed.values()):
        return sorted(found)[:1]
    fourth = [text for text in found if parsed[text].version == 4]
    return sorted(fourth or found, key=lambda text: int(parsed[text]))
