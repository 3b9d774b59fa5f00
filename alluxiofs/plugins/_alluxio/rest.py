"""Dialect ``rest``: the newer worker, which has statuses, reads through to the under store, and has a data port."""

from __future__ import annotations

from contextlib import suppress
from typing import Iterator

from alluxiofs.errors import BadAnswerError, TemporaryError, not_found
from alluxiofs.interfaces import Deadline, Entry, Location, TransportCapabilities, Version
from alluxiofs.plugins._alluxio.entries import child_entries, entry_of, parse_entries
from alluxiofs.plugins._alluxio.names import file_id, quoted
from alluxiofs.plugins._alluxio.owners import Owners
from alluxiofs.plugins._alluxio.peer import Peer
from alluxiofs.plugins._alluxio.range_reads import RangeReads
from alluxiofs.plugins._alluxio.statuses import refused
from alluxiofs.plugins._http.answers import Answer

__all__ = ["RestDialect"]

_DROP = (
    "recursive=false&recursiveAlias=false&removeAlluxioOnly=true&deleteMountPoint=false&syncParentNextTime=false"
    "&removeUncheckedOptionChar=false"
)
"""All arguments are said: a default that is not known could remove the file itself."""


class RestDialect:
    """Asks workers of the newer releases.

    Parameters
    ----------
    page_size, version_age:
        As of dialect ``pages``.
    owners:
        Who is asked where one name stands for many workers, and who may be redirected to.
    scheme:
        Of a redirect.
    """

    name = "rest"
    capabilities = TransportCapabilities(write=True, drop=True)

    def __init__(
        self,
        page_size: int,
        version_age: float,
        owners: Owners,
        scheme: str,
    ) -> None:
        self._owners = owners
        self._reads = RangeReads(self, page_size, version_age, owners, scheme)

    def stat(self, peer: Peer, location: Location, deadline: Deadline) -> Entry:
        """One request."""
        request = peer.get(f"/v1/info?path={quoted(location.url)}")
        said = parse_entries(_success(peer.http.ask(request, deadline, repeatable=True), location, peer), peer.where)
        if not said:
            raise not_found(location.url)
        return entry_of(said[0], location.name, peer.where)

    def list(self, peer: Peer, location: Location, deadline: Deadline) -> Iterator[Entry]:
        """One request, if something is there."""
        request = peer.get(f"/v1/files?path={quoted(location.url)}")
        said = parse_entries(_success(peer.http.ask(request, deadline, repeatable=True), location, peer), peer.where)
        if not said:
            with peer.besides("info"):
                found = self.stat(peer, location, deadline)
            if found.is_file:
                raise BadAnswerError(f"{peer.where} knows {location.url}, and does not list it")
        if len(said) == 1 and said[0].get("mType") == "file" and said[0].get("mUfsPath") == location.url:
            return iter((entry_of(said[0], location.name, peer.where),))
        return child_entries(said, location, peer.where)

    def read_into(
        self, peer: Peer, location: Location, version: Version, offset: int, view: memoryview, deadline: Deadline
    ) -> None:
        """One request, of a file that was looked at a moment ago."""
        if not len(view):
            return
        if not self._owners.balancers:
            self._reads.read_into(peer, location, version, offset, view, deadline)
            return
        owner = self._owners.owner_of(peer, location, deadline)
        try:
            self._reads.read_into(owner, location, version, offset, view, deadline)
        except TemporaryError:
            self._owners.forget(location)  # it may be another by now
            raise

    def drop(self, peer: Peer, location: Location, deadline: Deadline) -> None:
        """Have the worker hold nothing of a path; the under store keeps what it has."""
        target = f"/v1/rm/{file_id(location.url)}?ufsFullPath={quoted(location.url)}&{_DROP}"
        with suppress(TemporaryError):  # who cannot say who owns it is asked itself
            peer = self._owners.owner_of(peer, location, deadline)
        answer = peer.http.ask(peer.post(target), deadline)
        peer.notes.forget(location.url)
        if answer.status != 404 and not 200 <= answer.status < 300:
            raise refused(answer, location.url, peer.where)


def _success(answer: Answer, location: Location, peer: Peer) -> bytes:
    if answer.status == 200:
        return answer.body
    raise refused(answer, location.url, peer.where)
