"""The membership that Alluxio's workers keep in etcd themselves."""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Callable, Iterator, Mapping, Optional, Tuple

from attrs import define, field

from alluxiofs.errors import (
    AlluxioFSError,
    ConfigurationError,
    DeadlineExceededError,
    SettingTypeError,
    TemporaryError,
    UnavailableError,
)
from alluxiofs.interfaces import Context, Deadline, Membership, Snapshot, secret
from alluxiofs.logs import fields
from alluxiofs.plugins._discovery.published import Published
from alluxiofs.plugins._etcd.client import EtcdClient
from alluxiofs.plugins._etcd.records import live_prefix, parse_records
from alluxiofs.settings.types import Seconds

__all__ = ["EtcdMembership"]

_AGAIN_AFTER = 5.0  # seconds until an etcd that could not be asked is asked again by whoever needs workers
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between the attempts to find a lost etcd again
_BETWEEN_WATCHES = 5.0  # seconds from the beginning of one to that of the next, should a server end each at once
_READING = 30.0
_ENDPOINT = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s/\\@,:?#\[\]{}'\"]+)(?::(?P<port>[0-9]{1,5}))?/?"
)


def _texts(value: Any) -> Tuple[str, ...]:
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise SettingTypeError(f"etcd_hosts={value!r}: text, or a list of texts, is needed")
    return tuple(text.strip() for item in items for text in item.split(",") if text.strip())


class EtcdMembership(Membership):
    """The workers whose leases in etcd live, followed as they change.

    A lost etcd keeps the last workers: whether they are alive shows when they are asked.
    """

    name = "etcd"

    @define(frozen=True)
    class Settings:
        """Settings of the membership in etcd.

        Parameters
        ----------
        hosts:
            The endpoints, asked in turn: ``"h1,h2:2379"``, ``"https://h1:2379"``, or a list of such.
        port:
            Where endpoints listen that say nothing else.
        username, password:
            Of etcd's user, where etcd knows users.
        tls:
            Files by ``ca``, ``cert`` and ``key``. With it, and for endpoints with ``https``, TLS is used and verified.
        cluster_name:
            Alluxio's ``alluxio.cluster.name``.
        refresh:
            Seconds of silence after which all is read again, so that a connection that died unnoticed is noticed.
        """

        hosts: Tuple[str, ...] = field(converter=_texts)
        port: int = 2379
        username: Optional[str] = None
        password: Optional[str] = secret(None)
        tls: Mapping[str, str] = field(factory=dict)
        cluster_name: str = "DefaultAlluxioCluster"
        refresh: Seconds = Seconds(60)

        def endpoints(self) -> Iterator[str]:
            """The endpoints as URLs."""
            for text in self.hosts:
                found = _ENDPOINT.fullmatch(text)
                if found is None or not 0 < int(found["port"] or self.port) < 1 << 16:
                    shown = text.rpartition("@")[2]
                    raise ConfigurationError(
                        f"etcd_hosts={shown!r} is no endpoint: it is 'host', 'host:port' or 'https://host:port'"
                    )
                scheme = found["scheme"] or ("https" if self.tls else "http")
                if self.tls and scheme == "http":
                    raise ConfigurationError(
                        f"etcd_hosts={text!r} is without TLS, and etcd_tls asks for it: write 'https://', or no scheme"
                    )
                yield f"{scheme}://{found['host']}:{found['port'] or self.port}"

        def __attrs_post_init__(self) -> None:
            if not tuple(self.endpoints()):
                raise ConfigurationError("etcd_hosts names no endpoint")
            if "key" in self.tls and "cert" not in self.tls:
                raise ConfigurationError("etcd_tls names a 'key', and no 'cert' that it belongs to")

    def __init__(self, settings: Any, context: Context) -> None:
        super().__init__(settings, context)
        self._published = Published()
        self._client = EtcdClient(tuple(settings.endpoints()), settings.tls, settings.username, settings.password)
        self._prefix = live_prefix(settings.cluster_name)
        self._asking = threading.Lock()
        self._closed = threading.Event()
        self._failure: Optional[BaseException] = None
        self._due = 0.0
        self._told: Tuple[str, ...] = ()

    def known(self) -> Snapshot:
        """The workers as last read."""
        return self._published.latest or Snapshot(())

    def snapshot(self, deadline: Deadline) -> Snapshot:
        """The workers as last read. The first call reads them, and starts the thread that follows the changes."""
        latest = self._published.latest
        if latest is not None:
            return latest
        if not self._asking.acquire(timeout=deadline.wait()):
            raise DeadlineExceededError("etcd: another thread waits for it already")
        try:
            latest = self._published.latest
            if latest is not None:
                return latest
            if self._failure is not None and time.monotonic() < self._due:
                raise _again(self._failure) from self._failure
            try:
                revision = self._read(deadline)
            except (OSError, AlluxioFSError) as error:
                self._failure, self._due = error, time.monotonic() + _AGAIN_AFTER
                raise
            threading.Thread(target=self._follow, args=(revision,), name="alluxiofs-etcd", daemon=True).start()
            return self.known()
        finally:
            self._asking.release()

    def subscribe(self, changed: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have ``changed`` called by the thread that follows the changes, which the first :meth:`snapshot` starts."""
        return self._published.subscribe(changed)

    def close(self) -> None:
        """End the thread, and tell nobody any more."""
        self._closed.set()
        self._published.close()
        self._client.close()

    def _read(self, deadline: Deadline) -> int:
        """Read the workers; returns the revision of what was read."""
        found = self._client.read(self._prefix, deadline)
        workers, wrong = parse_records(found.records)
        if tuple(wrong) != self._told:
            self._told = tuple(wrong)
            for one in wrong:
                more = fields(component=self.name, reason="bad_answer")
                self.context.logger.warning("etcd has a worker that cannot be used: %s", one, extra=more)
        self._published.publish(tuple(workers))
        return found.revision

    def _follow(self, revision: int) -> None:
        """Follow the changes until closed. What a change is, is not looked at: it is time to read all again."""
        pause, lost = 0.0, False
        between = min(_BETWEEN_WATCHES, self.settings.refresh)
        while not self._closed.wait(pause):
            began = time.monotonic()
            try:
                if lost:
                    revision = self._read(Deadline.after(_READING))
                for changed in self._client.changes(self._prefix, revision, self.settings.refresh):
                    if lost:
                        lost = False
                        self.context.logger.info("etcd is there again", extra=fields(component=self.name))
                    if changed:
                        revision = self._read(Deadline.after(_READING))
                if not self._closed.is_set():
                    revision = self._read(Deadline.after(_READING))
                pause = max(0.0, began + between - time.monotonic())
            except Exception as error:  # whatever it is, the last workers stay, and etcd is looked for again
                if not lost and not self._closed.is_set():
                    count = len(self.known().workers)
                    more = fields(component=self.name, reason="unavailable")
                    self.context.logger.warning(
                        "etcd is lost, the last %d workers are used: %s", count, error, extra=more
                    )
                pause, lost = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause)), True
        self._client.close()  # once more: a question may have been under way when it was closed


def _again(failure: BaseException) -> BaseException:
    """What is raised where etcd is not asked once more so soon: an error of the same kind, for what a caller does
    about an etcd that is not there is not what is to be done about a password."""
    if isinstance(failure, TemporaryError):
        return UnavailableError(f"etcd was not there a moment ago: {failure}")
    return type(failure)(*failure.args)
