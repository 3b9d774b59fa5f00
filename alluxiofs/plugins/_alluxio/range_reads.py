"""Reading from a worker that has a data port: ranges of files by their path in Alluxio, and pages as a second way."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Optional, Tuple
from urllib.parse import urlsplit

from attrs import define

from alluxiofs.errors import (
    BadAnswerError,
    NotHeldError,
    OtherVersionError,
    UnavailableError,
    is_a_directory,
    not_found,
)
from alluxiofs.interfaces import Deadline, Location, Version
from alluxiofs.interfaces.telemetry import before_the_call
from alluxiofs.plugins._alluxio.names import file_id, quoted
from alluxiofs.plugins._alluxio.owners import Owners
from alluxiofs.plugins._alluxio.page_sizes import Length, check_page_size, is_proved
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.answers import Answer, Head
from alluxiofs.plugins._http.connection import Target

if TYPE_CHECKING:
    from alluxiofs.plugins._alluxio.rest import RestDialect

__all__ = ["RangeReads"]

_NOTED = 60.0
_REFUSED = 1.0
_DATA_PORT_DOWN = 10.0  # seconds until a data port that took no connection is tried again
_DATA_PORT = "data port"
_DATA = (200, 206)
_HOPS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.ASCII)
_NO_SUCH_WAY = frozenset({405, 501})


@define(eq=False)
class _Note:
    """What was found out about a file at one worker."""

    path: Optional[str] = None
    """In Alluxio, as it goes into a target; ``None`` if the worker does not say it."""
    agreed: Optional[Version] = None
    """The version that the worker was found to have; mostly the very object that is asked for."""
    until: float = 0.0
    """By ``time.monotonic()``: when that is no longer believed."""


class _Wanted:
    """Which bytes of which version, and where they go. Made for each read: attributes that cannot be set take as long
    to make as all else that is done here."""

    __slots__ = ("location", "offset", "said", "version", "view")

    def __init__(self, location: Location, version: Version, offset: int, view: memoryview) -> None:
        self.location = location
        self.version = version
        self.offset = offset
        self.view = view
        length = version.length
        self.said = b"" if length is None else f"bytes {offset}-{offset + len(view) - 1}/{length}".encode("ascii")
        """What an answer says of its range that has just this."""

    def ask(self, peer: Peer, path: str, deadline: Deadline) -> Optional[Answer]:
        """Ask a data port for the range: ``None`` if the view is filled, else what it answers instead."""
        request = peer.get_range(path, self.offset, self.offset + len(self.view))
        return peer.data.fetch(
            request, self.view, deadline, statuses=_DATA, said=self.said, check=self._check, repeatable=True
        )

    def _check(self, head: Head) -> None:
        length, url = self.version.length, self.location.url
        if head.status == 200:
            if self.offset or length != len(self.view):
                raise BadAnswerError(f"the worker ignored the range that was asked for of {url}")
            return
        found = _RANGE.fullmatch(head.get(b"content-range") or "")
        if found is None:
            raise BadAnswerError(f"the worker does not say which range of {url} it sends")
        if found[3] != "*" and length is not None and int(found[3]) != length:
            raise OtherVersionError(f"the worker has {url} at another length")
        if (int(found[1]), int(found[2]) + 1) != (self.offset, self.offset + len(self.view)):
            raise BadAnswerError(f"the worker sends another range of {url} than was asked for")


class RangeReads:
    """Reads ranges.

    Parameters
    ----------
    dialect:
        For what is asked about files.
    page_size, version_age, owners, scheme:
        See :class:`RestDialect`.
    """

    def __init__(
        self,
        dialect: RestDialect,
        page_size: int,
        version_age: float,
        owners: Owners,
        scheme: str,
    ) -> None:
        self._dialect = dialect
        self._page_size = page_size
        self._version_age = version_age
        self._owners = owners
        self._scheme = scheme

    def read_into(
        self, peer: Peer, location: Location, version: Version, offset: int, view: memoryview, deadline: Deadline
    ) -> None:
        """Fill the view; the version is looked at before the first read, and again when that is too long ago."""
        url = location.url
        if peer.refusals.held:
            known = peer.refusals.get((url, version))
            if known is not None:
                with before_the_call():
                    raise known()
        found = peer.notes.held.get(url)  # however old: what can be old in a note has an age of its own
        note: Optional[_Note] = None if found is None else found[1]
        looked_at = note is None
        if note is None:
            note = _Note()
            with before_the_call():
                self._agree(peer, location, version, note, deadline)
            peer.notes.put(url, note, _NOTED)
        wanted = _Wanted(location, version, offset, view)
        if note.path is None or (_DATA_PORT in peer.facts.held and peer.facts.get(_DATA_PORT) is False):
            self._read_pages(peer, wanted, deadline)
        else:
            lost = peer.data.lost
            try:
                answer = wanted.ask(peer, note.path, deadline)
            except UnavailableError:
                if peer.data.lost == lost or not deadline.remaining():
                    raise
                # Nobody listens there; the other port has all of it too.
                peer.ended("read", "unavailable", _since(deadline))
                self._read_pages(peer, wanted, deadline)
                peer.facts.put(_DATA_PORT, False, _DATA_PORT_DOWN)
            else:
                if answer is not None:
                    self._refused(peer, answer, wanted, deadline)
        if looked_at:
            return
        if (note.agreed is not version and note.agreed != version) or note.until <= time.monotonic():
            self._agree(peer, location, version, note, deadline)

    def _agree(self, peer: Peer, location: Location, version: Version, note: _Note, deadline: Deadline) -> None:
        """Make sure that the worker has no other version than the one that is wanted."""
        asked = time.monotonic()
        with peer.besides("info"):
            entry = self._dialect.stat(peer, location, deadline)
        if not entry.is_file:
            raise is_a_directory(location.url)
        same = entry.version.same_as(version)
        # A worker that does not tell the time cannot be behind itself, but behind an under store.
        if same is False or (same is None and version.tells):
            message = f"{peer.where} holds another version of {location.url}"
            peer.refusals.put((location.url, version), lambda: OtherVersionError(message), _REFUSED)
            peer.notes.forget(location.url)
            raise OtherVersionError(message)
        path = entry.extra.get("mPath")
        note.path = quoted(path) if isinstance(path, str) and path.startswith("/") else None
        note.agreed, note.until = version, asked + self._version_age

    # --- the data port ----------------------------------------------------------------------------------------------

    def _refused(self, peer: Peer, refusal: Answer, wanted: _Wanted, deadline: Deadline) -> None:
        """What a data port has answered instead of data: somebody else has them, or nobody."""
        location = wanted.location
        where = f"worker {peer.host}:{peer.data_port}"
        answer: Optional[Answer] = refusal
        asked = peer
        for _ in range(_HOPS):
            if answer is None or answer.status not in _REDIRECTS:
                break
            address, path = self._redirected(answer, where, location)
            if address is not None:
                member = self._owners.member_at(*address)
                if member is None:
                    to = f"{address[0]}:{address[1]}"
                    raise BadAnswerError(f"{where} redirects {location.url} to {to}, which is none of the workers")
                asked = member
            peer.ended("read", "ok", _since(deadline))
            answer = wanted.ask(asked, path, deadline)
        if answer is None:
            return
        if answer.status in _REDIRECTS:
            raise BadAnswerError(f"{where} redirects {location.url} again and again")
        if answer.status in _NO_SUCH_WAY:
            peer.ended("read", "failed", _since(deadline))
            self._read_pages(peer, wanted, deadline)
        elif answer.status == 416:
            raise OtherVersionError(f"{where} has {location.url} at another length")
        else:
            raise refused(answer, location.url, where)

    def _redirected(self, answer: Answer, where: str, location: Location) -> Tuple[Optional[Tuple[str, int]], str]:
        """Where to ask, ``None`` for whoever answers, and for what."""
        told = answer.head.get(b"location") or ""
        if told.startswith("/") and not told.startswith("//") and told.isascii() and " " not in told:
            return None, told
        try:
            parts = urlsplit(told)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or port is None or parts.scheme != self._scheme or not told.isascii() or " " in told:
            raise BadAnswerError(f"{where} redirects {location.url} to {told!r}, which is none of the workers")
        return (host, port), (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    # --- pages ------------------------------------------------------------------------------------------------------

    def _read_pages(self, peer: Peer, wanted: _Wanted, deadline: Deadline) -> None:
        """The second way: one request for each page."""
        location, version, offset, view = wanted.location, wanted.version, wanted.offset, wanted.view
        base = f"/v1/file/{file_id(location.url)}/page/"
        tail = f"?ufsFullPath={quoted(location.url)}"
        end, size = offset + len(view), self._page_size

        def length_of(index: int, expected: int) -> Length:
            request = peer.get(f"{base}{index}{tail}&offset={expected - 1}&length=2")
            with peer.besides("read"):
                answer = peer.http.ask(request, deadline, repeatable=True)
            if answer.status in (400, 416):  # behind the end of the page
                return Length.SHORTER
            if answer.status == 404:
                return Length.ABSENT
            if answer.status != 200:
                raise refused(answer, location.url, peer.where)
            return (Length.SHORTER, Length.EXACT, Length.LONGER)[min(len(answer.body), 2)]

        def prove() -> None:
            if last and not is_proved(peer, size):
                if version.length is None:
                    raise NotHeldError(f"{peer.where}: the length of {location.url} is not known")
                # Or what is of another length by now would be taken for pages of another size.
                with peer.besides("info"):
                    found = self._dialect.stat(peer, location, deadline)
                if found.size != version.length:
                    raise OtherVersionError(f"{peer.where} has {location.url} at another length")
                check_page_size(peer, size, version.length, max(1, offset // size), length_of)

        last = (end - 1) // size
        with before_the_call():
            prove()
        for index in range(offset // size, last + 1):
            start, stop = max(offset, index * size), min(end, (index + 1) * size)
            request = peer.get(f"{base}{index}{tail}&offset={start - index * size}&length={stop - start}")
            part = view[start - offset : stop - offset]
            if index < last:
                with before_the_call(), peer.besides("read"):  # if it fails, that of the last page is not made
                    _fill(peer, request, part, location, deadline)
            else:
                _fill(peer, request, part, location, deadline)
        prove()  # a new connection may lead to a worker that was started anew, with pages of another size


def _fill(peer: Peer, request: bytes, view: memoryview, location: Location, deadline: Deadline) -> None:
    answer = peer.http.ask(request, deadline, Target(view), repeatable=True)
    if answer.status == 404:
        raise not_found(location.url)
    if answer.status != 200:
        raise refused(answer, location.url, peer.where)


def _since(deadline: Deadline) -> float:
    """Seconds since a call that got nowhere was begun, as far as it is known."""
    return max(0.0, deadline.span - deadline.remaining())
